"""What an operator that has just started may take for granted, so that it does not log in everywhere at once."""

from ..api.conditions import Reason
from ..engine.objects import Object
from ..manifests.secret import values
from .binding import REPLICA, Binding
from .protocol import Scope


def vouched(scope: Scope, component: str, binding: Binding) -> bool:
    """Whether the application was given just this, which only happens once it has worked, and the status says it does.

    `component` is `database` or `cache`. What a look at the server has found wrong is not taken for gone.
    """
    given = scope.children.get(("Secret", scope.parent.child(f"{component}-binding")))
    told = _conditions(scope.owner)
    ready = any(each["type"] == f"{component.capitalize()}Ready" and each["status"] == "True" for each in told)
    if given is None or not ready or any(each.get("reason") == Reason.TLS_NOT_ENFORCED for each in told):
        return False
    kept, wanted = values(given), binding.data()
    return all(kept.get(key) == wanted.get(key) for key in (kept.keys() | wanted.keys()) - REPLICA)


def _conditions(owner: Object) -> list[Object]:
    found: list[Object] = (owner.get("status") or {}).get("conditions") or []
    return found
