"""Whom the certificates of RDS are trusted by, and what a server is told of that takes logins without TLS."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.unit.operator.cloud.test_rds import ITEM, SPEC, WORKING, desired
from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.database.rds import RDS
from tracetrack_operator.database.rds.authorities import by_region
from tracetrack_operator.dependencies.binding import DatabaseBinding
from tracetrack_operator.dependencies.checks import CheckResult
from tracetrack_operator.dependencies.protocol import Scope
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.settings import Settings

LOGIN = {"username": "u", "password": "pw-secret"}
LASTS = timedelta(days=10 * 365)


def bound(region: str, settings: Settings | None = None) -> DatabaseBinding:
    obj, nothing = owner(SPEC), None
    anything: Any = nothing
    provider = RDS(anything, anything, anything, anything, anything, settings or Settings())
    scope = Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {})
    arn = f"arn:aws:rds:{region}:111122223333:db:kind-shop-demo"
    item = {**ITEM, "DBInstanceArn": arn, "Endpoint": {"Address": "db.test", "Port": 5432}}
    found = provider.binding(scope, item, LOGIN, own=True)
    assert found is not None
    return found


@pytest.mark.parametrize("region", sorted(by_region()))
def test_each_region_has_three_authorities_of_its_own_that_last(region: str) -> None:
    found = x509.load_pem_x509_certificates(by_region()[region].encode())
    names = [str(each.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value) for each in found]
    assert names == [f"Amazon RDS {region} Root CA {kind} G1" for kind in ("ECC384", "RSA2048", "RSA4096")]
    for each in found:
        each.verify_directly_issued_by(each)
        assert each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert each.not_valid_after_utc > datetime.now(UTC) + LASTS


def test_regions_are_those_that_aws_has_had_for_long() -> None:
    assert len(by_region()) >= 27
    assert {"us-east-1", "eu-central-1", "ap-south-1"} <= by_region().keys()
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+-\d", region) for region in by_region())


def test_an_instance_is_verified_by_the_authorities_of_its_region() -> None:
    found = bound("ap-south-1")
    assert (found.sslmode, found.ca_crt) == ("verify-full", by_region()["ap-south-1"])
    assert found.ca_crt != bound("eu-west-1").ca_crt


def test_one_in_a_region_unheard_of_is_not_verified() -> None:
    found = bound("cn-north-1")
    assert (found.sslmode, found.ca_crt) == ("require", "")


def test_a_bundle_that_somebody_names_takes_their_place(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_text("PEM\n")
    found = bound("cn-north-1", Settings(aws_ca_file=str(path)))
    assert (found.sslmode, found.ca_crt) == ("verify-full", "PEM\n")


def test_a_server_that_takes_logins_without_tls_is_told_of_and_serves_on() -> None:
    found = desired(replace(WORKING, check=CheckResult(True, plain=True)))
    assert found.sync is not None
    assert (found.sync.status, found.sync.reason) == ("False", "TLSNotEnforced")
    assert "rds.force_ssl" in found.sync.message
    assert found.verdict.status == "True"
    assert found.steps == ()
