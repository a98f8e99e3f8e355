"""Listing: decoding compared with json_normalize on the same bytes; pages and look-ups compared with the limit."""

from __future__ import annotations

import json
import sys
from functools import partial

from server import ORGANISATION, page, serving
from timing import Row, Sample, peak_memory, run_in_process, take_turns

PAGE = 1000
PROJECTS = 200
TOKEN = "a-token-for-benchmarks"
LATENCY = 0.05  # seconds


def pages(connections: int) -> list[bytes]:
    """Return the pages of a list as the platform sends them."""
    return [page(connections, PAGE, after) for after in range(0, connections, PAGE)]


def ours(bodies: list[bytes]) -> int:
    """Decode and build as `connections` does."""
    from versori_magics.api import models, protocol
    from versori_magics.api.pagination import fetch_all_pages
    from versori_magics.notebook.display.dataframes import connections_frame

    remaining = iter(bodies)
    request = protocol.list_connections(ORGANISATION)

    def fetch(_: int | None, __: str | None) -> models.Page[models.Connection]:
        response = protocol.ApiResponse(200, {}, next(remaining))
        return protocol.decode_response(request, response, models.Page[models.Connection])

    listing, _ = fetch_all_pages(fetch, lambda item: item.id, "connections")
    return len(connections_frame(listing, {}, None, server="", organisation=ORGANISATION))


def normalized(bodies: list[bytes]) -> int:
    """Decode and build as people do."""
    import pandas as pd

    items = [item for body in bodies for item in json.loads(body)["items"]]
    return len(pd.json_normalize(items))


CONTENDERS = {"ours": ours, "normalized": normalized}


def _memory(contender: str, connections: int) -> int:
    """Return the bytes added to this process's peak, which is why it needs a process of its own."""
    work = CONTENDERS[contender]
    bodies = pages(connections)
    work(pages(PAGE))  # imports, and whatever is built at the first use
    before = peak_memory()
    assert work(bodies) == connections
    return peak_memory() - before


def _decoding(connections: int, repeats: int) -> list[Row]:
    bodies = pages(connections)
    samples = take_turns({name: partial(work, bodies) for name, work in CONTENDERS.items()}, repeats)
    cpu = samples["normalized"].cpu / samples["ours"].cpu
    memory = {name: run_in_process("listing.py", name, connections) for name in CONTENDERS}
    subject = f"{connections:,} connections, pages of {PAGE:,} to DataFrame"
    return [
        Row(f"{subject}: CPU", "`response.json()` and `pd.json_normalize`", f"{cpu:.1f} times less", "4 times"),
        Row(f"{subject}: peak memory", "the same", f"{memory['ours'] / max(1, memory['normalized']):.2f}", "0.65"),
    ]


def _list(connections: int, max_page: int, repeats: int) -> Sample:
    from versori_magics.api.client import Client

    def work() -> None:
        # A new client each time, which has to find out again which page size is granted.
        with Client(url, ORGANISATION, TOKEN) as client:
            assert len(client.connections().items) == connections

    with serving(latency=LATENCY, connections=connections, max_page=max_page) as url:
        return take_turns({"ours": work}, repeats)["ours"]


def _usage(projects: int, repeats: int) -> Sample:
    from versori_magics.api.client import Client
    from versori_magics.inventory.usage_reader import read_usage

    def work() -> None:
        with Client(url, ORGANISATION, TOKEN) as client:
            assert not read_usage(client).problems

    with serving(latency=LATENCY, connections=10, projects=projects) as url:
        return take_turns({"ours": work}, repeats)["ours"]


def measure(connections: int = 10_000, more: int = 50_000, projects: int = PROJECTS, repeats: int = 5) -> list[Row]:
    """Measure lists and usage.

    Parameters
    ----------
    connections, more : int
        Number of connections; `more` only for decoding.
    projects : int
        Number of projects, with two environments each.
    repeats : int
        Turns; see `timing.take_turns`.
    """
    rows = _decoding(connections, repeats) + _decoding(more, repeats)
    for max_page, goal in ((100, "1.10"), (PAGE, "1.35")):
        limit = -(-connections // max_page) * LATENCY
        ratio = _list(connections, max_page, min(repeats, 3)).wall / limit
        rows.append(
            Row(
                f"list {connections:,} at 50 ms for each page, if the server grants pages of {max_page:,}",
                "the limit, pages x latency",
                f"{ratio:.2f}",
                goal,
            )
        )
    lookups = 1 + 3 * 2 * projects
    limit = LATENCY + 3 * 2 * projects * LATENCY / 16
    ratio = _usage(projects, min(repeats, 3)).wall / limit
    subject = f"usage of {projects} projects with 2 environments each ({lookups} look-ups) at 50 ms, 16 side by side"
    return [*rows, Row(subject, "the limit", f"{ratio:.2f}", "1.15")]


if __name__ == "__main__":
    print(json.dumps(_memory(sys.argv[1], int(sys.argv[2]))))  # noqa: T201 - for the parent process
