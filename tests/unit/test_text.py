import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from versori_magics.text import (
    ELLIPSIS,
    counts_in_words,
    cut,
    did_you_mean,
    is_quotable,
    number_of,
    one_line,
    visible,
)

CONTROL_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"
ANYTHING = st.text(st.characters(exclude_categories=[])) | st.text(
    st.sampled_from("a b\n\t\r\x00\x1b\x7f\x9b\u202e\u2066\u200b\u200d\u2028\ufeff\ud800\U000e0001é漢🙂 ")
)
HARMLESS = st.text(st.characters(exclude_categories=[*CONTROL_CATEGORIES, "Zs"]), min_size=1)


def control_characters(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in CONTROL_CATEGORIES and char not in JOINERS]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Ünïcode 漢字 עברית 🙂", "Ünïcode 漢字 עברית 🙂"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\rb\bc\x07", r"a\x0db\x08c\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202etxt.exe", r"abc\u202etxt.exe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("👩\u200d💻 नमस्\u200cते", "👩\u200d💻 नमस्\u200cते"),
        ("a\\x1b", "a\\x1b"),
        ("", ""),
    ],
)
def test_control_characters_are_escaped_and_readable_ones_stay(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANYTHING)
def test_visible_text_has_no_control_characters_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert control_characters(shown) == []
    shown.encode("utf-8")
    assert visible(shown) == shown


@given(st.text(st.characters(exclude_categories=list(CONTROL_CATEGORIES))))
def test_harmless_text_is_unchanged(text: str) -> None:
    assert visible(text) == text


@given(ANYTHING, st.integers(1, 50))
@settings(deadline=None)
def test_one_line_has_no_line_breaks_or_control_characters(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert control_characters(shown) == []
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


@given(ANYTHING, st.integers(1, 50))
@settings(deadline=None)
def test_one_line_is_bounded_whatever_the_text(text: str, limit: int) -> None:
    # An escape has at most ten characters; the length of the text follows.
    assert len(one_line(text * 7, limit)) <= 10 * limit + len(f"{ELLIPSIS} (10,000,000 characters)")


@given(st.lists(HARMLESS))
def test_harmless_words_on_one_line_are_unchanged(words: list[str]) -> None:
    text = " ".join(words)
    assert one_line(text, len(text) + 1) == text


@given(st.lists(HARMLESS, min_size=1, max_size=5), st.text(" \n\t\r\x0b", min_size=1))
def test_white_space_between_words_becomes_one_blank(words: list[str], space: str) -> None:
    text = space + space.join(words) + space
    assert one_line(text, len(text)) == " ".join(words)


@pytest.mark.parametrize(("value", "shown"), [(None, "None"), (5, "5"), (["a"], "['a']"), (ValueError("x\ny"), "x y")])
def test_any_value_can_be_shown_on_one_line(value: Any, shown: str) -> None:
    assert one_line(value) == shown


@given(st.text(), st.integers(0, 30))
def test_short_text_is_not_cut_and_cut_text_ends_with_its_length(text: str, limit: int) -> None:
    shown = cut(text, limit)
    if len(text) <= limit:
        assert shown == text
    else:
        assert shown.startswith(text[:limit])
        assert shown.endswith(" characters)")


def test_the_length_of_cut_text_is_written_with_separators() -> None:
    assert cut("x" * 1_234_567, 3) == "xxx… (1,234,567 characters)"
    assert one_line("x" * 201) == "x" * 200 + "… (201 characters)"
    assert one_line("x" * 200) == "x" * 200


def test_words_stay_separate_if_the_text_is_cut_between_them() -> None:
    assert one_line(" " * 35 + "abcd cd", 10) == "abcd cd"


@example(length=100, limit=50, lower_limit=13)
@given(st.integers(100, 9_999_999), st.integers(50, 99), st.integers(1, 49))
@settings(max_examples=20, deadline=None)
def test_text_that_is_cut_twice_keeps_its_original_length(length: int, limit: int, lower_limit: int) -> None:
    text = "x" * length
    expected = "x" * lower_limit + f"… ({length:,} characters)"
    assert one_line(one_line(text, limit), lower_limit) == one_line(text, lower_limit) == expected


def test_a_very_long_text_is_cut_before_it_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    escaped = []
    category = unicodedata.category
    monkeypatch.setattr(unicodedata, "category", lambda char: escaped.append(char) or category(char))
    assert one_line("\x1b" * 5_000_000, 10) == r"\x1b" * 10 + "… (5,000,000 characters)"
    assert len(escaped) < 100


@pytest.mark.parametrize(("count", "shown"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2_000, "2,000 rows")])
def test_a_count_has_its_noun_in_singular_or_plural(count: int, shown: str) -> None:
    assert number_of(count, "row") == shown


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({}, "nothing"),
        ({"deleted": 0}, "nothing"),
        ({"deleted": 1_300, "in_use": 2, "failed": 0}, "1,300 deleted, 2 in use"),
    ],
)
def test_counts_are_written_in_words_without_the_zeros(counts: dict[str, int], shown: str) -> None:
    assert counts_in_words(counts) == shown


@pytest.mark.parametrize(
    ("text", "is_word", "is_short"),
    [("production", True, True), ("a" * 16, True, True), ("a" * 17, False, False), ("my-context", False, True)],
)
def test_only_a_short_setting_is_quoted_because_a_long_one_may_be_a_token(
    text: str, is_word: bool, is_short: bool
) -> None:
    assert (is_quotable(text), is_quotable(text, letters_only=False)) == (is_word, is_short)


def test_similar_names_are_suggested_on_one_line() -> None:
    names = iter(["acme", "acme\n2", "other"])
    assert did_you_mean("acmee", names) == "Did you mean acme?"
    assert did_you_mean("acmee", ["acme", "acme\n2", "other"], count=3) == "Did you mean acme, acme 2?"
    assert did_you_mean("acmee", ["other"]) == ""
