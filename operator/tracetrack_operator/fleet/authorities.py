"""Whose signature a scanner accepts on AWS IoT's endpoint."""

import warnings
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


@cache
def amazon_roots() -> str:
    """PEM of Amazon Root CA 1 to 4, which sign the ATS endpoints (AWS IoT developer guide, "Server authentication").

    They are taken from the certifi bundle, so that they are as current as the operator's image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bundle = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    roots = [root for root in bundle if _organization(root) == "Amazon"]
    return "".join(root.public_bytes(Encoding.PEM).decode() for root in roots)


def _organization(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(names[0].value) if names else ""
