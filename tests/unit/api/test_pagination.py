import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import hostile_platform as h
from support.hostile_platform import HostilePlatform, world

from versori_magics.api.client import Client
from versori_magics.api.pagination import MAX_ATTEMPTS, MAX_IDLE_PAGES, PAGE_SIZES, Listing, fetch_all_pages
from versori_magics.errors import ApiError, ForbiddenError, IncompleteError, TransportError, UnauthorisedError

Maker = Callable[..., Client]


@dataclass
class Page:
    items: list[Any] | msgspec.UnsetType | None
    next: str | None = None
    total_count: int | None = None


@dataclass
class Pages:
    """Returns page n for the cursor "n", and records the requests."""

    pages: Sequence[Page]
    requests: list[tuple[int | None, str | None]] = field(default_factory=list)

    def __call__(self, size: int | None, cursor: str | None) -> Page:
        self.requests.append((size, cursor))
        return self.pages[int(cursor or 0)]


def linked_pages(*pages: Sequence[int], total: int | None = None) -> list[Page]:
    """Return linked pages with these items."""
    last = len(pages) - 1
    return [Page(list(items), str(n + 1) if n < last else None, total) for n, items in enumerate(pages)]


def listing_of(pages: Sequence[Page] | Pages) -> Listing[int]:
    return fetch_all_pages(pages if isinstance(pages, Pages) else Pages(pages), lambda item: item, "things")[0]


# In memory: complete and incomplete lists


def test_all_pages_are_read_in_order() -> None:
    pages = Pages(linked_pages([1, 2], [3, 4], [5], total=5))
    assert listing_of(pages) == Listing([1, 2, 3, 4, 5], confirmed=True)
    assert pages.requests == [(1000, None), (1000, "1"), (1000, "2")]


@pytest.mark.parametrize("end", [None, ""])
def test_missing_or_empty_cursor_ends_the_list(end: str | None) -> None:
    assert listing_of([Page([1], end, 1)]).items == [1]


def test_short_page_is_not_mistaken_for_the_last() -> None:
    assert listing_of(linked_pages([1], [2], [3], total=3)).items == [1, 2, 3]


def test_empty_page_does_not_end_the_list() -> None:
    assert listing_of(linked_pages([1, 2], [], [], [3], total=3)).items == [1, 2, 3]


def test_empty_list_is_complete() -> None:
    assert listing_of([Page([], None, 0)]) == Listing([], confirmed=True)
    assert listing_of([Page(msgspec.UNSET, None, 0)]) == Listing([], confirmed=True)
    assert listing_of([Page([], None, None)]) == Listing([], confirmed=False)


def test_list_that_is_null_is_an_empty_page() -> None:
    assert listing_of([Page(None, None, None)]) == Listing([], confirmed=False)
    assert listing_of([Page(None, "1", 1), Page([1], None, 1)]) == Listing([1], confirmed=True)
    with pytest.raises(IncompleteError, match="counts 5, but its pages contained 0"):
        listing_of([Page(None, None, 5)])


def test_duplicate_keeps_its_first_position_and_its_latest_value() -> None:
    pages = [
        Page([(item, n) for item in page.items or ()], page.next, 3)
        for n, page in enumerate(linked_pages([1, 2], [2, 3]))
    ]
    listing, _ = fetch_all_pages(Pages(pages), lambda item: item[0], "things")
    assert listing.items == [(1, 0), (2, 1), (3, 1)]


@given(
    rows=st.lists(st.integers(), unique=True, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=12),
    repeats=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=10),
    counted=st.booleans(),
)
@settings(deadline=None)
def test_list_is_the_same_however_it_is_split_into_pages_and_whichever_items_repeat(
    rows: list[int], cuts: list[int], repeats: list[tuple[int, int]], counted: bool
) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pages = [rows[start:end] for start, end in pairwise(edges)]
    for position, which in repeats:
        page = position % len(pages)
        earlier = rows[: edges[page + 1]]  # an item repeats on its own page or a later one
        if earlier:
            pages[page].append(earlier[which % len(earlier)])
    listing = listing_of(linked_pages(*pages, total=len(rows) if counted else None))
    assert listing == Listing(rows, confirmed=counted)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 7, 20]))
@settings(deadline=None)
def test_list_with_fewer_items_than_its_total_is_rejected(count: int, lost: int, size: int) -> None:
    rows = list(range(max(0, count - lost)))
    pages = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    with pytest.raises(IncompleteError, match=f"counts {count}, but its pages contained {len(rows)}"):
        listing_of(linked_pages(*pages, total=count))


def test_list_without_a_total_is_not_confirmed() -> None:
    assert listing_of(linked_pages([1, 2], [3])) == Listing([1, 2, 3], confirmed=False)


def test_total_that_is_too_small_loses_no_item() -> None:
    assert listing_of(linked_pages([1, 2], [3], total=2)).items == [1, 2, 3]
    assert listing_of(linked_pages([1, 2], [3], total=0)).items == [1, 2, 3]
    assert listing_of(linked_pages([1, 2], [3], total=-1)).items == [1, 2, 3]


def test_total_may_be_on_one_page_only() -> None:
    pages = linked_pages([1], [2], [3])
    pages[1].total_count = 4
    with pytest.raises(IncompleteError, match="counts 4, but its pages contained 3"):
        listing_of(pages)
    pages[1].total_count = 3
    assert listing_of(pages).confirmed


def test_largest_of_several_totals_must_be_reached() -> None:
    pages = linked_pages([1], [2], total=2)
    pages[0].total_count = 3
    with pytest.raises(IncompleteError, match="counts 3, but its pages contained 2"):
        listing_of(pages)


def test_incomplete_list_is_read_three_times_before_it_is_rejected() -> None:
    pages = Pages(linked_pages([1], [2], total=3))
    with pytest.raises(IncompleteError) as caught:
        listing_of(pages)
    assert [cursor for _, cursor in pages.requests] == [None, "1"] * MAX_ATTEMPTS == [None, "1"] * 3
    assert "The list of things is incomplete" in str(caught.value)
    assert "The incomplete list was not used" in caught.value.hint


def test_list_is_read_again_if_an_item_disappears_meanwhile() -> None:
    cursors: list[str | None] = []

    def fetch_page(_: int | None, cursor: str | None) -> Page:
        cursors.append(cursor)
        items = [1, 2, 3] if len(cursors) == 1 else [1, 2]
        return Page(items[:1], "1", len(items)) if cursor is None else Page(items[1:], None, len(items))

    listing, _ = fetch_all_pages(fetch_page, lambda item: item, "things")
    assert listing == Listing([1, 2], confirmed=True)
    assert len(cursors) == 4


def test_item_that_appears_meanwhile_is_included() -> None:
    pages = linked_pages([1], [2, 3])
    pages[0].total_count, pages[1].total_count = 2, 3
    assert listing_of(pages) == Listing([1, 2, 3], confirmed=True)


# In memory: faulty cursors


def test_repeated_cursor_ends_a_list_that_has_reached_its_total() -> None:
    pages = Pages([Page([1], "1", 2), Page([2], "1", 2)])
    assert listing_of(pages) == Listing([1, 2], confirmed=True)
    assert len(pages.requests) == 2


def test_repeated_cursor_before_the_total_is_reached_is_an_error() -> None:
    with pytest.raises(IncompleteError, match="counts 3, but its pages contained 2"):
        listing_of([Page([1], "1", 3), Page([2], "1", 3)])


def test_repeated_cursor_without_a_total_is_an_error_that_names_the_page() -> None:
    with pytest.raises(IncompleteError, match="cursor of page 2 repeats, and no totalCount shows"):
        listing_of([Page([1], "1"), Page([2], "1")])


def test_cursor_cycle_is_detected() -> None:
    circle = [Page([0], "1"), Page([1], "2"), Page([2], "1")]
    with pytest.raises(IncompleteError, match="cursor of page 3 repeats"):
        listing_of(circle)
    for page in circle:
        page.total_count = 3
    assert listing_of(circle).items == [0, 1, 2]


def test_list_with_endless_new_cursors_but_no_new_items_is_an_error() -> None:
    cursors: list[str | None] = []

    def fetch_page(_: int | None, cursor: str | None) -> Page:
        cursors.append(cursor)
        return Page([1], str(len(cursors)), 2)

    with pytest.raises(IncompleteError, match=f"{MAX_IDLE_PAGES} pages in a row contained nothing new"):
        fetch_all_pages(fetch_page, lambda item: item, "things")
    assert len(cursors) == MAX_ATTEMPTS * (MAX_IDLE_PAGES + 1)


def test_empty_pages_are_followed_up_to_the_limit() -> None:
    gap: list[list[int]] = [[]] * (MAX_IDLE_PAGES - 1)
    assert listing_of(linked_pages([1], *gap, [2], *gap, [3], total=3)).items == [1, 2, 3]


@pytest.mark.parametrize(
    ("pages", "number"),
    [
        ([Page(msgspec.UNSET, None, None)], 1),
        ([Page(msgspec.UNSET, None, 5)], 1),
        ([Page(msgspec.UNSET, "1", 0), Page([1], None, 1)], 1),
        ([Page([1], "1", None), Page(msgspec.UNSET, None, None)], 2),
    ],
)
def test_page_without_a_list_of_items_is_not_an_empty_page(pages: list[Page], number: int) -> None:
    with pytest.raises(IncompleteError, match=f"page {number} contains no list of items"):
        listing_of(pages)


# In memory: page sizes and failing pages


class PageSizeLimit:
    """Fails with a status if the page size is above a limit; None refuses every size."""

    def __init__(self, limit: int | None, status: int) -> None:
        self.limit, self.status = limit, status
        self.sizes: list[int | None] = []

    def __call__(self, size: int | None, cursor: str | None) -> Page:
        self.sizes.append(size)
        if size is not None and (self.limit is None or size > self.limit):
            raise ApiError(f"first must not be {size}", status=self.status, code="1", documented=True)
        return Page([1], None, 1)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(("limit", "granted"), [(999, 500), (200, 200), (50, 50), (25, 20), (None, None)])
def test_smaller_page_size_is_tried_after_a_refusal(status: int, limit: int | None, granted: int | None) -> None:
    fetch_page = PageSizeLimit(limit, status)
    listing, size = fetch_all_pages(fetch_page, lambda item: item, "things")
    assert listing.items == [1]
    assert size == granted
    assert fetch_page.sizes == list(PAGE_SIZES[: PAGE_SIZES.index(granted) + 1])
    assert fetch_all_pages(fetch_page, lambda item: item, "things", size)[1] == granted
    assert fetch_page.sizes[-2:] == [granted, granted]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500])
def test_other_failures_of_the_first_page_do_not_lead_to_smaller_pages(status: int) -> None:
    fetch_page = PageSizeLimit(None, status)
    with pytest.raises(ApiError) as caught:
        fetch_all_pages(fetch_page, lambda item: item, "things")
    assert fetch_page.sizes == [1000]
    assert caught.value.status == status


def test_first_refusal_is_reported_if_every_page_size_is_refused() -> None:
    def fetch_page(size: int | None, _: str | None) -> Page:
        raise ApiError(f"the filter is wrong ({size})", status=400)

    with pytest.raises(ApiError, match=r"Page 1 of the list of things failed: the filter is wrong \(1000\)"):
        fetch_all_pages(fetch_page, lambda item: item, "things")


def test_later_page_is_not_requested_again_with_another_size() -> None:
    requests: list[tuple[int | None, str | None]] = []

    def fetch_page(size: int | None, cursor: str | None) -> Page:
        requests.append((size, cursor))
        if cursor:
            raise ApiError("the cursor is invalid", status=400)
        return Page([1], "1", 2)

    with pytest.raises(ApiError, match="Page 2 of the list of things failed"):
        fetch_all_pages(fetch_page, lambda item: item, "things")
    assert requests == [(1000, None), (1000, "1")]


@pytest.mark.parametrize(
    "error",
    [
        TransportError("no answer", method="GET", path="/o/x", attempts=4),
        UnauthorisedError("no", status=401),
        ForbiddenError("no", status=403),
        ApiError("no", status=500, code="500000", details="d"),
    ],
)
def test_error_of_a_page_names_the_page_and_keeps_its_class(error: Any) -> None:
    def fetch_page(_: int | None, cursor: str | None) -> Page:
        if cursor == "2":
            raise error
        return Page([1], str(int(cursor or 0) + 1), 9)

    with pytest.raises(type(error)) as caught:
        fetch_all_pages(fetch_page, lambda item: item, "things")
    assert caught.value is error
    assert str(caught.value).startswith("Page 3 of the list of things failed: no")
    assert caught.value.__context__ is None


# Against the hostile platform


@pytest.mark.parametrize("cap", [1, 7, 20, 1000])
@pytest.mark.parametrize("end", [None, ""])
def test_all_connections_are_listed_at_every_page_size_that_the_server_grants(
    platform: HostilePlatform, client_of: Maker, cap: int, end: str | None
) -> None:
    platform.reset(world(free=41, page_cap=cap, end_cursor=end))
    listing = client_of(platform).connections()
    assert [connection.id for connection in listing.items] == list(platform.world.connections)
    assert listing.confirmed
    assert {request.query["first"] for request in platform.requests} == {"1000"}
    assert len(platform.requests) == -(-41 // cap)
    platform.verify()


def test_accepted_page_size_is_determined_once_per_list(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=130, page_limit_error=60))
    client = client_of(platform)
    assert len(client.connections().items) == 130
    sizes = [request.query["first"] for request in platform.requests]
    assert sizes == ["1000", "500", "200", "100", "50", "50", "50"]
    assert len(client.connections().items) == 130
    assert [request.query["first"] for request in platform.requests[len(sizes) :]] == ["50"] * 3
    assert len(client.systems().items) == 3  # another list, which may grant more
    assert [request.query["first"] for request in platform.requests[-5:]] == ["1000", "500", "200", "100", "50"]
    platform.verify()


def test_filters_are_sent_with_every_page(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=4))
    system = next(iter(platform.world.systems))
    connections = client_of(platform).connections(system_id=system).items
    expected = [connection.id for connection in platform.world.connections.values() if connection.system_id == system]
    assert [connection.id for connection in connections] == expected
    assert [request.query["system_id"] for request in platform.requests] == [system] * 3
    platform.verify()


def test_connections_of_one_end_user_are_listed(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(dynamic=5))
    user = next(iter(platform.world.users))
    (connection,) = client_of(platform).connections(end_user_id=user).items
    assert connection.id == platform.world.dynamic[0]
    assert platform.requests[-1].query["end_user_id"] == user


@pytest.mark.parametrize(
    ("fault", "error_type"),
    [
        (h.error(403, message="not you"), ForbiddenError),
        (h.error(401, message="not you"), UnauthorisedError),
        (h.error(409, message="not now"), ApiError),
        (h.answer(200, "<html>"), ApiError),
        (h.answer(204), ApiError),
        (h.redirect("http://localhost:1/"), ApiError),
        (h.truncate_body(), TransportError),
        (h.garbage(), TransportError),
    ],
)
def test_error_names_the_page_that_the_platform_failed_to_send(
    platform: HostilePlatform, client_of: Maker, fault: h.Fault, error_type: type[Exception]
) -> None:
    platform.reset(world(free=30, page_cap=10))
    platform.on("GET", "after=", h.edit(lambda body: body), *[fault] * 4)
    with pytest.raises(error_type, match=r"Page 3 of the list of connections failed:") as caught:
        client_of(platform).connections()
    assert type(caught.value) is error_type


def test_page_that_fails_at_first_is_requested_again(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=10))
    platform.on("GET", "after=", h.html(502), h.drop_after(), h.rst())
    assert len(client_of(platform).connections().items) == 30
    assert len(platform.requests) == 6


@pytest.mark.parametrize("change", [{"totalCount": 31}, {"items": None}, {"items": []}, {"next": "", "items": None}])
def test_list_that_stays_incomplete_is_an_error(
    platform: HostilePlatform, client_of: Maker, change: dict[str, Any]
) -> None:
    platform.reset(world(free=30))
    platform.on("GET", "/connections", h.edit(lambda body: {**body, **change}), times=99)
    with pytest.raises(IncompleteError):
        client_of(platform).connections()
    assert len(platform.requests) == MAX_ATTEMPTS


def test_connections_without_a_total_are_not_confirmed(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=20))
    platform.on("GET", "/connections", h.edit(lambda body: {**body, "totalCount": None}), times=99)
    listing = client_of(platform).connections()
    assert (len(listing.items), listing.confirmed) == (30, False)


def test_deletion_by_somebody_else_during_the_listing_loses_no_connection(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.reset(world(free=30, page_cap=10))
    deleted = platform.world.free[25]

    def delete_meanwhile(request: h.RecordedRequest) -> None:
        if request.number == 1:
            platform.world.remove(deleted)

    platform.decide = delete_meanwhile
    listing = client_of(platform).connections()
    assert [connection.id for connection in listing.items] == list(platform.world.connections)
    assert deleted not in {connection.id for connection in listing.items}
    assert len(platform.requests) == 6


def test_repeated_page_adds_no_duplicates(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=10))
    pages: list[dict[str, Any]] = []

    def with_earlier_pages(body: dict[str, Any]) -> dict[str, Any]:
        pages.append(body)
        return {**body, "items": [*(row for page in pages for row in page["items"])]}

    platform.on("GET", "/connections", h.edit(with_earlier_pages), times=3)
    listing = client_of(platform).connections()
    assert [connection.id for connection in listing.items] == list(platform.world.connections)


def test_ten_thousand_connections_take_ten_requests(platform: HostilePlatform, client_of: Maker) -> None:
    rows = [json.dumps({"id": f"{n:026}"}) for n in range(10_000)]

    def page(start: int) -> h.Fault:
        end = "" if start == 9_000 else f', "next": "{start + 1_000}"'
        return h.answer(200, f'{{"totalCount": 10000, "items": [{",".join(rows[start : start + 1_000])}]{end}}}')

    platform.on("GET", "/connections", *(page(start) for start in range(0, 10_000, 1_000)))
    assert len(client_of(platform).connections().items) == 10_000
    assert len(platform.requests) == 10


def test_end_users_are_listed_page_by_page(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(dynamic=50))
    users = client_of(platform).end_users("customer")
    assert [user.id for user in users] == list(platform.world.users)
    assert [user.external_id for user in client_of(platform).end_users("customer-49")] == ["customer-49"]
    assert [request.query.get("after") is None for request in platform.requests] == [True, False, False, True]
    platform.verify()


def test_list_of_end_users_that_is_cut_is_asked_for_again_with_a_page_size(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.reset(world(dynamic=50, page_limit_error=100))
    without_cursor = h.edit(lambda body: {key: value for key, value in body.items() if key != "next"})
    platform.decide = lambda request: None if "first" in request.query else without_cursor
    assert [user.id for user in client_of(platform).end_users()] == list(platform.world.users)
    assert platform.requests[-1].query == {"first": "100"}
    platform.verify()
