"""What somebody may have meant by a code that is none."""

from __future__ import annotations

import pytest

from tracetrack_app.domain.nearby import meant


@pytest.mark.parametrize(
    ("typed", "intended"),
    [
        ("SBOOO12", "SB00012"),
        ("5B00O12", "SB00012"),
        ("SB-00012", "SB00012"),
        ("SB 00012", "SB00012"),
        ("SB12", "SB00012"),
        ("00012", "SB00012"),
        ("12", "M444-00012"),
        ("M44400012", "M444-00012"),
        ("M444_00012", "M444-00012"),
        ("SB0012", "SB00012"),
        ("SB000012", "SB00012"),
        ("SB00102", "SB00012"),
        ("SB00013", "SB00012"),
        ("CHLID1", "CHILD1"),
        ("CHILD01O", "CHILD010"),
        ("L234567", "1234567"),
    ],
)
def test_what_was_meant_is_among_the_suggestions(typed: str, intended: str) -> None:
    assert intended in meant(typed)


def test_what_is_far_off_is_not_suggested() -> None:
    assert "SB00012" not in meant("SB99999")
    assert "1234567" not in meant("12X4Y67")


def test_what_people_misread_comes_before_mere_neighbours() -> None:
    assert meant("SBOOO12")[0] == "SB00012"
    assert meant("00012")[:2] == ["SB00012", "M444-00012"]


def test_there_are_few_suggestions_and_none_for_nothing() -> None:
    assert meant("") == []
    assert meant("A") == []
    assert meant("A" * 31) == []
    found = meant("A" * 30)
    assert len(found) == len(set(found)) < 2500
    assert "A" * 30 not in found
