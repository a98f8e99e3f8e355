"""The line of a magic: every word is understood as it is, or it is an error."""

import string
import unicodedata
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.errors import ArgumentError
from versori_magics.notebook.magic_line import Variables, split_line
from versori_magics.notebook.magics import MAGICS

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TWO = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def parse(line: str, magic: str = "versori_delete") -> dict[str, Any]:
    parser = MAGICS[magic].parser()
    return parser.parse_words(split_line(line, parser.prog))


def rejection(line: str, magic: str = "versori_delete") -> str:
    with pytest.raises(ArgumentError) as caught:
        parse(line, magic)
    assert 1 <= len(caught.value.lines()) <= 3
    return str(caught.value)


# Parsing.


@pytest.mark.parametrize(
    "line",
    [
        f". {ONE} {TWO} --yes --max 7 --workers 3",
        f"--yes . {ONE} --max 7 {TWO} --workers=3",
        f"--max=7 --workers 3 --yes . {ONE} {TWO}",
    ],
)
def test_flags_and_other_words_may_come_in_any_order(line: str) -> None:
    expected = {"org": ".", "selection": [ONE, TWO], "yes": True, "max": 7, "workers": 3}
    assert parse(line).items() >= expected.items()


def test_omitted_flags_have_the_defaults_that_delete_least() -> None:
    assert parse(f". {ONE}") == {
        "help": False,
        "org": ".",
        "selection": [ONE],
        "dry_run": False,
        "yes": False,
        "max": 100,
        "allow_breaking": (),
        "protect": None,
        "workers": 8,
        "no_projects": False,
    }


def test_break_takes_several_ids_and_only_those() -> None:
    arguments = parse(f". many --break {ONE} {TWO} --yes")
    assert arguments["allow_breaking"] == [ONE, TWO]
    assert arguments["selection"] == ["many"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (". x --nosuch", "%versori_delete has no flag --nosuch"),
        (". x --ye", "Did you mean --yes?"),
        (". x --y", "no flag --y"),
        (". x --dry", "Did you mean --dry-run?"),
        (". x --dryrun", "Did you mean --dry-run?"),
        (". x --YES", "no flag --YES"),
        (". x --zzz", "Its flags are --help, --dry-run, --yes"),
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
        (". x # the old ones", "does not accept comments or semicolons"),
        (". x #the old ones", "does not accept comments or semicolons"),
        (". x ;", "does not accept comments or semicolons"),
        (". 'x", "No closing quotation"),
        ('. "x', "No closing quotation"),
        (". x\\", "No escaped character"),
    ],
)
def test_a_typing_error_is_rejected_with_a_message_that_names_it(line: str, message: str) -> None:
    assert message in rejection(line)


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
def test_each_magic_rejects_unknown_words_and_flags(magic: str, line: str) -> None:
    assert rejection(line, magic).startswith(f"%{magic}")


def test_a_quoted_value_is_one_value_without_its_quotes() -> None:
    arguments = parse("""--system "My Shop" --project 'a "b" c' .""", "versori_connections")
    assert arguments["system"] == "My Shop"
    assert arguments["project"] == 'a "b" c'
    assert split_line("a 'b c' \"d e\"", "%x") == ["a", "b c", "d e"]


@given(st.text(max_size=60))
def test_any_line_is_parsed_or_rejected_with_a_short_and_safe_message(line: str) -> None:
    for magic in ("versori_delete", "versori_connections"):
        message: list[str] = []
        try:
            parse(line, magic)
        except ArgumentError as error:
            message = error.lines()
        assert len(message) <= 3
        assert not [char for text in message for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs"}]


@given(st.sampled_from(["--yes", "--dry-run", "--max", "--break", "--workers", "--protect"]), st.integers(2, 9))
def test_an_abbreviated_flag_is_rejected(flag: str, length: int) -> None:
    short = flag[:length]
    if short in {"--", flag}:
        return
    assert f"no flag {short}" in rejection(f". x {short} 1")


# Variables.


def variables(**user_ns: Any) -> Variables:
    return Variables({}, user_ns)


@pytest.mark.parametrize("word", ["ids", "$ids", "{ids}"])
def test_a_variable_is_found_by_its_plain_or_marked_name(word: str) -> None:
    ids = [ONE, TWO]
    assert variables(ids=ids).selection([word]) is ids
    assert variables(ids=ids).connection(word) is ids
    assert variables(ids=ONE).run(word) == ONE
    assert variables(ids=ONE).organisation(word) == ONE
    assert variables(ids=ids).ids([word]) == ids


def test_in_an_option_that_takes_text_only_a_marked_word_is_a_variable() -> None:
    found = variables(shop="My Shop")
    assert found.text("shop") == "shop"
    assert found.text("$shop") == "My Shop"
    assert found.text("{shop}") == "My Shop"
    assert found.text("$shop and more") == "$shop and more"
    assert found.text(None) is None
    with pytest.raises(ArgumentError, match=r"The variable \$shop must hold text, but it holds an int"):
        variables(shop=3).text("$shop")


def test_a_local_variable_hides_a_global_one() -> None:
    assert Variables({"x": ONE}, {"x": TWO}).selection(["x"]) == ONE


def test_the_value_of_a_variable_cannot_become_a_flag_or_two_ids() -> None:
    for value in (f"{ONE} --yes", f"{ONE} {TWO}", "--yes", f"{ONE};{TWO}", f"$other {ONE}"):
        for word in ("x", "$x", "{x}"):
            assert variables(x=value, other=TWO).selection([word]) == value
            assert variables(x=value, other=TWO).selection([word, TWO]) == [value, TWO]
            with pytest.raises(ArgumentError):
                variables(x=value).organisation(word)


@pytest.mark.parametrize(
    "word", ["3.5", "-1", "a.b", "a b", "a[0]", "f()", "../../projects/x", "*", "", ONE[:-1] + "-"]
)
def test_a_word_that_is_neither_an_id_nor_a_name_is_rejected(word: str) -> None:
    for resolve in (variables().selection, variables().ids):
        with pytest.raises(ArgumentError, match="neither a ULID nor the name of a variable") as caught:
            resolve([word])
        assert caught.value.hint.startswith("CONN is a ULID or the name of a variable")


def test_for_a_run_the_message_names_the_magic_that_lists_the_runs() -> None:
    with pytest.raises(ArgumentError, match="neither a ULID nor the name of a variable") as caught:
        variables().run("3.5")
    assert "%versori_runs" in caught.value.hint


def test_for_an_unknown_variable_a_similar_name_is_suggested() -> None:
    with pytest.raises(ArgumentError) as caught:
        variables(unused_ones=1, _hidden=2).selection(["unused_one"])
    assert str(caught.value) == "There is no variable 'unused_one'.\nDid you mean unused_ones?"
    with pytest.raises(ArgumentError, match="Run the cell that defines it first"):
        variables(_hidden=2).selection(["hidden"])


def test_several_words_become_one_list_in_their_order() -> None:
    found = variables(a=[ONE], b=(TWO,), c=pd.Series([ONE, TWO]), d=TWO)
    assert found.selection(["a", "b"]) == [ONE, TWO]
    assert list(found.selection(["c", "d"])) == [ONE, TWO, TWO]
    assert found.selection([ONE.lower(), "d"]) == [ONE.lower(), TWO]


def test_a_dataframe_beside_other_words_is_rejected() -> None:
    with pytest.raises(ArgumentError, match="df is a DataFrame, so it must be the only CONN"):
        variables(df=pd.DataFrame({"id": [ONE]})).selection(["df", TWO])


def test_several_words_keep_their_common_origin_and_must_have_the_same() -> None:
    here, there = pd.Series([ONE]), pd.Series([TWO])
    here.attrs["versori"] = {"server": "https://a", "organisation": TWO}
    there.attrs["versori"] = {"server": "https://b", "organisation": TWO}
    found = variables(here=here, there=there)
    assert found.selection(["here", TWO]).attrs["versori"] == here.attrs["versori"]
    assert found.selection([TWO, "here", "here"]).attrs["versori"] == here.attrs["versori"]
    with pytest.raises(ArgumentError, match="there is from another server or organisation"):
        found.selection(["here", "there"])


def test_ids_that_may_break_are_named_one_by_one_and_never_by_a_series_or_a_dataframe() -> None:
    assert variables(a=ONE, b=[TWO]).ids(["a", "b"]) == [ONE, TWO]
    for value in (pd.Series([ONE]), pd.DataFrame({"id": [ONE]}), True, 3, None, {"a": ONE}, iter([ONE])):
        with pytest.raises(ArgumentError, match="named one by one"):
            variables(x=value).ids(["x"])


def test_org_is_a_ulid_a_dot_or_a_variable_that_holds_one() -> None:
    found = variables(org=TWO, here=".", name="Acme")
    assert found.organisation(".") == "."
    assert found.organisation(ONE) == ONE
    assert found.organisation("org") == TWO
    assert found.organisation("here") == "."
    with pytest.raises(ArgumentError, match="The variable name holds a string of 4 characters, but ORG must be a ULID"):
        found.organisation("name")


@given(st.text(alphabet=string.printable, min_size=1, max_size=40).filter(lambda text: not text.isidentifier()))
def test_any_value_of_a_variable_reaches_the_selection_unchanged(value: str) -> None:
    assert variables(x=value).selection(["$x"]) is value
