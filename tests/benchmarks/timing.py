"""Measuring side by side: contenders take turns, and medians are compared, because the machine is shared."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Sample:
    """What one go took: seconds on the clock, and seconds of this process's CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    what, against : str
        Ours, and what it is measured against in the same run.
    found : str
        The ratio or the figures.
    wanted : str
        What it must reach.
    """

    what: str
    against: str
    found: str
    wanted: str = ""


def sample(work: Callable[[], object]) -> Sample:
    """Do `work` once, and return what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu)


def side_by_side(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Sample]:
    """Let contenders take turns, and return the medians of each; the first turn warms up and does not count.

    Parameters
    ----------
    contenders : mapping of str to callable
        Name -> what it does.
    repeats : int
        Turns that count; 0 lets the first one count, to see that all of it works.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, work in contenders.items():
            one = sample(work)
            if turn or not repeats:
                samples[name].append(one)
    return {
        name: Sample(statistics.median(one.wall for one in found), statistics.median(one.cpu for one in found))
        for name, found in samples.items()
    }


def in_a_process(script: str, *arguments: object) -> Any:
    """Run a script of this folder in a Python of its own, and return the JSON that it prints last."""
    command = [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)]
    # As an installed package has it: compiled once, not at each start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def peak() -> int:
    """Return the largest memory of this process so far, in bytes."""
    # Not getrusage: its figure begins with that of the process that started this one.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found[1]) * 1024 if found else 0


def table(rows: list[Row]) -> str:
    """Return rows as a table in Markdown."""
    lines = ["| what | against, in the same run | measured | must reach |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {row.what} | {row.against} | {row.found} | {row.wanted} |" for row in rows)])
