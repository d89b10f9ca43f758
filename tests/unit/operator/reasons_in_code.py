"""The reasons that the operator's code gives, read from its syntax trees.

Whatever takes a parameter, field or key named `reason` gives one. A value is followed to its literals: constants,
members of `Reason`, names of modules, both sides of a choice. What comes in by a parameter or from another object's
`reason` was given there. Of anything else, each CamelCase word in the same function counts.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import tracetrack_operator
from tracetrack_operator.api.conditions import Reason
from tracetrack_operator.kube.kinds import KINDS

PACKAGE = "tracetrack_operator"
DESCRIPTIONS = (f"{PACKAGE}.api.reasons", f"{PACKAGE}.api.conditions")
WORD = re.compile(r"(?:[A-Z][a-z0-9]+)+")
OTHER_WORDS = {"True", "False", "Unknown", "Normal", "Warning", *KINDS}
Scope = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Given:
    """`by` is the name of what it was given to; "" for a member of `Reason` that is only mentioned."""

    reason: str
    module: str
    line: int
    by: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.module}:{self.line})"


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(tracetrack_operator.__path__, f"{PACKAGE}."):
        if not found.name.endswith("__main__") and not found.name.startswith(DESCRIPTIONS):
            yield importlib.import_module(found.name)


def in_code() -> list[Given]:
    methods = _methods()
    return [given for module in modules() for given in in_module(module, inspect.getsource(module), methods)]


def in_module(module: ModuleType, source: str, methods: dict[str, set[int]] | None = None) -> list[Given]:
    reader = _Reader(module, _methods() if methods is None else methods)
    reader.visit(ast.parse(source))
    return reader.found


def _methods() -> dict[str, set[int]]:
    """Where methods of the package's classes take their reason, by the method's name and without `self`."""
    places: dict[str, set[int]] = {}
    for module in modules():
        for class_ in vars(module).values():
            if not isinstance(class_, type) or class_.__module__ != module.__name__:
                continue
            for name, member in vars(class_).items():
                place = _place(member) if inspect.isfunction(member) else None
                if place is not None and name != "__init__":
                    places.setdefault(name, set()).add(place - 1)
    return places


def _place(called: Callable[..., Any]) -> int | None:
    if isinstance(called, type) and not inspect.isfunction(inspect.getattr_static(called, "__init__")):
        return None
    names = list(inspect.signature(called).parameters)
    return names.index("reason") if "reason" in names else None


class _Reader(ast.NodeVisitor):
    def __init__(self, module: ModuleType, methods: dict[str, set[int]]) -> None:
        self.found: list[Given] = []
        self._module = module
        self._methods = methods
        self._classes: list[type] = []
        self._functions: list[Scope] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._classes.append(getattr(self._module, node.name))
        self.generic_visit(node)
        self._classes.pop()

    def visit_FunctionDef(self, node: Scope) -> None:
        self._functions.append(node)
        self.generic_visit(node)
        self._functions.pop()

    def visit_AsyncFunctionDef(self, node: Scope) -> None:
        self.visit_FunctionDef(node)

    def visit_Call(self, node: ast.Call) -> None:
        for place, default in self._takes(node.func):
            self._argument(node, place, default)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        value = self._known(node)
        if isinstance(value, Reason):
            self._add(value.value, node, "")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assigned(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assigned(node.target, node.value)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "reason":
                self._follow(value, "{reason}")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """A reason that is looked for has to exist as well, but looking for it doesn't give it."""
        sides = [node.left, *node.comparators]
        if not any(isinstance(side, ast.Attribute) and side.attr == "reason" for side in sides):
            self.generic_visit(node)
            return
        for each in (part for side in sides for part in ast.walk(side)):
            value = each.value if isinstance(each, ast.Constant) else self._known(each)
            if isinstance(value, str):
                self._add(str(value), each, "==")

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        own = isinstance(target, ast.Name) and target.id == "reason" and self._classes and not self._functions
        if own or (isinstance(target, ast.Attribute) and target.attr == "reason"):
            self._follow(value, "reason")

    def _takes(self, called: ast.expr) -> Iterator[tuple[int, object]]:
        """Where what is called takes a reason, and what it takes for none."""
        target, bound = self._called(called)
        if target is None:
            if isinstance(called, ast.Attribute) and not self._known(called.value):
                yield from ((place, None) for place in sorted(self._methods.get(called.attr, ())))
            return
        if not str(getattr(target, "__module__", "")).startswith(PACKAGE):
            return
        place = _place(target)
        if place is not None:
            default = inspect.signature(target).parameters["reason"].default
            yield place - bound, None if default is inspect.Parameter.empty else default

    def _called(self, called: ast.expr) -> tuple[Callable[..., Any] | None, int]:
        """The object that is called, and 1 if it takes a `self` that the call doesn't show."""
        class_ = self._classes[-1] if self._classes else None
        if class_ is not None and isinstance(called, ast.Name) and called.id == "cls":
            return class_, 0
        if class_ is not None and isinstance(called, ast.Attribute):
            base = called.value
            if isinstance(base, ast.Name) and base.id in ("self", "cls"):
                member = getattr(class_, called.attr, None)
                return member, int(inspect.isfunction(member))
            if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "super":
                member = getattr(class_.__mro__[1], called.attr, None)
                return member, int(inspect.isfunction(member))
        found = self._known(called)
        return (found, 0) if callable(found) else (None, 0)

    def _argument(self, node: ast.Call, place: int, default: object) -> None:
        by = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        named = [word.value for word in node.keywords if word.arg == "reason"]
        if named:
            self._follow(named[0], by)
        elif place < len(node.args):
            self._follow(node.args[place], by)
        elif isinstance(default, str) and default:
            self._add(str(default), node, by)

    def _follow(self, value: ast.expr, by: str) -> None:
        known = self._known(value)
        if isinstance(value, ast.Constant):
            self._add(str(value.value), value, by)
        elif isinstance(known, str):
            self._add(str(known), value, by)
        elif isinstance(value, ast.IfExp | ast.BoolOp):
            for part in (value.body, value.orelse) if isinstance(value, ast.IfExp) else value.values:
                self._follow(part, by)
        elif not self._comes_from_elsewhere(value):
            for each in ast.walk(self._functions[-1] if self._functions else value):
                word = each.value if isinstance(each, ast.Constant) and isinstance(each.value, str) else ""
                if WORD.fullmatch(word) and word not in OTHER_WORDS:
                    self._add(word, each, by)

    def _comes_from_elsewhere(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Attribute):
            return value.attr == "reason"
        if isinstance(value, ast.Subscript):
            return isinstance(value.slice, ast.Constant) and value.slice.value == "reason"
        if not isinstance(value, ast.Name):
            return False
        parameters = [a.arg for f in self._functions for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)]
        return value.id in parameters

    def _known(self, node: ast.AST) -> Any:
        """The object that a name or a dotted name of the module stands for, None for any other."""
        if isinstance(node, ast.Name):
            return vars(self._module).get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._known(node.value)
            return getattr(base, node.attr, None) if base is not None else None
        return None

    def _add(self, reason: str, node: Any, by: str) -> None:
        if reason:
            self.found.append(Given(reason, self._module.__name__, node.lineno, by))
