"""Keys: the derived one a scanner signs in with over HTTP, and the EC one behind its certificate."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

_CONTEXT = b"tracetrack-device-key-v1"


def device_key(secret: bytes, fleet: str, scanner: str, generation: int) -> str:
    """`ttk1.<fleet>.<scanner>.<generation>.<mac>`, derived from the signing secret as the app does."""
    message = b"\0".join((_CONTEXT, fleet.encode(), scanner.encode(), str(generation).encode()))
    mac = base64.urlsafe_b64encode(hmac.new(secret, message, hashlib.sha256).digest()).rstrip(b"=").decode()
    return f"ttk1.{fleet}.{scanner}.{generation}.{mac}"


def private_key() -> str:
    """A new EC P-256 key, in PEM (PKCS #8, not encrypted)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def private_keys(names: Iterable[str]) -> dict[str, str]:
    """A new key for each name."""
    return {name: private_key() for name in names}


def signing_request(key_pem: str, common_name: str) -> str:
    """A certificate signing request for a key, in PEM. The name is cut to the 64 characters X.509 allows."""
    key = load_pem_private_key(key_pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the private key is not an EC key")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject_name(common_name))])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def subject_name(thing: str) -> str:
    """The common name that a thing's certificate carries: its name, or a digest of it where that is too long."""
    return thing if len(thing) <= 64 else hashlib.sha256(thing.encode()).hexdigest()


def _fingerprint(key: PublicKeyTypes) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def key_fingerprint(key_pem: str) -> str:
    """SHA-256 of the public half of a private key."""
    return _fingerprint(load_pem_private_key(key_pem.encode(), None).public_key())


def certificate_facts(pem: str) -> tuple[str, str, datetime]:
    """Of a certificate: the fingerprint of its public key, its common name (or ""), and when it ends."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    return _fingerprint(certificate.public_key()), name, certificate.not_valid_after_utc
