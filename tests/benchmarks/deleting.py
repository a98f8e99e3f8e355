"""Deleting: a whole run, against curl, against bare httpx on threads, against the loop people write, and the limit."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from server import ORGANISATION, serving, ulid
from timing import Row, side_by_side

from versori_magics.deletion.run import Options, Platform, execute
from versori_magics.notebook.render import progress_html
from versori_magics.notebook.shown import DeletionPlan, DeletionReport
from versori_magics.platform.client import Client
from versori_magics.platform.models import Connection
from versori_magics.platform.survey import Seen
from versori_magics.platform.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "a-token-for-benchmarks"


class Deletions:
    """The same deletions, done in several ways.

    Parameters
    ----------
    url : str
        The platform's.
    rows, workers : int
        How many, and how many side by side.
    folder : Path
        For the journals, on a disk.
    """

    def __init__(self, url: str, rows: int, workers: int, folder: Path) -> None:
        self.url = url
        self.workers = workers
        self.folder = folder
        self.ids = [ulid("C", number) for number in range(rows)]
        self.paths = [f"/o/{ORGANISATION}/connections/{key}" for key in self.ids]

    def ours(self) -> int:
        """Plan, carry out with a journal, show progress, report; return how many characters of HTML that is."""
        usage = Usage()
        seen = {key: Seen(Connection(key, f"Connection {key}"), "Shopify", usage.of(key)) for key in self.ids}
        with Client(self.url, ORGANISATION, TOKEN) as client:
            plan = DeletionPlan.make(client.server, client.organisation, self.ids, seen)
            report = execute(
                plan,
                Platform(client.delete, client.exists, lambda _: {}),
                DeletionReport,
                Options(workers=self.workers, watch=progress_html),
                stale=False,
                folder=self.folder,
            )
        assert report.counts["deleted"] == len(self.ids)
        return len(report._repr_mimebundle_()["text/html"])

    def bare(self) -> None:
        """One httpx.Client on threads, which keeps no record and looks at nothing but the status."""
        limits = httpx.Limits(max_connections=self.workers, max_keepalive_connections=self.workers)
        left, lock = iter(self.paths), threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    path = next(left, None)
                if path is None:
                    return
                assert client.delete(path).status_code == httpx.codes.NO_CONTENT

        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=self.url, headers=headers, limits=limits, trust_env=False) as client:
            threads = [threading.Thread(target=work) for _ in range(self.workers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def curl(self) -> None:
        """Let curl do it, with all of its connections side by side."""
        config = self.folder / "curl.txt"
        if not config.exists():
            head = f'request = "DELETE"\nheader = "Authorization: Bearer {TOKEN}"\nfail\nsilent\n'
            config.write_text(head + "".join(f'url = "{self.url}{path}"\n' for path in self.paths))
        command = ["curl", "--parallel", "--parallel-max", str(self.workers), "--config", str(config)]
        subprocess.run(command, check=True, capture_output=True)

    def loop(self) -> None:
        """The loop that people write."""
        for path in self.paths:
            assert httpx.delete(self.url + path, headers={"Authorization": f"Bearer {TOKEN}"}).is_success


def _deletions(latency: float, rows: int, workers: int, repeats: int, ways: str) -> dict[str, list[float]]:
    """Return way -> [seconds on the clock, seconds of CPU], each for one row."""
    with serving(latency=latency) as url, tempfile.TemporaryDirectory() as folder:
        made = Deletions(url, rows, workers, Path(folder))
        contenders: dict[str, Callable[[], object]] = {way: getattr(made, way) for way in ways.split()}
        found = side_by_side(contenders, repeats)
    return {name: [one.wall / rows, one.cpu / rows] for name, one in found.items()}


def measure(rows: int = 2000, repeats: int = 5) -> list[Row]:
    """Measure deletions.

    Parameters
    ----------
    rows : int
        How many connections a run deletes.
    repeats : int
        Turns; see `timing.side_by_side`.
    """
    limit = 0.02 / 16  # seconds a row
    close = _deletions(0.02, rows, 16, repeats, "ours curl bare")
    ours, curl, bare = close["ours"], close["curl"], close["bare"]
    far = _deletions(0.1, rows, 16, min(repeats, 3), "ours")["ours"]
    wide = _deletions(0.02, rows, 32, repeats, "ours bare")
    loop = _deletions(0.02, max(1, rows // 20), 16, min(repeats, 1), "loop")["loop"]
    at = f"delete {rows:,} ids, journal and report on"
    return [
        Row(f"{at}, 16 workers, 20 ms", "`curl --parallel --parallel-max 16`", f"{ours[0] / curl[0]:.2f}", "1.05"),
        Row("the same", "the limit, rows x latency / workers", f"{ours[0] / limit:.2f}", "1.12"),
        Row("curl, for comparison", "the limit", f"{curl[0] / limit:.2f}"),
        Row("the same at 100 ms", "the limit", f"{far[0] / (0.1 / 16):.2f}", "1.04"),
        Row("the same at 20 ms, 32 workers", "the limit", f"{wide['ours'][0] / (0.02 / 32):.2f}", "1.35"),
        Row("one httpx.Client on 32 threads, for comparison", "the limit", f"{wide['bare'][0] / (0.02 / 32):.2f}"),
        Row(
            "the same at 20 ms, 16 workers",
            f"the loop people write, `httpx.delete(...)` a row: {loop[0] * 1000:.0f} ms each",
            f"{loop[0] / ours[0]:.0f} times faster",
            "30 times",
        ),
        Row(
            f"CPU a deletion: {ours[1] * 1000:.2f} ms",
            f"bare httpx.Client on 16 threads: {bare[1] * 1000:.2f} ms",
            f"{ours[1] / bare[1]:.2f}",
            "1.1",
        ),
    ]
