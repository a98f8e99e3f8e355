"""The line of a magic: what is said is understood as it is, or it is an error."""

import string
import unicodedata
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.errors import ArgumentError
from versori_magics.notebook.arguments import Lookup, MagicParser, check_number, check_text, split
from versori_magics.notebook.magics import PARSERS

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TWO = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def parser() -> MagicParser:
    return PARSERS["versori_delete"]()


def refusal(line: str, magic: str = "versori_delete") -> str:
    with pytest.raises(ArgumentError) as caught:
        PARSERS[magic]().read(line)
    assert 1 <= len(caught.value.lines()) <= 3
    return str(caught.value)


# The line.


def test_flags_and_positions_are_read_in_any_order() -> None:
    for line in (
        f". {ONE} {TWO} --yes --max 7 --workers 3",
        f"--yes . {ONE} --max 7 {TWO} --workers=3",
        f"--max=7 --workers 3 --yes . {ONE} {TWO}",
    ):
        said = parser().read(line)
        assert (said.ORG, said.CONN, said.yes, said.max, said.workers) == (".", [ONE, TWO], True, 7, 3)


def test_what_is_not_said_has_the_default_that_deletes_least() -> None:
    said = parser().read(f". {ONE}")
    assert (said.yes, said.dry_run, said.max, said.workers) == (False, False, 100, 8)
    assert getattr(said, "break") == []
    assert said.protect is None


def test_break_takes_several_ids_and_only_those() -> None:
    said = parser().read(f". many --break {ONE} {TWO} --yes")
    assert getattr(said, "break") == [ONE, TWO]
    assert said.CONN == ["many"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (". x --nosuch", "%versori_delete has no flag --nosuch"),
        (". x --ye", "Did you mean --yes?"),
        (". x --y", "no flag --y"),
        (". x --dry", "Did you mean --dry-run?"),
        (". x --dryrun", "Did you mean --dry-run?"),
        (". x --YES", "no flag --YES"),
        (". x --yes=1", "ignored explicit argument"),
        (". x --", "no flag --"),
        (". x -y", "'-y' is not expected here"),
        (". x --yes --yes", "--yes is given more than once"),
        (". x --max 1 --max 1000", "--max is given more than once"),
        (". x --max=1 --max 1000", "--max is given more than once"),
        (f". x --break {ONE} --break {TWO}", "--break is given more than once"),
        (". x --max", "--max: expected one argument"),
        (". x --max many", "invalid int value: 'many'"),
        (". x --max 1.5", "invalid int value: '1.5'"),
        (". x --break", "--break: expected at least one argument"),
        ("", "required: ORG, CONN"),
        (".", "required: CONN"),
        (". x # the old ones", "takes no comment and no semicolon"),
        (". x #the old ones", "takes no comment and no semicolon"),
        (". x ;", "takes no comment and no semicolon"),
        (". 'x", "No closing quotation"),
        ('. "x', "No closing quotation"),
        (". x\\", "No escaped character"),
    ],
)
def test_a_slip_on_the_line_is_an_error_that_names_it(line: str, says: str) -> None:
    assert says in refusal(line)


@pytest.mark.parametrize(
    ("magic", "line"),
    [
        ("versori_runs", "x"),
        ("versori_runs", "--all"),
        ("versori_connect", "one two"),
        ("versori_connect", "--token abc"),
        ("versori_connections", ""),
        ("versori_connections", ". --usage=yes"),
        ("versori_connections", ". . "),
        ("versori_connection", "."),
        ("versori_resume", ""),
        ("versori_resume", f"{ONE} {TWO}"),
        ("versori_sandbox", "begin"),
        ("versori_sandbox", "--connections few"),
    ],
)
def test_each_magic_refuses_what_it_does_not_know(magic: str, line: str) -> None:
    assert refusal(line, magic).startswith(f"%{magic}")


@pytest.mark.parametrize("magic", PARSERS)
def test_each_magic_has_help_with_examples_and_does_nothing_then(magic: str) -> None:
    for line in ("--help", ". x --yes --help", "--help --nosuch"):
        assert vars(PARSERS[magic]().read(line)) == {"help": True}
    text = PARSERS[magic]().format_help()
    assert text.startswith(f"usage: %{magic}")
    assert f"%{magic}" in text[text.index("examples:") :]
    assert "%%" not in text
    for option in PARSERS[magic]()._option_string_actions:
        assert option in text


def test_a_quoted_value_is_one_value_without_its_quotes() -> None:
    said = PARSERS["versori_connections"]().read("""--system "My Shop" --project 'a "b" c' .""")
    assert said.system == "My Shop"
    assert said.project == 'a "b" c'
    assert split("a 'b c' \"d e\"", "%x") == ["a", "b c", "d e"]


@given(st.text(max_size=60))
def test_any_line_is_understood_or_refused_with_our_error(line: str) -> None:
    for magic in ("versori_delete", "versori_connections"):
        shown: list[str] = []
        try:
            PARSERS[magic]().read(line)
        except ArgumentError as error:
            shown = error.lines()
        assert len(shown) <= 3
        assert not [char for text in shown for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs"}]


@given(st.sampled_from(["--yes", "--dry-run", "--max", "--break", "--workers", "--protect"]), st.integers(2, 9))
def test_no_abbreviation_of_a_flag_is_taken_for_it(flag: str, length: int) -> None:
    short = flag[:length]
    if short in {"--", flag}:
        return
    assert f"no flag {short}" in refusal(f". x {short} 1")


@pytest.mark.parametrize("value", [0, -1, 33, True, 1.0, "8", None, float("nan")])
def test_a_number_out_of_its_limits_or_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(ArgumentError, match="workers takes a whole number from 1 to 32"):
        check_number("workers", value, 1, 32)


def test_numbers_within_their_limits_pass() -> None:
    for value in (1, 8, 32):
        check_number("workers", value, 1, 32)
    check_number("max", 10**9, 1, None)


def test_a_number_that_is_a_text_is_not_shown() -> None:
    with pytest.raises(ArgumentError, match="not a text of 15 characters") as caught:
        check_number("max", "perhaps a token", 1, None)
    assert "perhaps" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "  ", 5, 0, True, b"x", ["x"]])
def test_an_option_that_is_no_text_or_blank_does_not_pass_for_one_that_is_not_given(value: object) -> None:
    with pytest.raises(ArgumentError, match="and a text is needed"):
        check_text("system", value)
    check_text("system", None)
    check_text("system", "Shop")


# The look-up.


def lookup(**variables: Any) -> Lookup:
    return Lookup({}, variables)


@pytest.mark.parametrize("word", ["ids", "$ids", "{ids}"])
def test_a_variable_is_found_by_its_name_however_it_is_marked(word: str) -> None:
    ids = [ONE, TWO]
    assert lookup(ids=ids).selection([word]) is ids
    assert lookup(ids=ONE).organisation(word) == ONE
    assert lookup(ids=ids).ids([word]) == ids


def test_only_a_marked_word_is_a_variable_where_an_option_takes_text() -> None:
    found = lookup(shop="My Shop")
    assert found.text("shop") == "shop"
    assert found.text("$shop") == "My Shop"
    assert found.text("{shop}") == "My Shop"
    assert found.text("$shop and more") == "$shop and more"
    assert found.text(None) is None
    with pytest.raises(ArgumentError, match="holds a int, and a text is needed"):
        lookup(shop=3).text("$shop")


def test_the_inner_variable_wins() -> None:
    assert Lookup({"x": ONE}, {"x": TWO}).selection(["x"]) == ONE


def test_a_value_is_one_value_and_can_become_neither_a_flag_nor_two_ids() -> None:
    for value in (f"{ONE} --yes", f"{ONE} {TWO}", "--yes", f"{ONE};{TWO}", f"$other {ONE}"):
        for word in ("x", "$x", "{x}"):
            assert lookup(x=value, other=TWO).selection([word]) == value
            assert lookup(x=value, other=TWO).selection([word, TWO]) == [value, TWO]
            with pytest.raises(ArgumentError):
                lookup(x=value).organisation(word)


@pytest.mark.parametrize(
    "word", ["3.5", "-1", "a.b", "a b", "a[0]", "f()", "../../projects/x", "*", "", ONE[:-1] + "-"]
)
def test_a_word_that_is_neither_an_id_nor_a_name_is_refused(word: str) -> None:
    for look in (lookup().selection, lookup().ids):
        with pytest.raises(ArgumentError, match="neither a ULID nor the name of a variable"):
            look([word])


def test_an_unknown_variable_is_refused_with_what_was_perhaps_meant() -> None:
    with pytest.raises(ArgumentError) as caught:
        lookup(unused_ones=1, _hidden=2).selection(["unused_one"])
    assert str(caught.value) == "There is no variable 'unused_one'.\nDid you mean unused_ones?"
    with pytest.raises(ArgumentError, match="Run the cell that makes it first"):
        lookup(_hidden=2).selection(["hidden"])


def test_several_words_are_one_list_in_their_order() -> None:
    found = lookup(a=[ONE], b=(TWO,), c=pd.Series([ONE, TWO]), d=TWO)
    assert found.selection(["a", "b"]) == [ONE, TWO]
    assert list(found.selection(["c", "d"])) == [ONE, TWO, TWO]
    assert found.selection([ONE.lower(), "d"]) == [ONE.lower(), TWO]


def test_a_frame_among_other_words_is_refused() -> None:
    with pytest.raises(ArgumentError, match="df is a DataFrame, and it is not alone"):
        lookup(df=pd.DataFrame({"id": [ONE]})).selection(["df", TWO])


def test_several_words_keep_where_they_are_from_and_are_from_one_place() -> None:
    here, there = pd.Series([ONE]), pd.Series([TWO])
    here.attrs["versori"] = {"server": "https://a", "organisation": TWO}
    there.attrs["versori"] = {"server": "https://b", "organisation": TWO}
    found = lookup(here=here, there=there)
    assert found.selection(["here", TWO]).attrs["versori"] == here.attrs["versori"]
    assert found.selection([TWO, "here", "here"]).attrs["versori"] == here.attrs["versori"]
    with pytest.raises(ArgumentError, match="there is of another server or organisation"):
        found.selection(["here", "there"])


def test_what_may_break_is_named_one_by_one_and_never_by_a_series_or_a_frame() -> None:
    assert lookup(a=ONE, b=[TWO]).ids(["a", "b"]) == [ONE, TWO]
    for value in (pd.Series([ONE]), pd.DataFrame({"id": [ONE]}), True, 3, None, {"a": ONE}, iter([ONE])):
        with pytest.raises(ArgumentError, match="named one by one"):
            lookup(x=value).ids(["x"])


def test_org_is_a_ulid_a_dot_or_a_variable_that_holds_one() -> None:
    found = lookup(org=TWO, here=".", name="Acme")
    assert found.organisation(".") == "."
    assert found.organisation(ONE) == ONE
    assert found.organisation("org") == TWO
    assert found.organisation("here") == "."
    with pytest.raises(ArgumentError, match="The variable name holds a text of 4 characters, and ORG is a ULID"):
        found.organisation("name")


@given(st.text(alphabet=string.printable, min_size=1, max_size=40).filter(lambda t: not t.isidentifier()))
def test_any_value_of_a_variable_reaches_the_selection_unchanged(value: str) -> None:
    assert lookup(x=value).selection(["$x"]) is value
