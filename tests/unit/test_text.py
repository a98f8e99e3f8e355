import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from versori_magics.text import ELLIPSIS, cut, number_of, one_line, visible

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"
ANYTHING = st.text(st.characters(exclude_categories=[])) | st.text(
    st.sampled_from("a b\n\t\r\x00\x1b\x7f\x9b\u202e\u2066\u200b\u200d\u2028\ufeff\ud800\U000e0001é漢🙂 ")
)
HARMLESS = st.text(st.characters(exclude_categories=[*STEERING, "Zs"]), min_size=1)


def harmful(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in STEERING and char not in JOINERS]


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
def test_what_steers_is_written_out_and_what_is_read_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANYTHING)
def test_what_is_visible_steers_nothing_and_can_be_written_down(text: str) -> None:
    shown = visible(text)
    assert harmful(shown) == []
    shown.encode("utf-8")
    assert visible(shown) == shown


@given(st.text(st.characters(exclude_categories=list(STEERING))))
def test_harmless_text_is_not_touched(text: str) -> None:
    assert visible(text) == text


@given(ANYTHING, st.integers(1, 50))
@settings(deadline=None)
def test_one_line_is_one_line_without_anything_that_steers(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert harmful(shown) == []
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


@given(ANYTHING, st.integers(1, 50))
@settings(deadline=None)
def test_one_line_is_bounded_whatever_the_text(text: str, limit: int) -> None:
    # Each kept character is at most the ten of its escape; then the length is said.
    assert len(one_line(text * 7, limit)) <= 10 * limit + len(f"{ELLIPSIS} (10,000,000 characters)")


@given(st.lists(HARMLESS))
def test_harmless_words_on_one_line_stay_as_they_are(words: list[str]) -> None:
    text = " ".join(words)
    assert one_line(text, len(text) + 1) == text


@given(st.lists(HARMLESS, min_size=1, max_size=5), st.text(" \n\t\r\x0b", min_size=1))
def test_whatever_stands_between_words_one_blank_is_left(words: list[str], between: str) -> None:
    text = between + between.join(words) + between
    assert one_line(text, len(text)) == " ".join(words)


@pytest.mark.parametrize(("value", "shown"), [(None, "None"), (5, "5"), (["a"], "['a']"), (ValueError("x\ny"), "x y")])
def test_one_line_takes_anything(value: Any, shown: str) -> None:
    assert one_line(value) == shown


@given(st.text(), st.integers(0, 30))
def test_what_is_short_is_not_cut_and_what_is_cut_says_its_length(text: str, limit: int) -> None:
    shown = cut(text, limit)
    if len(text) <= limit:
        assert shown == text
    else:
        assert shown.startswith(text[:limit])
        assert shown.endswith(" characters)")


def test_a_cut_says_how_long_the_text_was() -> None:
    assert cut("x" * 1_234_567, 3) == "xxx… (1,234,567 characters)"
    assert one_line("x" * 201) == "x" * 200 + "… (201 characters)"
    assert one_line("x" * 200) == "x" * 200


def test_words_stay_apart_where_the_text_is_cut() -> None:
    assert one_line(" " * 35 + "abcd cd", 10) == "abcd cd"


@example(length=100, limit=50, less=13)
@given(st.integers(100, 9_999_999), st.integers(50, 99), st.integers(1, 49))
@settings(max_examples=20, deadline=None)
def test_what_is_cut_twice_goes_on_saying_its_first_length(length: int, limit: int, less: int) -> None:
    text = "x" * length
    assert one_line(one_line(text, limit), less) == one_line(text, less) == "x" * less + f"… ({length:,} characters)"


def test_very_much_text_is_cut_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    category = unicodedata.category
    monkeypatch.setattr(unicodedata, "category", lambda char: looked.append(char) or category(char))
    assert one_line("\x1b" * 5_000_000, 10) == r"\x1b" * 10 + "… (5,000,000 characters)"
    assert len(looked) < 100


@pytest.mark.parametrize(("count", "shown"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2_000, "2,000 rows")])
def test_a_number_stands_with_its_noun(count: int, shown: str) -> None:
    assert number_of(count, "row") == shown
