from __future__ import annotations

import pytest

from tracetrack_operator.engine.guide import NO_GUIDE, Guide

FILE = Guide("docs/REASONS.md", frozenset({"Progressing"}))
URL = Guide("https://docs.example.com/reasons", frozenset({"Progressing"}))


def test_a_message_ends_in_where_its_reason_is_explained() -> None:
    assert FILE.add("It belongs to x.", "OwnershipConflict", 100) == (
        "It belongs to x. See docs/REASONS.md#ownershipconflict."
    )
    assert URL.add("It belongs to x.", "OwnershipConflict", 100) == (
        "It belongs to x. See https://docs.example.com/reasons#ownershipconflict."
    )


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("No stop", "No stop. See docs/REASONS.md#odd."),
        ("Is it so?", "Is it so? See docs/REASONS.md#odd."),
        ("A line end.\n", "A line end. See docs/REASONS.md#odd."),
        ("", "See docs/REASONS.md#odd."),
    ],
)
def test_sentences_do_not_run_together(message: str, told: str) -> None:
    assert FILE.add(message, "Odd", 100) == told


def test_what_passes_is_explained_as_well() -> None:
    assert FILE.add("1 of 2 replicas ready.", "Progressing", 100) == (
        "1 of 2 replicas ready. See docs/REASONS.md#progressing."
    )


def test_without_a_page_nothing_is_added() -> None:
    assert NO_GUIDE.add("Broken.", "Odd", 100) == "Broken."


@pytest.mark.parametrize("guide", [FILE, URL])
@pytest.mark.parametrize("length", [60, 61, 62, 100, 101, 5000])
def test_what_is_too_long_is_cut_before_the_address(guide: Guide, length: int) -> None:
    told = guide.add("x" * length, "OwnershipConflict", 100)
    assert len(told) <= 100
    assert told.endswith(f" See {guide.page}#ownershipconflict.")
    assert "x…" in told or told.startswith("x" * length + ". See")


def test_a_cut_message_uses_all_the_room_there_is() -> None:
    assert len(FILE.add("x" * 5000, "Odd", 100)) == 100
    assert NO_GUIDE.add("x" * 5000, "Odd", 100) == "x" * 100


def test_an_address_is_added_once() -> None:
    once = FILE.add("Broken.", "Odd", 100)
    assert FILE.add(once, "Odd", 100) == once
