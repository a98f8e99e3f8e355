"""Listing: decode and build against json_normalize on the same bytes, and the pages and look-ups against the limit."""

from __future__ import annotations

import json
import sys
from functools import partial

from server import ORGANISATION, page, serving
from timing import Row, Sample, in_a_process, peak, side_by_side

PAGE = 1000
PROJECTS = 200
TOKEN = "a-token-for-benchmarks"
LATENCY = 0.05  # seconds


def pages(connections: int) -> list[bytes]:
    """Return the pages of a list as the platform sends them."""
    return [page(connections, PAGE, after) for after in range(0, connections, PAGE)]


def ours(bodies: list[bytes]) -> int:
    """Decode and build as `connections` does."""
    from versori_magics.notebook.frames import connections_frame
    from versori_magics.platform import models, wire
    from versori_magics.platform.listing import collect

    left = iter(bodies)
    call = wire.list_connections(ORGANISATION)

    def ask(_: int | None, __: str | None) -> models.Page[models.Connection]:
        return wire.decode(call, wire.Answer(200, {}, next(left)), models.Page[models.Connection])

    listing, _ = collect(ask, lambda item: item.id, "connections")
    return len(connections_frame(listing, {}, None, server="", organisation=ORGANISATION))


def normalized(bodies: list[bytes]) -> int:
    """Decode and build as people do."""
    import pandas as pd

    items = [item for body in bodies for item in json.loads(body)["items"]]
    return len(pd.json_normalize(items))


WAYS = {"ours": ours, "normalized": normalized}


def _memory(way: str, connections: int) -> int:
    """Return bytes above what was there before: the reason for a process of its own."""
    work = WAYS[way]
    bodies = pages(connections)
    work(pages(PAGE))  # imports, and whatever is made at the first use
    before = peak()
    assert work(bodies) == connections
    return peak() - before


def _decoding(connections: int, repeats: int) -> list[Row]:
    bodies = pages(connections)
    found = side_by_side({name: partial(work, bodies) for name, work in WAYS.items()}, repeats)
    cpu = found["normalized"].cpu / found["ours"].cpu
    memory = {name: in_a_process("listing.py", name, connections) for name in WAYS}
    what = f"{connections:,} connections, pages of {PAGE:,} to DataFrame"
    return [
        Row(f"{what}: CPU", "`response.json()` and `pd.json_normalize`", f"{cpu:.1f} times less", "4 times"),
        Row(f"{what}: peak memory", "the same", f"{memory['ours'] / max(1, memory['normalized']):.2f}", "0.65"),
    ]


def _list(connections: int, most: int, repeats: int) -> Sample:
    from versori_magics.platform.client import Client

    def work() -> None:
        # A client of its own each time: which page size is granted is found out anew.
        with Client(url, ORGANISATION, TOKEN) as client:
            assert len(client.connections().items) == connections

    with serving(latency=LATENCY, connections=connections, most=most) as url:
        return side_by_side({"ours": work}, repeats)["ours"]


def _usage(projects: int, repeats: int) -> Sample:
    from versori_magics.platform.client import Client
    from versori_magics.platform.usage import read_usage

    def work() -> None:
        with Client(url, ORGANISATION, TOKEN) as client:
            assert not read_usage(client).problems

    with serving(latency=LATENCY, connections=10, projects=projects) as url:
        return side_by_side({"ours": work}, repeats)["ours"]


def measure(connections: int = 10_000, more: int = 50_000, projects: int = PROJECTS, repeats: int = 5) -> list[Row]:
    """Measure lists and usage.

    Parameters
    ----------
    connections, more : int
        How many there are; `more` only for decoding.
    projects : int
        With two environments each.
    repeats : int
        Turns; see `timing.side_by_side`.
    """
    rows = _decoding(connections, repeats) + _decoding(more, repeats)
    for most, wanted in ((100, "1.10"), (PAGE, "1.35")):
        limit = -(-connections // most) * LATENCY
        found = _list(connections, most, min(repeats, 3)).wall / limit
        rows.append(
            Row(
                f"list {connections:,} at 50 ms a page, where the server grants pages of {most:,}",
                "the limit, pages x latency",
                f"{found:.2f}",
                wanted,
            )
        )
    lookups = 1 + 4 * projects
    limit = LATENCY + 4 * projects * LATENCY / 16
    found = _usage(projects, min(repeats, 3)).wall / limit
    what = f"usage of {projects} projects with 2 environments each ({lookups} look-ups) at 50 ms, 16 side by side"
    return [*rows, Row(what, "the limit", f"{found:.2f}", "1.15")]


if __name__ == "__main__":
    print(json.dumps(_memory(sys.argv[1], int(sys.argv[2]))))  # noqa: T201 - to the process that started this one
