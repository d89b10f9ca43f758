"""Rules of a spec that has one section for each provider."""

from typing import Any

from .model import Rule


def with_section(value: Any, sections: dict[str, str]) -> Any:
    """Adds the provider's own section, empty, where it was left out, so that its defaults apply."""
    if isinstance(value, dict) and (section := sections.get(str(value.get("provider")))) and value.get(section) is None:
        return {**value, section: {}}
    return value


def section_rules(field: str, sections: dict[str, str], needs_secret: str) -> list[Rule]:
    """Each provider's section only beside that provider, and a Secret for the one that needs it."""
    only = [
        Rule(
            f"!has(self.{section}) || self.provider == '{provider}'",
            f"{field}.{section} applies to provider {provider} only: remove it, or set {field}.provider to {provider}",
            f".{section}",
        )
        for provider, section in sections.items()
    ]
    return [
        *only,
        Rule(
            f"self.provider != '{needs_secret}' || has(self.external)",
            f"{field}.external.secretRef.name is required with provider {needs_secret}: name the Secret to "
            f"connect with",
        ),
        Rule(
            "self.provider == oldSelf.provider",
            f"{field}.provider can't be changed, since the data would stay behind: "
            "keep it, and create a new TraceTrackDeployment for another provider",
            ".provider",
        ),
    ]


def _compared(left: str, right: str, quantities: bool) -> str:
    return f"quantity({left}).compareTo(quantity({right})) >= 0" if quantities else f"{left} >= {right}"


def growth_rule(section: str, field: str, default: str, message: str, quantities: bool = False) -> Rule:
    """A size that can't shrink, counted as its default where the section was or is left out.

    The branches are spelled out because the API server can't bound the cost of a value that orValue() chose.
    """
    new, old = f"self.{section}.{field}", f"oldSelf.{section}.{field}"
    literal = f"'{default}'" if quantities else default
    return Rule(
        f"has(self.{section}) ? (has(oldSelf.{section}) ? {_compared(new, old, quantities)} : "
        f"{_compared(new, literal, quantities)}) : "
        f"(!has(oldSelf.{section}) || {_compared(literal, old, quantities)})",
        message,
    )


def fixed_rule(section: str, field: str, message: str) -> Rule:
    """An optional field of an optional section that can't be set, changed or removed after the creation."""
    new, old = (f"has({side}.{section}) && has({side}.{section}.{field})" for side in ("self", "oldSelf"))
    return Rule(f"{new} ? {old} && self.{section}.{field} == oldSelf.{section}.{field} : !({old})", message)
