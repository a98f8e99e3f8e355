import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID
from unit.deletion.making import ORGANISATION, SERVER, make_id

from versori_magics.deletion.selection import ids_of, selected
from versori_magics.errors import SelectionError

IDS = [make_id(number) for number in range(3)]


def of(selection: Any) -> tuple[str, ...]:
    return selected(selection, SERVER, ORGANISATION)


def frame(**columns: Any) -> pd.DataFrame:
    made = pd.DataFrame({"id": IDS, **columns})
    made.attrs["versori"] = {"server": SERVER, "organisation": ORGANISATION}
    return made


@pytest.mark.parametrize(
    "selection",
    [
        IDS,
        tuple(IDS),
        dict.fromkeys(IDS).keys(),
        iter(IDS),
        [ULID.from_str(key) for key in IDS],
        np.array(IDS),
        pd.Series(IDS),
        pd.Index(IDS),
        pd.Series(IDS, dtype="string"),
        frame(),
        frame()["id"],
        frame().query("id > ''"),
        frame(organisation_id=ORGANISATION),
        pd.DataFrame({"id": IDS}),
        [key.lower() for key in IDS],
        [*IDS, *reversed(IDS), IDS[0].lower()],
    ],
    ids=lambda value: type(value).__name__,
)
def test_ids_come_out_canonical_each_once_and_in_order(selection: Any) -> None:
    assert of(selection) == tuple(IDS)


def test_one_id_is_a_selection_of_one() -> None:
    assert of(IDS[0].lower()) == (IDS[0],)


@pytest.mark.parametrize("empty", [[], (), set(), pd.Series(dtype=object), frame().iloc[:0], iter(())])
def test_nothing_selected_is_nothing(empty: Any) -> None:
    assert of(empty) == ()


@pytest.mark.parametrize(
    ("selection", "named"),
    [
        ("", "The selection is blank"),
        ("   ", "The selection is blank"),
        ("all", "The selection is a text of 3 characters"),
        (f" {IDS[0]}", "a text of 27 characters"),
        (IDS[0] + "\n", "a text of 27 characters"),
        (f"{IDS[0]} {IDS[1]}", "a text of 53 characters"),
        ("8" + IDS[0][1:], "a text of 26 characters"),
        (IDS[0][:-1] + "U", "a text of 26 characters"),
        (None, "None"),
        (True, "the bool True"),
        (7, "the int 7"),
        (1.5, "the float 1.5"),
        (IDS[0].encode(), "a bytes"),
        ({"id": IDS[0]}, "a dict"),
        ([IDS[0], ""], "Item 2 of the selection is blank"),
        ([IDS[0], None], "Item 2 of the selection is None"),
        ([math.nan], "Item 1 of the selection is the float nan"),
        ([IDS[0], pd.NA], "Item 2 of the selection is a NAType"),
        ([1], "Item 1 of the selection is the int 1"),
        ([[IDS[0]]], "Item 1 of the selection is a list"),
        ([IDS[0].encode()], "Item 1 of the selection is a bytes"),
        (pd.Series([IDS[0], np.nan]), "Item 2 of the selection is the float nan"),
        (object(), "a object"),
    ],
)
def test_everything_that_is_not_surely_an_id_is_an_error_that_says_where(selection: Any, named: str) -> None:
    with pytest.raises(SelectionError) as caught:
        of(selection)
    assert named in caught.value.message
    assert "26 letters and digits" in caught.value.hint


def test_what_was_taken_by_mistake_is_not_shown() -> None:
    token = "a-token-that-is-nobodys-business"
    for selection in (token, [token], {token: token}, [[token]], token.encode()):
        with pytest.raises(SelectionError) as caught:
            of(selection)
        assert token not in str(caught.value)


@pytest.mark.parametrize(
    "columns", [["name"], ["ID"], ["id", "id"], []], ids=["no id", "upper case", "two of them", "none at all"]
)
def test_a_frame_needs_one_column_of_ids(columns: list[str]) -> None:
    made = pd.DataFrame([[IDS[0]] * len(columns)], columns=columns)
    with pytest.raises(SelectionError, match="not one column 'id'"):
        of(made)


def test_a_frame_of_another_server_or_organisation_is_an_error() -> None:
    for origin in ({"server": "https://other"}, {"organisation": make_id(9)}):
        made = frame()
        made.attrs["versori"] |= origin
        for selection in (made, made["id"]):
            with pytest.raises(SelectionError, match=f"is of {next(iter(origin))} "):
                of(selection)


@pytest.mark.parametrize("stranger", [make_id(9), None, math.nan, ""])
def test_one_row_of_another_organisation_is_enough_for_an_error(stranger: Any) -> None:
    with pytest.raises(SelectionError, match="organisation"):
        of(frame(organisation_id=[ORGANISATION, ORGANISATION, stranger]))


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates()))
def test_no_value_but_a_ulid_ever_passes(value: Any) -> None:
    for selection in (value, [value], (IDS[0], value)):
        try:
            found = ids_of(selection)
        except SelectionError:
            continue
        assert all(len(key) == 26 for key in found)
        assert isinstance(value, str)
        assert value.upper() in found or selection == ""
