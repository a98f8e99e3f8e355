"""Selection: ids and nothing else. Everything that is not surely an id is an error before any request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from versori_magics.errors import SelectionError
from versori_magics.platform.ids import canonical_ulid

EXAMPLE = "A connection id is a ULID: 26 letters and digits, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV."


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
