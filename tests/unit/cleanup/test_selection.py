import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import ORGANISATION, SERVER, make_id
from ulid import ULID

from versori_magics.cleanup.selection import parse_ids, resolve_breaking, resolve_selection
from versori_magics.errors import PlanError, SelectionError
from versori_magics.next_step import Action, NextStep

IDS = [make_id(number) for number in range(3)]


def resolve(selection: Any) -> tuple[str, ...]:
    return resolve_selection(selection, SERVER, ORGANISATION)


def make_frame(**columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"id": IDS, **columns})
    frame.attrs["versori"] = {"server": SERVER, "organisation": ORGANISATION}
    return frame


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
        make_frame(),
        make_frame()["id"],
        make_frame().query("id > ''"),
        make_frame(organisation_id=ORGANISATION),
        pd.DataFrame({"id": IDS}),
        [key.lower() for key in IDS],
        [*IDS, *reversed(IDS), IDS[0].lower()],
    ],
    ids=lambda value: type(value).__name__,
)
def test_selection_gives_canonical_ids_each_once_and_in_order(selection: Any) -> None:
    assert resolve(selection) == tuple(IDS)


def test_single_id_is_a_selection() -> None:
    assert resolve(IDS[0].lower()) == (IDS[0],)


@pytest.mark.parametrize("empty", [[], (), set(), pd.Series(dtype=object), make_frame().iloc[:0], iter(())])
def test_empty_selection_gives_no_ids(empty: Any) -> None:
    assert resolve(empty) == ()


@pytest.mark.parametrize(
    ("selection", "description"),
    [
        ("", "The selection is blank"),
        ("   ", "The selection is blank"),
        ("all", "The selection is a string of 3 characters"),
        (f" {IDS[0]}", "a string of 27 characters"),
        (IDS[0] + "\n", "a string of 27 characters"),
        (f"{IDS[0]} {IDS[1]}", "a string of 53 characters"),
        ("8" + IDS[0][1:], "a string of 26 characters"),
        (IDS[0][:-1] + "U", "a string of 26 characters"),
        (None, "None"),
        (True, "the bool True"),
        (7, "the number 7"),
        (1.5, "the number 1.5"),
        (IDS[0].encode(), "a bytes"),
        ({"id": IDS[0]}, "a dict"),
        ([IDS[0], ""], "Item 2 of the selection is blank"),
        ([IDS[0], None], "Item 2 of the selection is None"),
        ([math.nan], "Item 1 of the selection is the number nan"),
        ([IDS[0], pd.NA], "Item 2 of the selection is a NAType"),
        ([1], "Item 1 of the selection is the number 1"),
        ([[IDS[0]]], "Item 1 of the selection is a list"),
        ([IDS[0].encode()], "Item 1 of the selection is a bytes"),
        (pd.Series([IDS[0], np.nan]), "Item 2 of the selection is the number nan"),
        (object(), "a object"),
    ],
)
def test_selection_that_is_not_a_list_of_ids_is_rejected_with_its_position(selection: Any, description: str) -> None:
    with pytest.raises(SelectionError) as caught:
        resolve(selection)
    assert description in caught.value.message
    assert "26 letters and digits" in caught.value.hint


def test_error_does_not_show_a_token_that_was_selected_by_mistake() -> None:
    token = "a-secret-token"
    for selection in (token, [token], {token: token}, [[token]], token.encode()):
        with pytest.raises(SelectionError) as caught:
            resolve(selection)
        assert token not in str(caught.value)


@pytest.mark.parametrize(
    "columns", [["name"], ["ID"], ["id", "id"], []], ids=["no id", "upper case", "two columns", "no column"]
)
def test_dataframe_needs_exactly_one_column_of_ids(columns: list[str]) -> None:
    frame = pd.DataFrame([[IDS[0]] * len(columns)], columns=columns)
    with pytest.raises(SelectionError, match="does not have exactly one column 'id'") as caught:
        resolve(frame)
    assert caught.value.next_step == NextStep(Action.FIND_CONNECTIONS)


def test_selection_from_another_server_or_organisation_is_rejected() -> None:
    for origin in ({"server": "https://other"}, {"organisation": make_id(9)}):
        frame = make_frame()
        frame.attrs["versori"] |= origin
        for selection in (frame, frame["id"]):
            with pytest.raises(SelectionError, match=f"is from {next(iter(origin))} "):
                resolve(selection)


@pytest.mark.parametrize("other", [make_id(9), None, math.nan, ""])
def test_one_row_of_another_organisation_rejects_the_selection(other: Any) -> None:
    with pytest.raises(SelectionError, match="organisation"):
        resolve(make_frame(organisation_id=[ORGANISATION, ORGANISATION, other]))


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates()))
def test_only_ulids_are_accepted_as_ids(value: Any) -> None:
    for selection in (value, [value], (IDS[0], value)):
        try:
            ids = parse_ids(selection)
        except SelectionError:
            continue
        assert all(len(key) == 26 for key in ids)
        assert isinstance(value, str)
        assert value.upper() in ids or selection == ""


# Ids that may be deleted although they are in use.


@pytest.mark.parametrize(
    ("allow_breaking", "ids"),
    [
        ([IDS[1].lower()], (IDS[1],)),
        (IDS[1], (IDS[1],)),
        ((IDS[1], IDS[1]), (IDS[1],)),
        ({IDS[1]}, (IDS[1],)),
        (frozenset({IDS[1]}), (IDS[1],)),
        ([], ()),
    ],
)
def test_connections_that_may_break_are_named_by_id(allow_breaking: Any, ids: tuple[str, ...]) -> None:
    assert resolve_breaking(allow_breaking, IDS) == ids


@pytest.mark.parametrize("allow_breaking", [True, False, None, 1, "all", ["*"], lambda _: True, {IDS[1]: True}, b"x"])
def test_permission_to_break_is_never_a_boolean_or_a_filter(allow_breaking: Any) -> None:
    with pytest.raises(SelectionError):
        resolve_breaking(allow_breaking, IDS)


def test_permission_to_break_is_not_a_column_of_ids() -> None:
    with pytest.raises(SelectionError, match="allow_breaking takes explicit ids, not a Series"):
        resolve_breaking(pd.Series(IDS), IDS)


def test_connection_that_may_break_must_be_selected() -> None:
    with pytest.raises(PlanError, match=IDS[2]):
        resolve_breaking([IDS[0], IDS[2]], IDS[:1])
