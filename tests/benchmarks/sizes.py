"""Sizes: time and memory of a list with usage and of a run, as the organisation grows; each in its own process."""

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
from timing import Row, peak_memory, run_in_process


def _list(connections: int) -> dict[str, float]:
    import pandas as pd

    from versori_magics.api.client import Client
    from versori_magics.inventory.usage_reader import read_usage
    from versori_magics.notebook.display.dataframes import connections_frame

    assert pd.DataFrame({"text": ["imported"]})["text"].notna().all()
    with serving(latency=0, connections=connections, projects=50) as url, Client(url, ORGANISATION, TOKEN) as client:
        client.connections()  # the server builds its pages
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
        "peak": peak_memory() / 1e6,
        "html": html,
    }


def _run(rows: int) -> dict[str, float]:
    with serving(latency=0.02) as url, tempfile.TemporaryDirectory() as folder:
        deletions = Deletions(url, rows, 16, Path(folder))
        began = time.perf_counter()
        html = deletions.ours()
        seconds = time.perf_counter() - began
        journal = sum(path.stat().st_size for path in Path(folder).glob("*.jsonl"))
    return {"run": seconds, "peak": peak_memory() / 1e6, "html": html, "journal": journal}


def _medians(name: str, size: int, repeats: int) -> dict[str, float]:
    samples = [run_in_process("sizes.py", name, size) for _ in range(max(1, repeats))]
    return {figure: statistics.median(sample[figure] for sample in samples) for figure in samples[0]}


def measure(
    lists: tuple[int, ...] = (1_000, 10_000, 100_000), runs: tuple[int, ...] = (1_000, 10_000), repeats: int = 3
) -> list[Row]:
    """Measure sizes.

    Parameters
    ----------
    lists, runs : tuple of int
        Connections to list, and rows to delete.
    repeats : int
        Processes for each size; the table has the median of each figure.
    """
    rows = []
    for connections in lists:
        median = _medians("list", connections, repeats)
        rows.append(
            Row(
                f"{connections:,} connections, with 50 projects, no latency",
                "list · usage · frame",
                f"{median['list'] * 1000:,.0f} · {median['usage'] * 1000:,.0f} · {median['frame'] * 1000:,.0f} ms; "
                f"process at most {median['peak']:.0f} MB; shown as {median['html'] / 1000:.0f} kB of HTML",
            )
        )
    for count in runs:
        median = _medians("run", count, repeats)
        rows.append(
            Row(
                f"a run of {count:,} rows at 20 ms, 16 workers",
                "plan, journal, report",
                f"{median['run']:.1f} s; process at most {median['peak']:.0f} MB; "
                f"report {median['html'] / 1000:.0f} kB of HTML, journal {median['journal'] / 1000:,.0f} kB",
            )
        )
    return rows


if __name__ == "__main__":
    print(json.dumps({"list": _list, "run": _run}[sys.argv[1]](int(sys.argv[2]))))  # noqa: T201 - for the parent process
