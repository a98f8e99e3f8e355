"""Starting: %load_ext against an empty extension, and the first list against importing pandas and httpx alone."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from server import ORGANISATION, serving
from timing import Row, in_a_process

HEAVY = ("pandas", "httpx", "ipywidgets")
EMPTY = "def load_ipython_extension(shell):\n    pass\n"


def _seconds(what: str, url: str = "") -> dict[str, object]:
    """Do one thing in a shell that has done nothing before, and return how long it took and what it imported."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    told = {"SERVER": url, "ORGANISATION": ORGANISATION, "TOKEN": "a-token-for-benchmarks"}
    os.environ.update({f"VERSORI_{name}": value for name, value in told.items()})
    if what == "empty":
        Path("empty_extension.py").write_text(EMPTY)
        sys.path.insert(0, "")
    if what == "connections":
        shell.run_line_magic("load_ext", "versori_magics")
    began = time.perf_counter()
    match what:
        case "empty":
            shell.run_line_magic("load_ext", "empty_extension")
        case "versori_magics":
            shell.run_line_magic("load_ext", "versori_magics")
        case "imports":
            import httpx
            import pandas as pd

            assert httpx.Client
            assert pd.DataFrame
        case "connections":
            assert len(shell.run_line_magic("versori_connections", ".")) == 100
    return {"seconds": time.perf_counter() - began, "heavy": [name for name in HEAVY if name in sys.modules]}


def measure(repeats: int = 9) -> list[Row]:
    """Measure the start, each time in a new process.

    Parameters
    ----------
    repeats : int
        Processes of each kind that count; they take turns.
    """
    found: dict[str, list[float]] = {"empty": [], "versori_magics": [], "imports": [], "connections": []}
    heavy: set[str] = set()
    with serving(latency=0, connections=100) as url, TemporaryDirectory() as folder:
        for turn in range(repeats + 1):
            for what, seconds in found.items():
                one = in_a_process("starting.py", what, url, folder)
                if turn or not repeats:  # the first turn compiles
                    seconds.append(one["seconds"])
                heavy.update(one["heavy"] if what == "versori_magics" else ())
    middle = {what: statistics.median(seconds) for what, seconds in found.items()}
    more = middle["versori_magics"] - middle["empty"]
    imported = ", ".join(sorted(heavy)) or "neither pandas, httpx nor ipywidgets imported"
    return [
        Row("`%load_ext versori_magics`", "an empty extension", f"{more:.3f} s more; {imported}", "0.05 s"),
        Row(
            f"first `%versori_connections` after it: {middle['connections']:.2f} s",
            f"importing pandas and httpx alone: {middle['imports']:.2f} s",
            f"{middle['connections'] / middle['imports']:.2f}",
            "1.25",
        ),
    ]


if __name__ == "__main__":
    os.chdir(sys.argv[3])
    print(json.dumps(_seconds(sys.argv[1], sys.argv[2])))  # noqa: T201 - to the process that started this one
