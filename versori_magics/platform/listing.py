"""A complete list or an error: walk the pages of a list and hold the count against what the platform says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from versori_magics.errors import ApiError, IncompleteError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

# Page size is the whole cost of a list: ask for the most, then for what a server accepts; None leaves it to the server.
PAGE_SIZES: tuple[int | None, ...] = (1000, 500, 200, 100, 50, 20, None)
_TOO_LARGE = frozenset({400, 413, 422})
WALKS = 3  # a list that changes while it is read is read again, this often at most
IDLE_PAGES = 20  # so many pages in a row without a new row: the cursors lead nowhere


class PageLike(Protocol[T]):
    """What every page of the platform has."""

    @property
    def total_count(self) -> int | None:
        """How many there are in all."""

    @property
    def next(self) -> str | None:
        """The cursor of the next page; absent or empty on the last."""

    @property
    def items(self) -> list[T] | None:
        """The rows."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A whole list.

    Parameters
    ----------
    items : list
        Without duplicates, in the platform's order.
    confirmed : bool
        Whether the platform's `totalCount` confirms the number; False where it gave none.
    """

    items: list[T]
    confirmed: bool


def collect(
    ask: Callable[[int | None, str | None], PageLike[T]],
    key: Callable[[T], Hashable],
    what: str,
    size: int | None = PAGE_SIZES[0],
) -> tuple[Listing[T], int | None]:
    """Read a list to its end.

    Parameters
    ----------
    ask : callable
        (page size, cursor) -> page; raises a `PlatformError` where a page fails.
    key : callable
        What makes two items the same.
    what : str
        For messages: what is listed.
    size : int or None
        Page size to begin with: what the server granted last time. Default 1,000.

    Returns
    -------
    Listing, int or None
        The list, and the page size that was granted.

    Raises
    ------
    IncompleteError
        Where the list is short or cannot be known to be whole, after three walks.
    PlatformError
        Where a page fails; the message names the page.
    """
    problem = ""
    for _ in range(WALKS):
        walk = _Walk(key, what)
        size = walk.go(ask, size)
        if not walk.problem:
            return Listing(list(walk.seen.values()), confirmed=walk.total is not None), size
        problem = walk.problem
    raise IncompleteError(
        f"The list of {what} is not whole: {problem}.",
        hint="Nothing was concluded from it. Try again; if it stays so, the platform's list is faulty.",
    )


class _Walk(Generic[T]):
    """One walk through the pages."""

    def __init__(self, key: Callable[[T], Hashable], what: str) -> None:
        self.key = key
        self.what = what
        self.seen: dict[Hashable, T] = {}
        self.total: int | None = None  # the largest that any page claimed: everything it counted must be seen
        self.problem = ""

    def go(self, ask: Callable[[int | None, str | None], PageLike[T]], size: int | None) -> int | None:
        cursor: str | None = None
        cursors: set[str] = set()
        page_number = idle = 0
        while True:
            page_number += 1
            page, size = self._page(ask, size, cursor, page_number)
            before = len(self.seen)
            items = page.items or ()
            self.seen.update(zip(map(self.key, items), items, strict=True))
            idle = 0 if len(self.seen) > before else idle + 1
            if page.total_count is not None:
                self.total = max(self.total or 0, page.total_count)
            cursor = page.next or None
            if page.items is None and not (page.total_count == 0 and cursor is None):
                self.problem = f"page {page_number} holds no list of items"
            elif cursor is None or (cursor in cursors and self.total is not None):
                self._count()
            elif cursor in cursors:
                self.problem = (
                    f"the cursor of page {page_number} repeats, and no totalCount says whether that is the end"
                )
            elif idle >= IDLE_PAGES:
                self.problem = f"{idle} pages in a row brought nothing new"
            else:
                cursors.add(cursor)
                continue
            return size

    def _count(self) -> None:
        if self.total is not None and len(self.seen) < self.total:
            self.problem = f"the platform counts {self.total:,}, and its pages held {len(self.seen):,}"

    def _page(
        self,
        ask: Callable[[int | None, str | None], PageLike[T]],
        size: int | None,
        cursor: str | None,
        number: int,
    ) -> tuple[PageLike[T], int | None]:
        failure: PlatformError | None = None
        begin = PAGE_SIZES.index(size) if size in PAGE_SIZES else 0
        for candidate in PAGE_SIZES[begin:]:
            try:
                return ask(candidate, cursor), candidate
            except PlatformError as error:
                failure = failure or error
                # Only the first page is asked for anew, smaller: later the same size was granted before.
                if cursor is not None or not (isinstance(error, ApiError) and error.status in _TOO_LARGE):
                    failure = error
                    break
        failure = failure or PlatformError("no page size is left to ask for")
        failure.message = f"Page {number} of the list of {self.what} failed. {failure.message}"
        raise failure
