"""Each benchmark runs and measures something; its speed is not asserted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SMALL = {
    "deleting": "deleting.measure(rows=40, repeats=0)",
    "listing": "listing.measure(connections=300, more=400, projects=3, repeats=0)",
    "starting": "starting.measure(repeats=0)",
    "sizes": "sizes.measure(lists=(100,), runs=(20,), repeats=1)",
}


@pytest.mark.parametrize("name", SMALL)
def test_each_benchmark_runs_and_has_a_figure_in_every_row(name: str) -> None:
    if name == "deleting" and not shutil.which("curl") and "CI" not in os.environ:
        pytest.skip("curl is not installed")
    script = f"import {name}, timing; print(timing.table({SMALL[name]}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    head, line, *rows = done.stdout.splitlines()
    assert head.count("|") == line.count("|")
    assert rows
    for row in rows:
        assert row.count("|") == head.count("|")
        assert re.search(r"\d", row.split("|")[3]), row


def test_every_benchmark_has_a_smoke_run() -> None:
    measuring = {path.stem for path in FOLDER.glob("*.py") if "\ndef measure(" in path.read_text(encoding="utf-8")}
    assert measuring == set(SMALL)
