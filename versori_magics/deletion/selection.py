"""Selection: ids and nothing else. Everything that is not surely an id is an error before any request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from versori_magics.errors import SelectionError
from versori_magics.platform.ids import canonical_ulid
from versori_magics.text import one_line

EXAMPLE = "A connection id is a ULID: 26 letters and digits, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV."


def selected(selection: Any, server: str, organisation: str) -> tuple[str, ...]:
    """Return the ids that a selection names, checked without any request.

    Parameters
    ----------
    selection : str, list, Series, or DataFrame with a column `id`
        What was selected. A frame that tells where it is from must be from here.
    server, organisation : str
        Here.

    Raises
    ------
    SelectionError
        Where anything in it is no id, or it is of another server or organisation.
    """
    values = selection
    if hasattr(selection, "columns"):
        if list(selection.columns).count("id") != 1:
            raise SelectionError(
                "The DataFrame has not one column 'id'.", hint="Select with a frame that %versori_connections gave."
            )
        values = selection["id"]
        if "organisation_id" in selection.columns:
            for value in selection["organisation_id"].unique():
                _check_home("organisation", value, organisation)
    origin = getattr(selection, "attrs", {}).get("versori")
    if isinstance(origin, dict):
        _check_home("server", origin.get("server"), server)
        _check_home("organisation", origin.get("organisation"), organisation)
    return ids_of(values)


def _check_home(what: str, found: object, wanted: str) -> None:
    if found != wanted:
        raise SelectionError(
            f"The selection is of {what} {one_line(found, 100)}, and not of {wanted}.",
            hint="List the connections of the one you mean, and select from that.",
        )


def ids_of(values: Any, what: str = "selection") -> tuple[str, ...]:
    """Return canonical connection ids, each once, in the order given.

    Parameters
    ----------
    values : str, or iterable of str
        One id, or several (a list, tuple, set, Series, Index).
    what : str
        For messages: what they were given as.

    Raises
    ------
    SelectionError
        For a blank, NaN, a number, a text that is no ULID, a mapping, or anything that is not a collection of ids.
    """
    if isinstance(values, str):
        return (_id(values, f"The {what}"),)
    if isinstance(values, bytes | bool | Mapping) or not isinstance(values, Iterable):
        raise SelectionError(f"The {what} is {_described(values)}, not an id or a list of ids.", hint=EXAMPLE)
    return tuple(dict.fromkeys(_id(value, f"Item {n} of the {what}") for n, value in enumerate(values, 1)))


def _id(value: Any, where: str) -> str:
    from ulid import ULID

    text = str(value) if isinstance(value, ULID) else value
    found = canonical_ulid(text)
    if found is None:
        raise SelectionError(f"{where} is {_described(value)}, not a connection id.", hint=EXAMPLE)
    return found


def _described(value: Any) -> str:
    if isinstance(value, str):
        # Not the text itself: a variable that was taken by mistake may hold a token.
        return f"a text of {len(value)} characters" if value.strip() else "blank"
    if value is None:
        return "None"
    if isinstance(value, bool | int | float):
        return f"the {type(value).__name__} {value!r}"
    return f"a {type(value).__name__}"
