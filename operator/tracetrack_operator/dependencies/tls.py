"""Whom a database or cache must have its certificate from."""

import ssl
from functools import lru_cache


@lru_cache(maxsize=16)
def trusting(authorities: str) -> ssl.SSLContext:
    """Trusts these (PEM) and, as the application does, no others; the system's where there are none.

    One for all with the same: to read the system's, or the hundred of RDS, takes longer than a connection does, and the
    event loop stands still meanwhile.
    """
    return ssl.create_default_context(cadata=authorities or None)


@lru_cache(maxsize=1)
def unverified() -> ssl.SSLContext:
    """Encrypts, and takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
