"""What a scanner may have typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetrack_app.domain.codes import Kind, MalformedCodeError, clean, clean_text, parse, parse_parent


@pytest.mark.parametrize(
    ("raw", "text", "kind"),
    [
        ("SB00001", "SB00001", Kind.PARENT),
        ("sb00001", "SB00001", Kind.PARENT),
        ("  m444-12345\r\n", "M444-12345", Kind.PARENT),
        ("\ufeffSB\u200b00001", "SB00001", Kind.PARENT),
        ("abcd", "ABCD", Kind.CHILD),
        ("A" * 20, "A" * 20, Kind.CHILD),
        ("SB000011", "SB000011", Kind.CHILD),
        ("LABEL NO.12345", "12345", Kind.CHILD),
        ("label no.:0012345", "0012345", Kind.CHILD),
        ("LABEL NO. 12345 ", "12345", Kind.CHILD),
        ("\x0212345\x03", "12345", Kind.CHILD),
    ],
)
def test_codes_in_their_stored_form(raw: str, text: str, kind: Kind) -> None:
    code = parse(raw)
    assert (code.text, code.kind) == (text, kind)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "   ",
        "abc",
        "A" * 21,
        "SB0001-",
        "M44400001-",
        "M444-1234",
        "ab cd",
        "LABEL NO.123",
        "LABEL NO.12A45",
        "१२३४५",
        "ＳＢ００００１",
        "straße",
        "http://x.y/SB00001",
    ],
)
def test_what_is_no_code(raw: str) -> None:
    with pytest.raises(MalformedCodeError):
        parse(raw)


def test_a_child_is_no_parent() -> None:
    with pytest.raises(MalformedCodeError, match="SB and 5 digits"):
        parse_parent("ABCD1234")


@given(st.text(max_size=300))
def test_whatever_comes_is_cleaned_alike_and_fits(raw: str) -> None:
    text = clean(raw)
    assert len(text) <= 200
    assert clean(text) == text
    text.encode("utf-8")
    assert "\x00" not in text


@given(st.text(max_size=60))
def test_a_parsed_code_parses_to_itself(raw: str) -> None:
    try:
        code = parse(raw)
    except MalformedCodeError:
        return
    assert parse(code.text) == code
    assert code.text == code.text.upper()


def test_free_text_is_cut_and_stripped() -> None:
    assert clean_text(" dock\u200b 7 \x00", 6) == "dock 7"
