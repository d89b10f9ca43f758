"""What an operator that has just started may take for granted, so that it does not log in everywhere at once."""

from ..engine.objects import Object
from ..manifests.secret import values
from .binding import REPLICA, Binding
from .protocol import Scope


def vouched(scope: Scope, component: str, binding: Binding) -> bool:
    """Whether the application was given just this, which only happens once it has worked, and the status says it does.

    `component` is `database` or `cache`.
    """
    given = scope.children.get(("Secret", scope.parent.child(f"{component}-binding")))
    if given is None or not _is_ready(scope.owner, f"{component.capitalize()}Ready"):
        return False
    kept, wanted = values(given), binding.data()
    return all(kept.get(key) == wanted.get(key) for key in (kept.keys() | wanted.keys()) - REPLICA)


def _is_ready(owner: Object, type_: str) -> bool:
    conditions = (owner.get("status") or {}).get("conditions") or []
    return any(each["type"] == type_ and each["status"] == "True" for each in conditions)
