"""The field reference: the schemas as Markdown tables."""

import json
from collections.abc import Iterator

from .constants import API_VERSION, CATEGORY
from .model import Resource
from .reasons import PAGE
from .schema import Schema, schema_rules, structural_schema

_INTRODUCTION = f"""# Custom resources of TraceTrack

Field reference of `{API_VERSION}`. This file and the CustomResourceDefinitions beside it are generated from the
operator's models: change those and run `python -m tracetrack_operator.api`. `kubectl explain` tells the same in a
terminal, and `kubectl get {CATEGORY}` lists every object of these kinds. Complete examples are in [samples/](samples/).
What the reasons of conditions mean, and what to do about each, is in [{PAGE}]({PAGE}).

Sections (`object`) may be left out as a whole unless they are required; their fields' defaults then apply.
"""


def _type(node: Schema) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if node.get("type") == "array":
        return f"list of {_type(node['items'])}"
    if isinstance(node.get("additionalProperties"), dict):
        return f"map of {_type(node['additionalProperties'])}"
    return "time" if node.get("format") == "date-time" else str(node.get("type", "any"))


def _limits(node: Schema) -> str:
    parts = []
    if "enum" in node:
        parts.append("one of " + ", ".join(f"`{value}`" for value in node["enum"]))
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        parts.append(f"{low} to {high}")
    elif low is not None:
        parts.append(f"at least {low}")
    if "pattern" in node:
        escaped = node["pattern"].replace("|", "\\|")
        parts.append(f"matches `{escaped}`")
    elif "maxLength" in node:
        parts.append(f"at most {node['maxLength']} characters")
    if "maxItems" in node or "maxProperties" in node:
        parts.append(f"at most {node.get('maxItems', node.get('maxProperties'))} entries")
    return "; ".join(parts)


def _default(node: Schema, required: bool) -> str:
    if required:
        return "**required**"
    if "default" in node and not isinstance(node["default"], dict):
        return f"`{json.dumps(node['default'])}`"
    return ""


def _rows(node: Schema, prefix: str) -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        text = child.get("description", "").replace("|", "\\|").replace("<", "&lt;")
        limits = _limits(child)
        text = f"{text} _({limits})_" if limits else text
        yield f"| `{path}` | {_type(child)} | {_default(child, name in node.get('required', []))} | {text} |"
        yield from _rows(child, f"{path}.")
        yield from _rows(child.get("items", {}), f"{path}[].")


def _table(title: str, rows: Iterator[str]) -> list[str]:
    return [f"### {title}", "", "| Field | Type | Default | Meaning |", "|---|---|---|---|", *rows, ""]


def _section(resource: type[Resource]) -> list[str]:
    info = resource.info
    schema = structural_schema(resource)
    lines = [f"## {info.kind}", "", schema["description"], ""]
    lines += [f"Short name `{info.names.short}`; `kubectl get {info.names.plural}` shows:", ""]
    lines += [
        f"- **{column.name}**{' (with `-o wide`)' if column.priority else ''}: {column.description}"
        for column in info.columns
    ]
    lines.append("")
    own = {name: node for name, node in schema["properties"].items() if name not in ("apiVersion", "kind", "metadata")}
    sections = [name for name in ("spec", "status") if name in own]
    if sections:
        for name in sections:
            lines += _table(f"{info.kind} `{name}`", _rows(own[name], ""))
    else:
        lines += _table(f"{info.kind} fields", _rows({"properties": own, "required": schema.get("required", [])}, ""))
    lines += [f"### {info.kind} rules", "", "The API server refuses an object with one of these messages:", ""]
    lines += [f"- {rule['message'].replace('<', '&lt;')}." for rule in schema_rules(schema)]
    lines.append("")
    return lines


def reference_markdown(resources: tuple[type[Resource], ...]) -> str:
    lines = [_INTRODUCTION]
    for resource in resources:
        lines += _section(resource)
    return "\n".join(lines).rstrip() + "\n"
