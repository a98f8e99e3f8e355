"""Read a list page by page to its end, and raise an error unless the list is complete."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from versori_magics.catch import catch
from versori_magics.errors import ApiError, IncompleteError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

# The page size decides how long a list takes. A server may refuse a large one, so smaller ones are tried in turn; None
# leaves the size to the server.
PAGE_SIZES: tuple[int | None, ...] = (1000, 500, 200, 100, 50, 20, None)
MAX_ATTEMPTS = 3  # a list that changes while it is read is read again
MAX_IDLE_PAGES = 20  # pages in a row without a new item, after which the cursors are considered broken
_TOO_LARGE_STATUSES = frozenset({400, 413, 422})


class PageOfItems(Protocol[T]):
    """What every page of the platform has in common."""

    @property
    def total_count(self) -> int | None:
        """Number of items in the whole list."""

    @property
    def next(self) -> str | None:
        """Cursor of the next page; None or empty on the last page."""

    @property
    def items(self) -> list[T] | msgspec.UnsetType | None:
        """The items of this page; None if the list is null, and UNSET if it is missing."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A complete list.

    Parameters
    ----------
    items : list
        Without duplicates, in the platform's order.
    confirmed : bool
        Whether the platform's `totalCount` confirms the number of items; False if the platform gave none.
    """

    items: list[T]
    confirmed: bool


def page_query(page_size: int | None, cursor: str | None) -> dict[str, str]:
    """Return the query parameters of a page; None leaves a parameter out."""
    return {name: str(value) for name, value in (("first", page_size), ("after", cursor)) if value}


def fetch_all_pages(
    fetch_page: Callable[[int | None, str | None], PageOfItems[T]],
    key: Callable[[T], Hashable],
    noun: str,
    page_size: int | None = PAGE_SIZES[0],
) -> tuple[Listing[T], int | None]:
    """Read a list to its end.

    Parameters
    ----------
    fetch_page : callable
        (page size, cursor) -> page. Raises a `PlatformError` if that fails.
    key : callable
        (item) -> its identity; items with the same key are duplicates.
    noun : str
        The items' plural, for messages.
    page_size : int or None
        The page size to begin with, such as the one accepted last time. Default 1,000.

    Returns
    -------
    Listing, int or None
        The list, and the page size that the server accepted.

    Raises
    ------
    IncompleteError
        If the list is incomplete, or cannot be shown to be complete, after three attempts.
    PlatformError
        If a page fails; the message names the page.
    """
    problem = ""
    for _ in range(MAX_ATTEMPTS):
        reader = _ListReader(fetch_page, key, noun, page_size)
        reader.read()
        page_size = reader.page_size
        if not reader.problem:
            return Listing(list(reader.items.values()), confirmed=reader.total is not None), page_size
        problem = reader.problem
    raise IncompleteError(
        f"The list of {noun} is incomplete: {problem}.",
        hint="The incomplete list was not used. Try again; if the error persists, the platform's list is faulty.",
    )


class _ListReader(Generic[T]):
    """Reads a list once from its first page to its last; the parameters are those of `fetch_all_pages`.

    Attributes
    ----------
    items : dict
        Key -> item, in the platform's order.
    total : int or None
        The largest `totalCount` of any page.
    problem : str
        Why the list is not known to be complete; empty if it is.
    """

    def __init__(
        self,
        fetch_page: Callable[[int | None, str | None], PageOfItems[T]],
        key: Callable[[T], Hashable],
        noun: str,
        page_size: int | None,
    ) -> None:
        self.page_size = page_size
        self.items: dict[Hashable, T] = {}
        self.total: int | None = None
        self.problem = ""
        self._fetch_page = fetch_page
        self._key = key
        self._noun = noun
        self._cursors: set[str] = set()
        self._page_number = 0
        self._idle_pages = 0

    def read(self) -> None:
        cursor = self._read_page(None)
        while cursor is not None:
            cursor = self._read_page(cursor)

    def _read_page(self, cursor: str | None) -> str | None:
        """Read the page at a cursor, and return the cursor of the next page, or None at the end."""
        self._page_number += 1
        page = self._fetch(cursor)
        items_before = len(self.items)
        items = page.items or ()
        self.items.update(zip(map(self._key, items), items, strict=True))
        self._idle_pages = 0 if len(self.items) > items_before else self._idle_pages + 1
        if page.total_count is not None:
            self.total = max(self.total or 0, page.total_count)
        return self._next_cursor(page)

    def _next_cursor(self, page: PageOfItems[T]) -> str | None:
        cursor = page.next or None
        repeats = cursor in self._cursors
        if page.items is msgspec.UNSET and not (page.total_count == 0 and cursor is None):
            self.problem = f"page {self._page_number} contains no list of items"
        elif cursor is None or (repeats and self.total is not None):
            self._compare_with_total()
        elif repeats:
            self.problem = (
                f"the cursor of page {self._page_number} repeats, and no totalCount shows whether the list ends there"
            )
        elif self._idle_pages >= MAX_IDLE_PAGES:
            self.problem = f"{self._idle_pages} pages in a row contained nothing new"
        else:
            self._cursors.add(cursor)
            return cursor
        return None

    def _compare_with_total(self) -> None:
        if self.total is not None and len(self.items) < self.total:
            self.problem = f"the platform counts {self.total:,}, but its pages contained {len(self.items):,}"

    def _fetch(self, cursor: str | None) -> PageOfItems[T]:
        first = PAGE_SIZES.index(self.page_size) if self.page_size in PAGE_SIZES else 0
        # Smaller sizes are tried for the first page only: the later ones use the size that the server accepted for it.
        sizes = PAGE_SIZES[first:] if cursor is None else (self.page_size,)
        failures: list[PlatformError] = []
        for size in sizes:
            page = catch(partial(self._fetch_page, size, cursor), PlatformError)
            if not isinstance(page, PlatformError):
                self.page_size = size
                return page
            failures.append(page)
            if not _may_be_too_large(page):
                break
        # If every size is refused, the size is not the cause, and the first refusal is the clearest.
        failure = failures[0] if _may_be_too_large(failures[-1]) else failures[-1]
        failure.message = f"Page {self._page_number} of the list of {self._noun} failed: {failure.message}"
        raise failure


def _may_be_too_large(failure: PlatformError) -> bool:
    return isinstance(failure, ApiError) and failure.status in _TOO_LARGE_STATUSES
