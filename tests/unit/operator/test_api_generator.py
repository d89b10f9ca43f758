"""The generated CRDs: up to date, structural, and told apart when they drift."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from tracetrack_operator.api import RESOURCES
from tracetrack_operator.api.__main__ import generated_files, main
from tracetrack_operator.api.crd import custom_resource_definition
from tracetrack_operator.api.model import Names, Resource, ResourceInfo
from tracetrack_operator.api.schema import UnsupportedSchemaError, structural_schema

CRDS = Path(__file__).parents[3] / "crds"


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


def test_committed_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--out", str(CRDS)]) == 0, capsys.readouterr().out


def test_drift_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == generated_files().keys()
    assert main(["--check", "--out", str(tmp_path)]) == 0
    edited = tmp_path / "scannerfleets.yaml"
    edited.write_text(edited.read_text().replace("default: 1\n", "default: 2\n", 1))
    page = tmp_path / "REASONS.md"
    page.write_text(page.read_text().replace("### OwnershipConflict", "### Ownership", 1))
    (tmp_path / "leftover.yaml").write_text("")
    capsys.readouterr()
    assert main(["--check", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "default: 2" in out
    assert "+### OwnershipConflict" in out
    assert "leftover.yaml: no model generates this file" in out
    assert "run python -m tracetrack_operator.api" in err


def test_missing_file_is_drift(tmp_path: Path) -> None:
    assert main(["--check", "--out", str(tmp_path)]) == 1


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.info.kind)
def test_every_field_is_described_and_typed(resource: type[Resource]) -> None:
    for path, node in nodes(structural_schema(resource)):
        if path in (".metadata",):
            continue
        assert "$ref" not in node, path
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert path.endswith("[]") or node.get("description"), f"{path} has no description"


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.info.kind)
def test_numbers_of_seconds_and_sizes_tell_their_unit(resource: type[Resource]) -> None:
    units = {"Seconds": "in seconds", "GiB": "in GiB", "Percentage": "in percent", "Days": "in days"}
    for path, node in nodes(structural_schema(resource)):
        for suffix, unit in units.items():
            if path.endswith(suffix):
                assert unit in node["description"] or (suffix == "Seconds" and "long" in node["description"]), path


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.info.kind)
def test_rules_say_the_field_and_the_remedy(resource: type[Resource]) -> None:
    for path, node in nodes(structural_schema(resource)):
        for rule in node.get("x-kubernetes-validations", []):
            assert ":" in rule["message"], path
            assert path.lstrip(".").split(".")[0] in rule["message"], f"{path}: {rule['message']}"


def test_scale_and_status_subresources() -> None:
    subresources = {
        r.info.kind: custom_resource_definition(r)["spec"]["versions"][0].get("subresources") for r in RESOURCES
    }
    assert subresources == {
        "TraceTrackDeployment": {"status": {}},
        "ScannerFleet": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "ScannerSlice": None,
    }


def test_what_a_schema_cannot_say_is_refused_by_name() -> None:
    class Odd(Resource):
        """A resource with a union."""

        value: int | str = Field(description="Either.")
        info: ClassVar[ResourceInfo] = ResourceInfo("Odd", Names("odds", "odd", "o"), ())

    with pytest.raises(UnsupportedSchemaError, match="value: a union of types"):
        structural_schema(Odd)
