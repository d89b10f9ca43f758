"""Turns a model into a structural schema (apiextensions.k8s.io/v1): no references, nulls, titles or coercions."""

from collections.abc import Iterator
from typing import Any

from .model import Resource

Schema = dict[str, Any]

_VALIDATIONS = "x-kubernetes-validations"
_ORDER = (
    "description",
    "type",
    "x-kubernetes-int-or-string",
    "anyOf",
    "format",
    "enum",
    "default",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "required",
    "properties",
    "items",
    "additionalProperties",
    _VALIDATIONS,
)
_DROPPED = frozenset({"title", "$ref"})

_TYPE_META: Schema = {
    "apiVersion": {
        "description": "Version of the schema of this object: a group and a version.",
        "type": "string",
    },
    "kind": {"description": "Kind of this object.", "type": "string"},
    "metadata": {"type": "object"},
}


class UnsupportedSchemaError(TypeError):
    """A model uses something that a structural schema can't say; the text names the place."""


def structural_schema(resource: type[Resource]) -> Schema:
    """The openAPIV3Schema of the resource's version."""
    document = resource.model_json_schema(by_alias=True, mode="validation")
    definitions = document.pop("$defs", {})
    own = {name: node for name, node in document["properties"].items() if name not in _TYPE_META}
    properties = {name: _convert(node, definitions, name, name != "status") for name, node in own.items()}
    root: Schema = {
        "description": document["description"],
        "type": "object",
        "required": [name for name in document["required"] if name in own],
        "properties": {**_TYPE_META, **properties},
    }
    if resource.info.root_rules:
        root[_VALIDATIONS] = [rule.schema() for rule in resource.info.root_rules]
    return root


def _merge(base: Schema, over: Schema) -> Schema:
    merged = {**base, **over}
    if _VALIDATIONS in base and _VALIDATIONS in over:
        merged[_VALIDATIONS] = [*base[_VALIDATIONS], *over[_VALIDATIONS]]
    return merged


def _resolve(node: Schema, definitions: Schema) -> Schema:
    """Follows references and drops the null of an optional field; what the field says wins over what its type "
    "says."""
    if reference := node.get("$ref"):
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _resolve(_merge(definitions[reference.rsplit("/", 1)[-1]], rest), definitions)
    options = node.get("anyOf", [])
    if {"type": "null"} in options and len(options) == 2:
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        chosen = next(option for option in options if option != {"type": "null"})
        return _resolve(_merge(chosen, rest), definitions)
    return node


def schema_rules(node: Schema) -> Iterator[dict[str, Any]]:
    """Every CEL rule of a schema, outermost first."""
    yield from node.get(_VALIDATIONS, [])
    for child in node.get("properties", {}).values():
        yield from schema_rules(child)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from schema_rules(node[key])


def _filled(node: Schema) -> Schema:
    """The default of an object with all its fields' defaults in it."""
    return {
        name: _filled(child) if "properties" in child else child["default"]
        for name, child in node["properties"].items()
        if "default" in child
    }


def _convert(node: Schema, definitions: Schema, path: str, defaults: bool) -> Schema:
    node = dict(_resolve(node, definitions))
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("default", ...) is None or not defaults:
        node.pop("default", None)
    if "properties" in node:
        node.pop("additionalProperties", None)
        node["properties"] = {
            name: _convert(child, definitions, f"{path}.{name}", defaults) for name, child in node["properties"].items()
        }
        if isinstance(node.get("default"), dict):
            # The fields' own defaults fill an empty one, but the API server checks rules against it before that.
            node["default"] = _filled(node) if any(schema_rules(node)) else {}
    elif isinstance(node.get("additionalProperties"), dict):
        node["additionalProperties"] = _convert(node["additionalProperties"], definitions, f"{path}.*", defaults)
    if "items" in node:
        node["items"] = _convert(node["items"], definitions, f"{path}[]", defaults)
    node = {key: value for key, value in node.items() if key not in _DROPPED}
    if unknown := node.keys() - set(_ORDER):
        raise UnsupportedSchemaError(f"{path}: a structural schema has no {', '.join(sorted(unknown))}")
    if "anyOf" in node and "x-kubernetes-int-or-string" not in node:
        raise UnsupportedSchemaError(f"{path}: a union of types has no structural schema but for int-or-string")
    return {key: node[key] for key in _ORDER if key in node}
