from __future__ import annotations

from typing import Any

import pytest

from tests.aws.emulator import Emulator
from tests.integration.aws.support import TAGS, refused

NAME = "tracetrack/kind/default/lucknow/signing"


@pytest.fixture
def secrets(aws: Emulator) -> Any:
    return aws.client("secretsmanager")


def test_a_secret_is_kept_with_its_tags(secrets: Any) -> None:
    secrets.create_secret(Name=NAME, SecretString="one", Tags=TAGS)
    assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "one"
    secrets.tag_resource(SecretId=NAME, Tags=[{"Key": "site", "Value": "lucknow"}])
    described = secrets.describe_secret(SecretId=NAME)
    assert described["Tags"] == [*TAGS, {"Key": "site", "Value": "lucknow"}]
    refused("ResourceExistsException", secrets.create_secret, Name=NAME, SecretString="two")
    refused("ResourceNotFoundException", secrets.get_secret_value, SecretId=f"{NAME}-not")


def test_the_current_value_is_the_one_whose_stage_is_current(secrets: Any) -> None:
    first = secrets.create_secret(Name=NAME, SecretString="one")["VersionId"]
    second = secrets.put_secret_value(SecretId=NAME, SecretString="two", VersionStages=["AWSPENDING"])["VersionId"]
    assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "one"
    secrets.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first
    )
    assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "two"
    assert secrets.get_secret_value(SecretId=NAME, VersionId=first)["SecretString"] == "one"


def test_a_deleted_secret_keeps_its_name_until_it_is_restored(secrets: Any) -> None:
    secrets.create_secret(Name=NAME, SecretString="one")
    secrets.delete_secret(SecretId=NAME, RecoveryWindowInDays=7)
    refused("InvalidRequestException", secrets.get_secret_value, SecretId=NAME)
    assert "scheduled for deletion" in refused(
        "InvalidRequestException", secrets.create_secret, Name=NAME, SecretString="two"
    )
    secrets.restore_secret(SecretId=NAME)
    assert secrets.get_secret_value(SecretId=NAME)["SecretString"] == "one"
    secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
    refused("ResourceNotFoundException", secrets.describe_secret, SecretId=NAME)


def test_a_name_with_foreign_characters_is_refused(secrets: Any) -> None:
    refused("ValidationException", secrets.create_secret, Name="a b", SecretString="x")
    refused("ValidationException", secrets.create_secret, Name="x" * 513, SecretString="x")
