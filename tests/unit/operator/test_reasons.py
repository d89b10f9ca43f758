"""Every reason has an entry, every entry a reason, and the page can be followed."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from types import ModuleType

import botocore.session
import jmespath  # type: ignore[import-untyped]
import pytest
from botocore import xform_name

from tests.unit.operator.reasons_in_code import Given, in_code, in_module
from tracetrack_operator.api.conditions import Reason
from tracetrack_operator.api.reasons import GROUPS, PAGE, PASSING, REASONS, Course, Entry, Group, guide
from tracetrack_operator.api.reasons.page import reasons_markdown
from tracetrack_operator.cli.look import CHECKED
from tracetrack_operator.settings import Settings

ROOT = Path(__file__).parents[3]
OF_DEPLOYMENTS = ("deployment", "database", "cache", "dependencies", "drills")
EVENTS_BY = ("emit", "News")
ENTRIES = list(REASONS.values())
COMMANDS = [pytest.param(command, id=f"{e.reason}-{n}") for e in ENTRIES for n, command in enumerate(e.commands)]


@pytest.fixture(scope="module")
def mentioned() -> list[Given]:
    return in_code()


@pytest.fixture(scope="module")
def given(mentioned: list[Given]) -> list[Given]:
    return [each for each in mentioned if each.by != "=="]


def test_every_reason_that_is_given_or_looked_for_is_described(mentioned: list[Given]) -> None:
    assert len({each.reason for each in mentioned}) > 40
    missing = sorted({str(each) for each in mentioned if each.reason not in REASONS})
    assert not missing, f"describe them in tracetrack_operator/api/reasons: {'; '.join(missing)}"
    assert {member.value for member in Reason} <= REASONS.keys()


def test_every_reason_that_is_described_is_given(given: list[Given]) -> None:
    assert REASONS.keys() <= {each.reason for each in given}


def test_reasons_that_only_events_have_are_marked(given: list[Given]) -> None:
    emitted = {each.reason for each in given if each.by in EVENTS_BY}
    assert emitted == {entry.reason for entry in ENTRIES if entry.event}


def test_what_checks_of_connections_give_is_known_to_those_who_read_conditions(given: list[Given]) -> None:
    checks = {each.reason for each in given if each.by == "CheckResult" and each.module.endswith(".check")}
    assert checks == CHECKED


def test_entries_name_the_kinds_whose_code_gives_them(given: list[Given]) -> None:
    rooms: dict[str, set[str]] = {}
    for each in given:
        if each.by not in EVENTS_BY:
            rooms.setdefault(each.reason, set()).add(each.module.split(".")[1])
    for reason, found in rooms.items():
        entry = REASONS[reason]
        assert not found & set(OF_DEPLOYMENTS) or entry.deployment, f"{reason} is given by {found}"
        assert "fleet" not in found or entry.fleet, f"{reason} is given by {found}"
        assert not entry.fleet or found - set(OF_DEPLOYMENTS), f"{reason} is no fleet's: {found}"
        assert not entry.deployment or found - {"fleet"}, f"{reason} is no deployment's: {found}"


SAMPLE = """
from tracetrack_operator.api.conditions import Reason
from tracetrack_operator.aws.errors import AwsError, AwsThrottled
from tracetrack_operator.dependencies.protocol import Verdict
from tracetrack_operator.engine.conditions import Conditions
from tracetrack_operator.engine.errors import ReconcileError, RetryableError, TerminalError
STUCK = "ByName"
class Odd(RetryableError):
    def __init__(self, what):
        super().__init__("BySuper", what)
class Told:
    def _tell(self, owner, reason, message): ...
    def now(self, error):
        self._tell({}, error.reason or "BySelf", "…")
def some(conditions, context, error, reason, found):
    %s
"""


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        ('raise TerminalError("Literal", "…")', {"Literal"}),
        ('raise AwsError("Code", "Second", "…")', {"Second"}),
        ('raise AwsThrottled("Code", "Inherited", "…")', {"Inherited"}),
        ('Verdict.not_ready(message="…", reason="ByKeyword")', {"ByKeyword"}),
        ('Verdict("False", STUCK, "…")', {"ByName"}),
        ('Verdict.not_ready("One" if found else "Other", "…")', {"One", "Other"}),
        ("Verdict.not_ready(Reason.DELETING, '…')", {"Deleting"}),
        ("Verdict.ready('…')", {"Ready"}),
        ('conditions.false("Ready", "OfCondition", "…")', {"OfCondition"}),
        ('context.recorder.emit({}, "Warning", "OfEvent", "…")', {"OfEvent"}),
        ('word = "ByLocalName"; Verdict.not_ready(word, "…")', {"ByLocalName"}),
        ('told = [("InTuple", "…")]; Verdict.not_ready(told[0][0], "…")', {"InTuple"}),
        ('error.reason = "Assigned"', {"Assigned"}),
        ('{"type": "Ready", "reason": "InDict"}', {"InDict"}),
        ('error.reason in ("LookedFor", "OrThis")', {"LookedFor", "OrThis"}),
        ("error.reason == Reason.SUSPENDED", {"Suspended"}),
        ("Verdict.not_ready(error.reason, '…'); Verdict.not_ready(reason, '…')", set()),
        ("print('NoReason')", set()),
    ],
)
def test_reasons_are_found_however_they_are_given(line: str, reasons: set[str]) -> None:
    module = ModuleType("tracetrack_operator.sample")
    source = SAMPLE % line
    exec(compile(source, "sample", "exec"), vars(module))
    found = in_module(module, source)
    assert {each.reason for each in found} == reasons | {"BySuper", "BySelf"}
    assert {each.reason for each in found if each.by == "=="} == (
        reasons if "reason ==" in line or "reason in" in line else set()
    )


def test_no_reason_is_described_twice() -> None:
    assert len(REASONS) == sum(len(group.entries) for group in GROUPS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.reason)
def test_entries_are_whole(entry: Entry) -> None:
    assert re.fullmatch(r"(?:[A-Z][A-Za-z0-9]*[a-z0-9])", entry.reason), "the API takes CamelCase"
    assert entry.meaning.endswith(".")
    assert entry.remedy.endswith((".", ":"))
    assert not entry.remedy.endswith(":") or entry.commands
    assert entry.deployment or entry.fleet or entry.event
    assert len(set(entry.deployment)) == len(entry.deployment)
    assert entry.commands or entry.course is Course.GOOD, "say at least where to look"


def test_what_passes_is_what_the_entries_say() -> None:
    assert {"Progressing", "WaitingForDependency", "Deleting", "Suspended", "NotYetKnown"} <= PASSING
    assert not PASSING & {"Ready", "OwnershipConflict", "AwsThrottled", "InvalidSpec"}
    assert guide("x").passing == PASSING


def anchors(page: str) -> list[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_every_reason_has_an_anchor_of_its_own_that_messages_lead_to() -> None:
    page = reasons_markdown()
    found = anchors(page)
    assert len(found) == len(set(found)), "GitHub numbers the second of two equal headings"
    for reason in REASONS:
        told = guide(Settings.docs_url).add("It is so.", reason, 4096)
        path, _, anchor = told.removeprefix("It is so. See ").removesuffix(".").partition("#")
        assert (ROOT / path).read_text() == page
        assert anchor in found
    links = re.findall(r"\]\(#([^)]+)\)", page)
    assert sorted(links) == sorted(reason.lower() for reason in REASONS)


def test_the_pages_beside_it_lead_to_it() -> None:
    assert f"]({PAGE})" in (ROOT / "crds/README.md").read_text()
    assert f"](../crds/{PAGE})" in (ROOT / "operator/README.md").read_text()


def test_a_page_of_other_entries_is_written_alike() -> None:
    odd = Entry("Odd1", Course.STAYS, "It is.", "Leave it.", ("true",), event=True)
    page = reasons_markdown((Group("Odd", (odd,)),))
    assert page.endswith(
        "## Odd\n\n### Odd1\n\nEvent only. *Stays until you act.*\n\nIt is.\n\n**What to do.** Leave it.\n\n    true\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_shell(command: str) -> None:
    done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\n" not in command
    assert command.split(maxsplit=1)[0].partition("=")[0] in {
        "aws", "helm", "kubectl", "openssl", "psql", "NAME", "SIGNING", "TYPE"
    }  # fmt: skip


AWS_COMMANDS = [command for entry in ENTRIES for command in entry.commands if command.startswith("aws ")]


@pytest.mark.parametrize("command", sorted(set(AWS_COMMANDS)))
def test_aws_commands_exist(command: str) -> None:
    _, service, operation, *words = shlex.split(command)
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in operations
    shape = model.operation_model(operations[operation]).input_shape
    members = {xform_name(name, "-"): member for name, member in (shape.members if shape else {}).items()}
    switches = {f"--no-{name}" for name, member in members.items() if member.type_name == "boolean"}
    parameters = switches | {f"--{name}" for name in members}
    assert {word for word in words if word.startswith("--")} <= parameters | {"--query", "--output"}
    if "--query" in words:
        jmespath.compile(words[words.index("--query") + 1])
