"""The tables of changes as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...engine.plan import Disruption
from .fields import Field

_INTRODUCTION = """# What a change does

Generated from the operator's tables of changes: run `make generate` after changing them.

| class | what it does to the application | when it is made |
|---|---|---|
| online | nothing | at once |
| reboot | connections break, a server restarts or fails over | in the maintenance window, or once approved |
| switchover | connections break, typically for less than a minute: another instance takes over | as a reboot |
| replace | another instance would be needed | never in place: it is refused, with the way to do it |

The window is `spec.maintenanceWindow`, else the one that AWS picked. Approve with the annotation that the condition
`Synced` tells; it stands for the changes named there and no later ones:

    kubectl annotate --overwrite ttd demo tracetrack.io/approve=4f0c2a,91bd07

What somebody changed in AWS by hand is set back by the same rules, or only told (`spec.driftPolicy: Report`). What was
never seen as declared, such as an adopted instance, always waits for approval.
"""


@dataclass(frozen=True)
class Beside:
    """A field that is compared with nothing in AWS: its classes, what its change does, and by which calls."""

    name: str
    classes: tuple[Disruption, ...]
    why: str
    by: str = ""


MANAGEMENT = Beside(
    "management",
    (Disruption.ONLINE,),
    "to Bound: it is neither changed nor deleted from then on, and the application logs in with credentialsSecretRef. "
    "To Managed: kept as declared again if it has the tags of this object, else adopted, when you say so.",
)
CREDENTIALS = Beside(
    "credentialsSecretRef", (Disruption.ONLINE,), "with Bound: the application takes other credentials while it runs."
)


def changes_markdown(tables: Mapping[str, tuple[Field | Beside, ...]]) -> str:
    """`tables` are by the path of their section."""
    lines = [_INTRODUCTION]
    for path, table in tables.items():
        lines += [f"## `{path}`", "", "| Field | Class | What happens | By |", "|---|---|---|---|"]
        lines += [
            f"| `{field.name}` | {_classes(field)} | {_sentence(_why(field))} | {_by(field)} |" for field in table
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _classes(field: Field | Beside) -> str:
    if isinstance(field, Field) and isinstance(field.disruption, Disruption):
        return field.disruption
    return " or ".join(field.classes)


def _why(field: Field | Beside) -> str:
    return field.told("demo", "ID") if isinstance(field, Field) else field.why


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _by(field: Field | Beside) -> str:
    if isinstance(field, Beside):
        return f"`{field.by}`" if field.by else "–"
    operation = "".join(word.capitalize() for word in field.operation.split("_")).replace("Db", "DB")
    return f"`{operation} {field.parameter}`".replace(" `", "`")
