"""CustomResourceDefinitions of the models, as YAML."""

from typing import Any

import yaml

from .constants import CATEGORY, GROUP, VERSION
from .model import Column, Resource
from .schema import structural_schema

_HEADER = (
    "# Generated from the models in tracetrack_operator.api; change those and run python -m tracetrack_operator.api.\n"
)


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return entry | ({"priority": column.priority} if column.priority else {})


def custom_resource_definition(resource: type[Resource]) -> dict[str, Any]:
    """The CustomResourceDefinition object, ready to be applied."""
    info = resource.info
    subresources: dict[str, Any] = {}
    if info.status:
        subresources["status"] = {}
    if info.scale:
        subresources["scale"] = {
            "specReplicasPath": info.scale.spec,
            "statusReplicasPath": info.scale.status,
            "labelSelectorPath": info.scale.selector,
        }
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in info.columns],
        "schema": {"openAPIV3Schema": structural_schema(resource)},
    }
    if subresources:
        version["subresources"] = subresources
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{info.names.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": info.kind,
                "listKind": f"{info.kind}List",
                "plural": info.names.plural,
                "singular": info.names.singular,
                "shortNames": [info.names.short],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd_yaml(resource: type[Resource]) -> str:
    document = yaml.dump(
        custom_resource_definition(resource), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True
    )
    return _HEADER + document


def crd_file_name(resource: type[Resource]) -> str:
    return f"{resource.info.names.plural}.yaml"
