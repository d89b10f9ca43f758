"""What leaves the house in a bundle or on a screen, and what doesn't."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from tracetrack_operator.cli.bundle import bare, packed, secret_texts
from tracetrack_operator.cli.redact import MASK, Redactor, is_secret, parameters

PASSWORD = "tr0ub4dor-and-3"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    "name", ["MasterUserPassword", "AuthToken", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "SecretString", "apiKey"]
)
def test_what_holds_a_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "credentialsSecretRef",
        "secretName",
        "KmsKeyId",
        "AuthTokenEnabled",
        "AuthTokenUpdateStrategy",
        "AuthTokenLastModifiedDate",
        "password_name",
    ],
)
def test_what_only_names_one(name: str) -> None:
    assert not is_secret(name)


def test_parameters_of_a_call_are_shown_without_its_password() -> None:
    given = {"DBInstanceIdentifier": "x", "MasterUserPassword": PASSWORD, "AllocatedStorage": 20}
    assert parameters(given) == {"DBInstanceIdentifier": "x", "MasterUserPassword": MASK, "AllocatedStorage": 20}


@pytest.mark.parametrize(
    "text",
    [
        f"password={PASSWORD} is wrong",
        f'{{"password": "{PASSWORD}"}}',
        f"postgresql://tracetrack:{PASSWORD}@db:5432/x",
        f"Authorization: Bearer {PASSWORD}",
        f"login with {PASSWORD}.",
    ],
)
def test_a_secret_is_taken_out_of_running_text(text: str) -> None:
    redacted = Redactor([PASSWORD]).text(text)
    assert PASSWORD not in redacted
    assert MASK in redacted


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"password={PASSWORD}", PASSWORD),
        (f"redis://:{PASSWORD}@cache:6379", PASSWORD),
        ("key AKIAIOSFODNN7EXAMPLE was used", "AKIAIOSFODNN7EXAMPLE"),
        (f"the key {PEM} leaked", "MHcCAQEEIB"),
        ("token eyJhbGciOiJSUzI1NiIsImtpZCI6.eyJzdWIiOiJ4In0.c2ln", "eyJzdWIiOiJ4In0"),
    ],
)
def test_also_one_that_nobody_knows_of(text: str, secret: str) -> None:
    assert secret not in Redactor().text(text)


def test_what_is_no_secret_stays() -> None:
    text = "DB instance kind-shop-demo is available at kind-shop-demo.rds:5432 since 2026-11-23T12:00:00Z."
    assert Redactor([PASSWORD, "short"]).text(text) == text


def test_objects_go_without_their_data() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {
            "name": "x",
            "managedFields": [1],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": PASSWORD},
        },
        "data": {"password": "dHIwdWI0"},
        "stringData": None,
    }
    assert bare(secret) == {
        "kind": "Secret",
        "metadata": {"name": "x"},
        "data": {"password": MASK},
        "stringData": {},
    }


def test_values_inside_json_are_secrets_too() -> None:
    document = json.dumps({"keys": [{"generation": 1, "value": "0123456789abcdef"}]})
    assert secret_texts("keys.json", document) == [document, "0123456789abcdef"]
    assert secret_texts("host", "db.example.com") == []


def test_a_bundle_is_redacted_as_a_whole() -> None:
    variables = {"env": [{"name": "AUTH_TOKEN", "value": "hidden-1"}, {"name": "LEVEL", "value": "INFO"}]}
    archive = packed({"pods.json": variables, "operator.log": f"login with {PASSWORD}"}, Redactor([PASSWORD]), "demo")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = {entry.name: opened.extractfile(entry).read().decode() for entry in opened.getmembers()}  # type: ignore[union-attr]
    assert files.keys() == {"demo/pods.json", "demo/operator.log"}
    assert PASSWORD not in files["demo/operator.log"]
    found = {each["name"]: each["value"] for each in json.loads(files["demo/pods.json"])["env"]}
    assert found == {"AUTH_TOKEN": MASK, "LEVEL": "INFO"}
