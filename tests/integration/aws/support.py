"""What several tests of the emulated AWS need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TAGS = [{"Key": "tracetrack.io/uid", "Value": "0f5c"}]


def refused(code: str, call: Callable[..., Any], **parameters: Any) -> str:
    """The message of the error that `call` must answer with."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    answer = error.value.response["Error"]
    assert answer["Code"] == code, answer
    return str(answer["Message"])


Found = TypeVar("Found")


def until(look: Callable[[], Found | None], seconds: float = 20.0) -> Found:
    """The first answer of `look` that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def signing_request() -> tuple[str, bytes]:
    """(CSR in PEM, public key in DER) of a fresh P-256 key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scanner")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode(), der(key.public_key())


def der(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def public_key(certificate: str) -> bytes:
    """The public key in DER of a certificate in PEM."""
    return der(x509.load_pem_x509_certificate(certificate.encode()).public_key())
