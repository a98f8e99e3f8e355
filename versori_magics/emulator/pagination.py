"""Pagination of lists with cursors."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from versori_magics.emulator.errors import invalid_field
from versori_magics.emulator.validation import ULID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PAGE_SIZE = 20


class Identified(Protocol):
    """An object with an id."""

    @property
    def id(self) -> str:
        """Its ULID."""


Item = TypeVar("Item", bound=Identified)


class Page(NamedTuple, Generic[Item]):
    """One page of a list; `next` and `prev` are cursors, empty if there is no such page."""

    total_count: int
    items: Sequence[Item]
    next: str
    prev: str


def paginate(
    list_name: str, items: Sequence[Item], first: int, after: str | None = None, before: str | None = None
) -> Page[Item]:
    """Return one page of a list.

    Parameters
    ----------
    list_name : str
        The name of the list; a cursor is valid only for the list that issued it.
    items : sequence
        The whole list, sorted by id.
    first : int
        The page size.
    after, before : str, optional
        A cursor: return the page after it, or the page before it. With both, return the first page between them.

    Raises
    ------
    ErrorResponse
        With status 400 if a cursor was not issued by this list.
    """
    # A cursor holds an id and not a position, so it stays valid if items before it, or its own item, are deleted.
    id_of = attrgetter("id")
    start, stop = 0, len(items)
    if after is not None:
        start = bisect_right(items, _decode_cursor(list_name, "after", after), key=id_of)
    if before is not None:
        stop = max(start, bisect_left(items, _decode_cursor(list_name, "before", before), key=id_of))
    if before is not None and after is None:
        start = max(start, stop - first)
    else:
        stop = min(stop, start + first)
    page_items = items[start:stop]
    return Page(
        total_count=len(items),
        items=page_items,
        next=_encode_cursor(list_name, page_items[-1].id) if page_items and stop < len(items) else "",
        prev=_encode_cursor(list_name, page_items[0].id) if page_items and start > 0 else "",
    )


def _encode_cursor(list_name: str, id_: str) -> str:
    return urlsafe_b64encode(f"{list_name}:{id_}".encode()).decode()


def _decode_cursor(list_name: str, field: str, cursor: str) -> str:
    try:
        id_ = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").removeprefix(f"{list_name}:")
    except ValueError:
        id_ = ""
    # The base64 decoder accepts several spellings of one id; only the spelling that this list issues is valid.
    if ULID_PATTERN.fullmatch(id_) is None or _encode_cursor(list_name, id_) != cursor:
        raise invalid_field(field, "is not a cursor of this list")
    return id_
