"""Sizes: what a list with its usage and a run cost as the organisation grows; in a process of its own each."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from deleting import Deletions
from listing import TOKEN
from server import ORGANISATION, serving
from timing import Row, in_a_process, peak


def _listed(connections: int) -> dict[str, float]:
    import pandas as pd

    from versori_magics.notebook.frames import connections_frame
    from versori_magics.platform.client import Client
    from versori_magics.platform.usage import read_usage

    assert pd.DataFrame({"text": ["imported"]})["text"].notna().all()
    with serving(latency=0, connections=connections, projects=50) as url, Client(url, ORGANISATION, TOKEN) as client:
        client.connections()  # the server makes its pages
        began = time.perf_counter()
        listing = client.connections()
        listed = time.perf_counter()
        usage = read_usage(client)
        used = time.perf_counter()
        frame = connections_frame(listing, {}, usage, server=client.server, organisation=ORGANISATION)
        framed = time.perf_counter()
        html = len(frame._repr_html_())
    assert len(frame) == connections
    return {
        "list": listed - began,
        "usage": used - listed,
        "frame": framed - used,
        "peak": peak() / 1e6,
        "html": html,
    }


def _run(rows: int) -> dict[str, float]:
    with serving(latency=0.02) as url, tempfile.TemporaryDirectory() as folder:
        made = Deletions(url, rows, 16, Path(folder))
        began = time.perf_counter()
        html = made.ours()
        seconds = time.perf_counter() - began
        journal = sum(path.stat().st_size for path in Path(folder).glob("*.jsonl"))
    return {"run": seconds, "peak": peak() / 1e6, "html": html, "journal": journal}


def _middle(what: str, size: int, repeats: int) -> dict[str, float]:
    found = [in_a_process("sizes.py", what, size) for _ in range(max(1, repeats))]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def measure(
    lists: tuple[int, ...] = (1_000, 10_000, 100_000), runs: tuple[int, ...] = (1_000, 10_000), repeats: int = 3
) -> list[Row]:
    """Measure sizes.

    Parameters
    ----------
    lists, runs : tuple of int
        Connections to list, and rows to delete.
    repeats : int
        Processes for each size; the median of each figure is told.
    """
    rows = []
    for connections in lists:
        one = _middle("listed", connections, repeats)
        rows.append(
            Row(
                f"{connections:,} connections, with 50 projects, no latency",
                "list · usage · frame",
                f"{one['list'] * 1000:,.0f} · {one['usage'] * 1000:,.0f} · {one['frame'] * 1000:,.0f} ms; "
                f"process at most {one['peak']:.0f} MB; shown as {one['html'] / 1000:.0f} kB of HTML",
            )
        )
    for count in runs:
        one = _middle("run", count, repeats)
        rows.append(
            Row(
                f"a run of {count:,} rows at 20 ms, 16 workers",
                "plan, journal, report",
                f"{one['run']:.1f} s; process at most {one['peak']:.0f} MB; report {one['html'] / 1000:.0f} kB of "
                f"HTML, journal {one['journal'] / 1000:,.0f} kB",
            )
        )
    return rows


if __name__ == "__main__":
    print(json.dumps({"listed": _listed, "run": _run}[sys.argv[1]](int(sys.argv[2]))))  # noqa: T201 - to its parent
