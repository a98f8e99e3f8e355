"""Compares contenders side by side: they take turns, and medians are compared, because the machine is shared."""

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
    """One measurement: seconds on the clock, and seconds of this process's CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    subject, baseline : str
        What is measured, and what it is compared with in the same run.
    measured : str
        The ratio or the figures.
    goal : str
        What it must reach.
    """

    subject: str
    baseline: str
    measured: str
    goal: str = ""


def sample(work: Callable[[], object]) -> Sample:
    """Call `work` once and measure it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu)


def take_turns(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Sample]:
    """Let contenders take turns and return the medians of each; the first turn is a warm-up and does not count.

    Parameters
    ----------
    contenders : mapping of str to callable
        Name -> work.
    repeats : int
        Turns that count; 0 counts the first turn, for a quick check that everything works.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, work in contenders.items():
            measurement = sample(work)
            if turn or not repeats:
                samples[name].append(measurement)
    return {
        name: Sample(statistics.median(s.wall for s in measured), statistics.median(s.cpu for s in measured))
        for name, measured in samples.items()
    }


def run_in_process(script: str, *arguments: object) -> Any:
    """Run a script of this folder in a Python of its own, and return the JSON that it prints last."""
    command = [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)]
    # Like an installed package: compiled once, not at each start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory() -> int:
    """Return the largest memory of this process so far, in bytes."""
    # Not getrusage: its figure starts with that of the parent process.
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(match[1]) * 1024 if match else 0


def table(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| what | compared with, in the same run | measured | goal |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {row.subject} | {row.baseline} | {row.measured} | {row.goal} |" for row in rows)])
