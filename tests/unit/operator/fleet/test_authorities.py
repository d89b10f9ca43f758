"""The roots that a scanner verifies AWS IoT with."""

from __future__ import annotations

from cryptography import x509

from tracetrack_operator.fleet.authorities import amazon_roots


def test_the_roots_are_amazons_and_nobody_elses() -> None:
    names = [root.subject.rfc4514_string() for root in x509.load_pem_x509_certificates(amazon_roots().encode())]
    assert sorted(names) == [f"CN=Amazon Root CA {number},O=Amazon,C=US" for number in range(1, 5)]
