"""What the checks of caches trust is read once, and nothing less is asked of a server's certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.cluster.pki import NAME, Authority
from tracetrack_operator.cache.check import _Connection


def context(authorities: str | None) -> ssl.SSLContext:
    return _Connection(host="cache.example", port=6379, ssl_ca_data=authorities).ssl_context.get()


def test_connections_with_the_same_authorities_share_what_they_trust(tmp_path: Path) -> None:
    authorities = Authority(tmp_path).certificate.read_text()
    shared, system = context(authorities), context(None)
    assert context(authorities) is shared
    assert context(None) is system
    assert [authority["subject"] for authority in shared.get_ca_certs()] == [((("commonName", NAME),),)]
    assert system.get_ca_certs()
    for each in (shared, system):
        assert each.check_hostname
        assert each.verify_mode == ssl.CERT_REQUIRED
