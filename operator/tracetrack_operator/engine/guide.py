"""Where a person reads on about a reason. What the reasons are is the application's business, and comes from there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guide:
    """`passing`: reasons of states that are as they should be for now, and no warnings.

    `page` is the address of the page that explains all, each under its reason in lower case; "" for no page.
    """

    page: str = ""
    passing: frozenset[str] = frozenset()

    def add(self, message: str, reason: str, limit: int) -> str:
        """The message, ending in the address of its reason's explanation; a long one is cut before that."""
        if not self.page:
            return message[:limit]
        pointer = f"See {self.page}#{reason.lower()}."
        if message.endswith(pointer):
            return message[:limit]
        text = message.rstrip()
        if text and not text.endswith((".", "!", "?")):
            text += "."
        room = limit - len(pointer) - 1
        if len(text) > room:
            text = f"{text[: max(room - 1, 0)]}…"
        return f"{text} {pointer}" if text else pointer


NO_GUIDE = Guide()
