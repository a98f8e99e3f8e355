"""Resolves a selection into canonical connection ids; anything else is an error before any request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeGuard

from versori_magics.api.ids import ULID_FORMAT, canonical_ulid
from versori_magics.errors import PlanError, SelectionError
from versori_magics.next_step import Action, NextStep
from versori_magics.text import number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

ULID_HINT = f"A connection id is a ULID: {ULID_FORMAT}."
_LIST_AGAIN = "List the connections of the organisation that you mean, and select from that list."


class Column(Protocol):
    """A column of a `Table`."""

    def unique(self) -> Iterable[object]:
        """Return the distinct values."""


class Table(Protocol):
    """The part of a DataFrame that a selection uses, so that this layer need not import pandas."""

    @property
    def columns(self) -> Iterable[object]:
        """The names of the columns."""

    def __getitem__(self, name: str) -> Column:
        """Return a column."""


Selection = str | Iterable[object] | Table


def resolve_selection(selection: Selection, server: str, organisation: str) -> tuple[str, ...]:
    """Return the ids in a selection, without sending a request.

    Parameters
    ----------
    selection : str, list, Series, or DataFrame with a column `id`
        A selection that records its origin (in ``attrs["versori"]`` or a column `organisation_id`) must be
        from this server and organisation.
    server, organisation : str
        The connected server and organisation.

    Returns
    -------
    tuple of str
        Canonical ids, each once, in the order of the selection.

    Raises
    ------
    SelectionError
        If anything in it is not an id, or it is from another server or organisation.
    """
    values: object = selection
    if _is_table(selection):
        values = _id_column(selection)
        if "organisation_id" in selection.columns:
            for value in selection["organisation_id"].unique():
                _check_origin("organisation", value, organisation)
    origin = getattr(selection, "attrs", {}).get("versori")
    if isinstance(origin, dict):
        _check_origin("server", origin.get("server"), server)
        _check_origin("organisation", origin.get("organisation"), organisation)
    return parse_ids(values)


def parse_ids(values: object, name: str = "selection") -> tuple[str, ...]:
    """Return canonical connection ids, each once, in their order.

    Parameters
    ----------
    values : str, or iterable of str
        One id, or several (a list, tuple, set, Series, Index).
    name : str
        Noun for messages.

    Raises
    ------
    SelectionError
        For a blank, NaN, a number, a string that is not a ULID, a mapping, or anything that is not a collection of ids.
    """
    if isinstance(values, str):
        return (_parse_id(values, f"The {name}"),)
    if isinstance(values, bytes | bool | Mapping) or not isinstance(values, Iterable):
        raise SelectionError(f"The {name} is {_describe(values)}, not an id or a list of ids.", hint=ULID_HINT)
    return tuple(dict.fromkeys(_parse_id(value, f"Item {n} of the {name}") for n, value in enumerate(values, 1)))


def resolve_breaking(allow_breaking: Collection[str], ids: Sequence[str]) -> tuple[str, ...]:
    """Return the ids that may be deleted although they are in use.

    Parameters
    ----------
    allow_breaking : str, list, tuple or set of str
        Explicit ids: never a filter, a Series or a boolean.
    ids : sequence of str
        The selected ids.

    Raises
    ------
    SelectionError
        If it is not a list of ids.
    PlanError
        If an id is not selected: an option without effect is a mistake.
    """
    if not isinstance(allow_breaking, str | list | tuple | set | frozenset):
        raise SelectionError(
            f"allow_breaking takes explicit ids, not a {type(allow_breaking).__name__}.",
            hint="Name each connection that may break: allow_breaking=['01…'].",
        )
    breaking = parse_ids(allow_breaking, "list of connections that may break")
    if unselected := [id_ for id_ in breaking if id_ not in ids]:
        raise PlanError(
            f"{unselected[0]} is allowed to break, but it is not selected.",
            hint="Select it too, or do not allow it to break.",
        )
    return breaking


def _is_table(selection: object) -> TypeGuard[Table]:
    return hasattr(selection, "columns")


def _id_column(table: Table) -> object:
    if list(table.columns).count("id") != 1:
        raise SelectionError(
            "The DataFrame does not have exactly one column 'id'.",
            hint="Select with a DataFrame of listed connections.",
            next_step=NextStep(Action.FIND_CONNECTIONS),
        )
    return table["id"]


def _check_origin(name: str, value: object, expected: str) -> None:
    if value != expected:
        raise SelectionError(
            f"The selection is from {name} {one_line(value, 100)}, but the connected {name} is {expected}.",
            hint=_LIST_AGAIN,
        )


def _parse_id(value: object, subject: str) -> str:
    from ulid import ULID

    ulid = canonical_ulid(str(value) if isinstance(value, ULID) else value)
    if ulid is None:
        raise SelectionError(f"{subject} is {_describe(value)}, not a connection id.", hint=ULID_HINT)
    return ulid


def _describe(value: object) -> str:
    if isinstance(value, str):
        # Not the string itself: a variable that was passed by mistake may hold a token.
        return f"a string of {number_of(len(value), 'character')}" if value.strip() else "blank"
    if value is None:
        return "None"
    if isinstance(value, bool | int | float):
        return f"the {'bool' if isinstance(value, bool) else 'number'} {value!r}"
    return f"a {type(value).__name__}"
