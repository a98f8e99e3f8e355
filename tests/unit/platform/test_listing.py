import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from faults import hostile as h
from faults.hostile import HostilePlatform, world
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.errors import ApiError, ForbiddenError, IncompleteError, TransportError, UnauthorisedError
from versori_magics.platform.client import Client
from versori_magics.platform.listing import IDLE_PAGES, PAGE_SIZES, WALKS, Listing, collect

Maker = Callable[..., Client]


@dataclass
class Page:
    items: list[Any] | None
    next: str | None = None
    total_count: int | None = None


@dataclass
class Pages:
    """Gives page n for the cursor "n"; remembers what it was asked."""

    pages: Sequence[Page]
    asked: list[tuple[int | None, str | None]] = field(default_factory=list)

    def __call__(self, size: int | None, cursor: str | None) -> Page:
        self.asked.append((size, cursor))
        return self.pages[int(cursor or 0)]


def chain(*cuts: Sequence[int], total: int | None = None) -> list[Page]:
    """Make a list cut so, each page but the last with a cursor."""
    last = len(cuts) - 1
    return [Page(list(cut), str(n + 1) if n < last else None, total) for n, cut in enumerate(cuts)]


def collected(pages: Sequence[Page] | Pages) -> Listing[int]:
    return collect(pages if isinstance(pages, Pages) else Pages(pages), lambda item: item, "things")[0]


# In memory: what is a whole list


def test_every_page_is_read_in_order_to_the_end() -> None:
    pages = Pages(chain([1, 2], [3, 4], [5], total=5))
    assert collected(pages) == Listing([1, 2, 3, 4, 5], confirmed=True)
    assert pages.asked == [(1000, None), (1000, "1"), (1000, "2")]


@pytest.mark.parametrize("end", [None, ""])
def test_an_absent_and_an_empty_cursor_both_end_the_list(end: str | None) -> None:
    assert collected([Page([1], end, 1)]).items == [1]


def test_a_page_shorter_than_asked_is_not_taken_for_the_last() -> None:
    assert collected(chain([1], [2], [3], total=3)).items == [1, 2, 3]


def test_an_empty_page_in_the_middle_does_not_end_the_list() -> None:
    assert collected(chain([1, 2], [], [], [3], total=3)).items == [1, 2, 3]


def test_an_empty_list_is_a_whole_list() -> None:
    assert collected([Page([], None, 0)]) == Listing([], confirmed=True)
    assert collected([Page(None, None, 0)]) == Listing([], confirmed=True)
    assert collected([Page([], None, None)]) == Listing([], confirmed=False)


def test_a_row_that_comes_twice_is_one_row_as_it_was_seen_last_where_it_was_seen_first() -> None:
    rows = chain([1, 2], [2, 3], total=3)  # type: ignore[arg-type]
    tagged = [Page([(item, n) for item in page.items or ()], page.next, 3) for n, page in enumerate(rows)]
    listing, _ = collect(Pages(tagged), lambda item: item[0], "things")
    assert listing.items == [(1, 0), (2, 1), (3, 1)]


@given(
    rows=st.lists(st.integers(), unique=True, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=12),
    repeats=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=10),
    counted=st.booleans(),
)
@settings(deadline=None)
def test_however_the_rows_are_cut_into_pages_with_whatever_repeats_the_list_is_exactly_the_rows_in_order(
    rows: list[int], cuts: list[int], repeats: list[tuple[int, int]], counted: bool
) -> None:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pages = [rows[start:end] for start, end in pairwise(edges)]
    for where, which in repeats:
        page = where % len(pages)
        known = rows[: edges[page + 1]]  # a row comes again on its own or a later page, never before its turn
        if known:
            pages[page].append(known[which % len(known)])
    listing = collected(chain(*pages, total=len(rows) if counted else None))
    assert listing == Listing(rows, confirmed=counted)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 7, 20]))
@settings(deadline=None)
def test_a_list_that_is_short_of_the_count_never_passes_for_whole(count: int, lost: int, size: int) -> None:
    rows = list(range(max(0, count - lost)))
    cuts = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    with pytest.raises(IncompleteError, match=f"counts {count}, and its pages held {len(rows)}"):
        collected(chain(*cuts, total=count))


def test_without_a_count_a_list_is_whole_and_not_confirmed() -> None:
    assert collected(chain([1, 2], [3])) == Listing([1, 2, 3], confirmed=False)


def test_a_count_below_the_rows_costs_no_row() -> None:
    assert collected(chain([1, 2], [3], total=2)).items == [1, 2, 3]
    assert collected(chain([1, 2], [3], total=0)).items == [1, 2, 3]
    assert collected(chain([1, 2], [3], total=-1)).items == [1, 2, 3]


def test_a_count_on_one_page_only_still_counts() -> None:
    pages = chain([1], [2], [3])
    pages[1].total_count = 4
    with pytest.raises(IncompleteError, match="counts 4, and its pages held 3"):
        collected(pages)
    pages[1].total_count = 3
    assert collected(pages).confirmed


def test_of_counts_that_differ_the_largest_must_be_met() -> None:
    pages = chain([1], [2], total=2)
    pages[0].total_count = 3
    with pytest.raises(IncompleteError, match="counts 3, and its pages held 2"):
        collected(pages)


def test_a_short_list_is_walked_three_times_before_it_is_an_error() -> None:
    pages = Pages(chain([1], [2], total=3))
    with pytest.raises(IncompleteError) as caught:
        collected(pages)
    assert [cursor for _, cursor in pages.asked] == [None, "1"] * WALKS == [None, "1"] * 3
    assert "list of things is not whole" in str(caught.value)
    assert "Nothing was concluded" in caught.value.hint


def test_a_row_that_vanishes_while_the_list_is_read_only_costs_a_second_walk() -> None:
    told: list[tuple[int | None, str | None]] = []

    def ask(size: int | None, cursor: str | None) -> Page:
        told.append((size, cursor))
        there = [1, 2, 3] if len(told) == 1 else [1, 2]
        return Page(there[:1], "1", len(there)) if cursor is None else Page(there[1:], None, len(there))

    listing, _ = collect(ask, lambda item: item, "things")
    assert listing == Listing([1, 2], confirmed=True)
    assert len(told) == 4


def test_a_row_that_appears_while_the_list_is_read_is_in_it_or_the_list_is_read_again() -> None:
    pages = chain([1], [2, 3])
    pages[0].total_count, pages[1].total_count = 2, 3
    assert collected(pages) == Listing([1, 2, 3], confirmed=True)


# In memory: cursors that lie


def test_a_cursor_that_repeats_ends_the_list_when_the_count_is_met() -> None:
    pages = Pages([Page([1], "1", 2), Page([2], "1", 2)])
    assert collected(pages) == Listing([1, 2], confirmed=True)
    assert len(pages.asked) == 2


def test_a_cursor_that_repeats_before_the_count_is_met_is_an_error() -> None:
    with pytest.raises(IncompleteError, match="counts 3, and its pages held 2"):
        collected([Page([1], "1", 3), Page([2], "1", 3)])


def test_a_cursor_that_repeats_without_any_count_is_an_error_that_names_the_page() -> None:
    with pytest.raises(IncompleteError, match="cursor of page 2 repeats, and no totalCount says"):
        collected([Page([1], "1"), Page([2], "1")])


def test_cursors_that_go_in_a_circle_are_noticed() -> None:
    circle = [Page([0], "1"), Page([1], "2"), Page([2], "1")]
    with pytest.raises(IncompleteError, match="cursor of page 3 repeats"):
        collected(circle)
    for page in circle:
        page.total_count = 3
    assert collected(circle).items == [0, 1, 2]


def test_ever_new_cursors_that_bring_nothing_new_come_to_an_end() -> None:
    asked: list[str | None] = []

    def ask(_: int | None, cursor: str | None) -> Page:
        asked.append(cursor)
        return Page([1], str(len(asked)), 2)

    with pytest.raises(IncompleteError, match=f"{IDLE_PAGES} pages in a row brought nothing new"):
        collect(ask, lambda item: item, "things")
    assert len(asked) == WALKS * (IDLE_PAGES + 1)


def test_empty_pages_are_followed_as_long_as_a_new_row_comes_in_time() -> None:
    gap: list[list[int]] = [[]] * (IDLE_PAGES - 1)
    assert collected(chain([1], *gap, [2], *gap, [3], total=3)).items == [1, 2, 3]


@pytest.mark.parametrize(
    ("pages", "number"),
    [
        ([Page(None, None, None)], 1),
        ([Page(None, None, 5)], 1),
        ([Page(None, "1", 0), Page([1], None, 1)], 1),
        ([Page([1], "1", None), Page(None, None, None)], 2),
    ],
)
def test_a_page_without_a_list_of_items_is_not_an_empty_page(pages: list[Page], number: int) -> None:
    with pytest.raises(IncompleteError, match=f"page {number} holds no list of items"):
        collected(pages)


# In memory: page sizes and failing pages


class Refusing:
    """Accepts page sizes up to a limit; every other first page fails with the status."""

    def __init__(self, limit: int | None, status: int) -> None:
        self.limit, self.status = limit, status
        self.asked: list[int | None] = []

    def __call__(self, size: int | None, cursor: str | None) -> Page:
        self.asked.append(size)
        if size is not None and (self.limit is None or size > self.limit):
            raise ApiError(f"first must not be {size}", status=self.status, code="1", documented=True)
        return Page([1], None, 1)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(("limit", "granted"), [(999, 500), (200, 200), (50, 50), (25, 20), (None, None)])
def test_a_page_size_that_is_refused_is_followed_by_the_next_smaller_one(
    status: int, limit: int | None, granted: int | None
) -> None:
    ask = Refusing(limit, status)
    listing, size = collect(ask, lambda item: item, "things")
    assert listing.items == [1]
    assert size == granted
    assert ask.asked == list(PAGE_SIZES[: PAGE_SIZES.index(granted) + 1])
    assert collect(ask, lambda item: item, "things", size)[1] == granted
    assert ask.asked[-2:] == [granted, granted]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500])
def test_another_refusal_of_the_first_page_is_no_question_of_size(status: int) -> None:
    ask = Refusing(None, status)
    with pytest.raises(ApiError) as caught:
        collect(ask, lambda item: item, "things")
    assert ask.asked == [1000]
    assert caught.value.status == status


def test_when_every_size_is_refused_the_first_refusal_is_what_is_told() -> None:
    def ask(size: int | None, _: str | None) -> Page:
        raise ApiError(f"the filter is wrong ({size})", status=400)

    with pytest.raises(ApiError, match=r"Page 1 of the list of things failed\. the filter is wrong \(1000\)"):
        collect(ask, lambda item: item, "things")


def test_a_later_page_is_not_asked_for_anew_in_another_size() -> None:
    asked: list[tuple[int | None, str | None]] = []

    def ask(size: int | None, cursor: str | None) -> Page:
        asked.append((size, cursor))
        if cursor:
            raise ApiError("the cursor is not ours", status=400)
        return Page([1], "1", 2)

    with pytest.raises(ApiError, match="Page 2 of the list of things failed"):
        collect(ask, lambda item: item, "things")
    assert asked == [(1000, None), (1000, "1")]


@pytest.mark.parametrize(
    "error",
    [
        TransportError("no answer", method="GET", path="/o/x", attempts=4),
        UnauthorisedError("no", status=401),
        ForbiddenError("no", status=403),
        ApiError("no", status=500, code="500000", details="d"),
    ],
)
def test_a_page_that_fails_names_itself_and_keeps_the_kind_of_the_error(error: Any) -> None:
    def ask(_: int | None, cursor: str | None) -> Page:
        if cursor == "2":
            raise error
        return Page([1], str(int(cursor or 0) + 1), 9)

    with pytest.raises(type(error)) as caught:
        collect(ask, lambda item: item, "things")
    assert caught.value is error
    assert str(caught.value).startswith("Page 3 of the list of things failed. no")
    assert caught.value.__context__ is None


# Against the hostile platform


@pytest.mark.parametrize("cap", [1, 7, 20, 1000])
@pytest.mark.parametrize("end", [None, ""])
def test_all_connections_are_listed_whatever_the_server_grants(
    platform: HostilePlatform, client_of: Maker, cap: int, end: str | None
) -> None:
    platform.reset(world(free=41, page_cap=cap, end_cursor=end))
    listing = client_of(platform).connections()
    assert [connection.id for connection in listing.items] == list(platform.world.connections)
    assert listing.confirmed
    assert {request.query["first"] for request in platform.requests} == {"1000"}
    assert len(platform.requests) == -(-41 // cap)
    platform.verify()


def test_what_the_server_accepts_is_found_once_and_remembered(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=130, page_limit_error=60))
    client = client_of(platform)
    assert len(client.connections().items) == 130
    first = [request.query["first"] for request in platform.requests]
    assert first == ["1000", "500", "200", "100", "50", "50", "50"]
    assert len(client.connections().items) == 130
    assert [request.query["first"] for request in platform.requests[len(first) :]] == ["50"] * 3
    assert len(client.systems().items) == 3  # another list, which may grant more
    assert [request.query["first"] for request in platform.requests[-5:]] == ["1000", "500", "200", "100", "50"]
    platform.verify()


def test_filters_are_sent_with_every_page(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=4))
    system = next(iter(platform.world.systems))
    found = client_of(platform).connections(system_id=system).items
    assert [one.id for one in found] == [c.id for c in platform.world.connections.values() if c.system_id == system]
    assert [request.query["system_id"] for request in platform.requests] == [system] * 3
    platform.verify()


def test_the_connections_of_an_end_user_are_theirs_only(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(dynamic=5))
    user = next(iter(platform.world.users))
    (found,) = client_of(platform).connections(end_user_id=user).items
    assert found.id == platform.world.dynamic[0]
    assert platform.requests[-1].query["end_user_id"] == user


@pytest.mark.parametrize(
    ("fault", "kind"),
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
def test_the_page_that_fails_on_the_wire_is_named(
    platform: HostilePlatform, client_of: Maker, fault: h.Fault, kind: type[Exception]
) -> None:
    platform.reset(world(free=30, page_cap=10))
    platform.on("GET", "after=", h.edit(lambda body: body), *[fault] * 4)
    with pytest.raises(kind, match=r"Page 3 of the list of connections failed\.") as caught:
        client_of(platform).connections()
    assert type(caught.value) is kind


def test_a_page_that_fails_and_then_comes_is_no_failure(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=10))
    platform.on("GET", "after=", h.html(502), h.drop_after(), h.rst())
    assert len(client_of(platform).connections().items) == 30
    assert len(platform.requests) == 6


@pytest.mark.parametrize("change", [{"totalCount": 31}, {"items": None}, {"items": []}, {"next": "x", "items": None}])
def test_a_server_that_lies_in_every_walk_is_an_error_and_no_list(
    platform: HostilePlatform, client_of: Maker, change: dict[str, Any]
) -> None:
    platform.reset(world(free=30))
    platform.on("GET", "/connections", h.edit(lambda body: {**body, **change}), times=99)
    with pytest.raises(IncompleteError):
        client_of(platform).connections()
    assert len(platform.requests) == WALKS


def test_a_page_without_its_count_is_a_list_that_is_not_confirmed(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=20))
    platform.on("GET", "/connections", h.edit(lambda body: {**body, "totalCount": None}), times=99)
    listing = client_of(platform).connections()
    assert (len(listing.items), listing.confirmed) == (30, False)


def test_a_connection_that_a_colleague_deletes_meanwhile_is_not_missed(
    platform: HostilePlatform, client_of: Maker
) -> None:
    platform.reset(world(free=30, page_cap=10))
    gone = platform.world.free[25]

    def meanwhile(request: h.RecordedRequest) -> None:
        if request.number == 1:
            platform.world.remove(gone)

    platform.decide = meanwhile
    listing = client_of(platform).connections()
    assert [connection.id for connection in listing.items] == list(platform.world.connections)
    assert gone not in {connection.id for connection in listing.items}
    assert len(platform.requests) == 6


def test_a_page_that_comes_twice_brings_no_row_twice(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(free=30, page_cap=10))
    pages: list[dict[str, Any]] = []

    def again(body: dict[str, Any]) -> dict[str, Any]:
        pages.append(body)
        return {**body, "items": [*(row for page in pages for row in page["items"])]}

    platform.on("GET", "/connections", h.edit(again), times=3)
    listing = client_of(platform).connections()
    assert [connection.id for connection in listing.items] == list(platform.world.connections)


def test_ten_thousand_connections_are_ten_requests(platform: HostilePlatform, client_of: Maker) -> None:
    rows = [json.dumps({"id": f"{n:026}"}) for n in range(10_000)]

    def page(start: int) -> h.Fault:
        end = "" if start == 9_000 else f', "next": "{start + 1_000}"'
        return h.answer(200, f'{{"totalCount": 10000, "items": [{",".join(rows[start : start + 1_000])}]{end}}}')

    platform.on("GET", "/connections", *(page(start) for start in range(0, 10_000, 1_000)))
    assert len(client_of(platform).connections().items) == 10_000
    assert len(platform.requests) == 10


def test_end_users_are_found_page_by_page(platform: HostilePlatform, client_of: Maker) -> None:
    platform.reset(world(dynamic=50))
    found = client_of(platform).end_users("customer")
    assert [user.id for user in found] == list(platform.world.users)
    assert [user.external_id for user in client_of(platform).end_users("customer-49")] == ["customer-49"]
    assert [request.query.get("after") is None for request in platform.requests] == [True, False, False, True]
    platform.verify()
