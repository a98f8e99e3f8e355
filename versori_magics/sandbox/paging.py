"""Pages of a list, and the cursors that lead from one to the next."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from versori_magics.sandbox.checks import ULID
from versori_magics.sandbox.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_SIZE = 20
LARGEST_SIZE = 1000


class Identified(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """Its ULID."""


Item = TypeVar("Item", bound=Identified)


class Page(NamedTuple, Generic[Item]):
    """A part of a list; a cursor is empty where the list ends."""

    total: int
    items: Sequence[Item]
    next: str
    prev: str


def cut(
    name: str, items: Sequence[Item], first: int, after: str | None = None, before: str | None = None
) -> Page[Item]:
    """Cut one page out of a list that is sorted by id.

    Parameters
    ----------
    name : str
        What is listed: a cursor of one list is none of another.
    items : sequence
        The whole list.
    first : int
        The size of the page.
    after, before : str, optional
        A cursor, one of them at most: the page that follows it, or leads up to it.

    Raises
    ------
    Refusal
        400 where a cursor is none of ours, or both are given.
    """
    if after is not None and before is not None:
        raise invalid("before", "cannot be given together with after")
    id_of = attrgetter("id")
    start, stop = 0, len(items)
    # A cursor holds an id, not a position: it still leads on when rows before it, or its own, are deleted.
    if before is not None:
        stop = bisect_left(items, _id_in(name, "before", before), key=id_of)
        start = max(0, stop - first)
    else:
        if after is not None:
            start = bisect_right(items, _id_in(name, "after", after), key=id_of)
        stop = min(stop, start + first)
    part = items[start:stop]
    return Page(
        total=len(items),
        items=part,
        next=_cursor(name, part[-1].id) if part and stop < len(items) else "",
        prev=_cursor(name, part[0].id) if part and start > 0 else "",
    )


def _cursor(name: str, id_: str) -> str:
    return urlsafe_b64encode(f"{name}:{id_}".encode()).decode()


def _id_in(name: str, field: str, cursor: str) -> str:
    try:
        id_ = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").removeprefix(f"{name}:")
    except ValueError:
        id_ = ""
    # Decoders forgive; only what encodes to the same text is a cursor of ours.
    if ULID.fullmatch(id_) is None or _cursor(name, id_) != cursor:
        raise invalid(field, "is not a cursor that this list gave")
    return id_
