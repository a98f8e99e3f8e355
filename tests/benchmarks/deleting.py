"""Deleting: a whole run, compared with curl, bare httpx on threads, the loop people write, and the limit."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from server import ORGANISATION, serving, ulid
from timing import Row, take_turns

from versori_magics.api.client import Client
from versori_magics.api.models import Connection
from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.platform import Platform
from versori_magics.cleanup.run import RunOptions
from versori_magics.cleanup.workflow import Workflow
from versori_magics.inventory.snapshot import ConnectionSnapshot, Snapshots
from versori_magics.inventory.usage import OrganisationUsage
from versori_magics.notebook.display.results import DeletionReport
from versori_magics.presentation.html import progress_html

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOKEN = "a-token-for-benchmarks"


def _snapshots(ids: Sequence[str], *, no_projects: bool) -> Snapshots:
    usage = OrganisationUsage()
    assert not no_projects
    return Snapshots(
        {key: ConnectionSnapshot(Connection(key, f"Connection {key}"), "Shopify", usage.of(key)) for key in ids}
    )


class Deletions:
    """The same deletions, done in several ways.

    Parameters
    ----------
    url : str
        The platform's URL.
    rows, workers : int
        How many rows, and how many requests side by side.
    folder : Path
        Folder for the journals, on a disk.
    """

    def __init__(self, url: str, rows: int, workers: int, folder: Path) -> None:
        self.url = url
        self.workers = workers
        self.folder = folder
        self.ids = [ulid("C", number) for number in range(rows)]
        self.paths = [f"/o/{ORGANISATION}/connections/{key}" for key in self.ids]

    def ours(self) -> int:
        """Plan, execute with a journal, show progress, report; return the number of characters of HTML."""
        with Client(self.url, ORGANISATION, TOKEN) as client:
            platform = Platform(client.server, client.organisation, client.delete, client.exists, _snapshots, list)
            workflow = Workflow(platform, self.folder)
            plan = workflow.prepare(self.ids)
            options = RunOptions(workers=self.workers, on_progress=progress_html)
            report = workflow.execute(plan, consent_in_advance(plan), options, is_fresh=True)
        assert report.counts["deleted"] == len(self.ids)
        return len(DeletionReport.of(report).to_html())

    def bare(self) -> None:
        """One httpx.Client on threads, which keeps no record and checks only the status."""
        limits = httpx.Limits(max_connections=self.workers, max_keepalive_connections=self.workers)
        paths, lock = iter(self.paths), threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    path = next(paths, None)
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
        """curl, with all of its connections side by side."""
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


def _deletions(latency: float, rows: int, workers: int, repeats: int, names: str) -> dict[str, list[float]]:
    """Return contender -> [seconds on the clock, seconds of CPU] for one row."""
    with serving(latency=latency) as url, tempfile.TemporaryDirectory() as folder:
        deletions = Deletions(url, rows, workers, Path(folder))
        contenders: dict[str, Callable[[], object]] = {name: getattr(deletions, name) for name in names.split()}
        samples = take_turns(contenders, repeats)
    return {name: [sample.wall / rows, sample.cpu / rows] for name, sample in samples.items()}


def measure(rows: int = 2000, repeats: int = 5) -> list[Row]:
    """Measure deletions.

    Parameters
    ----------
    rows : int
        How many connections a run deletes.
    repeats : int
        Turns; see `timing.take_turns`.
    """
    limit = 0.02 / 16  # seconds for one row
    near = _deletions(0.02, rows, 16, repeats, "ours curl bare")
    ours, curl, bare = near["ours"], near["curl"], near["bare"]
    far = _deletions(0.1, rows, 16, min(repeats, 3), "ours")["ours"]
    wide = _deletions(0.02, rows, 32, repeats, "ours bare")
    loop = _deletions(0.02, max(1, rows // 20), 16, min(repeats, 1), "loop")["loop"]
    subject = f"delete {rows:,} ids, with journal and report"
    return [
        Row(f"{subject}, 16 workers, 20 ms", "`curl --parallel --parallel-max 16`", f"{ours[0] / curl[0]:.2f}", "1.05"),
        Row("the same", "the limit, rows x latency / workers", f"{ours[0] / limit:.2f}", "1.12"),
        Row("curl, for comparison", "the limit", f"{curl[0] / limit:.2f}"),
        Row("the same at 100 ms", "the limit", f"{far[0] / (0.1 / 16):.2f}", "1.04"),
        Row("the same at 20 ms, 32 workers", "the limit", f"{wide['ours'][0] / (0.02 / 32):.2f}", "1.35"),
        Row("one httpx.Client on 32 threads, for comparison", "the limit", f"{wide['bare'][0] / (0.02 / 32):.2f}"),
        Row(
            "the same at 20 ms, 16 workers",
            f"the loop people write, one `httpx.delete(...)` for each row: {loop[0] * 1000:.0f} ms",
            f"{loop[0] / ours[0]:.0f} times faster",
            "30 times",
        ),
        Row(
            f"CPU for one deletion: {ours[1] * 1000:.2f} ms",
            f"bare httpx.Client on 16 threads: {bare[1] * 1000:.2f} ms",
            f"{ours[1] / bare[1]:.2f}",
            "1.1",
        ),
    ]
