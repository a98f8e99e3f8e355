"""Starting: %load_ext compared with an empty extension, the first list with importing pandas and httpx alone."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from server import ORGANISATION, serving
from timing import Row, run_in_process

HEAVY = ("pandas", "httpx", "ipywidgets")
EMPTY = "def load_ipython_extension(shell):\n    pass\n"


def _measure(task: str, url: str = "") -> dict[str, object]:
    """Do one task in a fresh shell; return how long it took and which heavy modules it imported."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    variables = {"SERVER": url, "ORGANISATION": ORGANISATION, "TOKEN": "a-token-for-benchmarks"}
    os.environ.update({f"VERSORI_{name}": value for name, value in variables.items()})
    if task == "empty":
        Path("empty_extension.py").write_text(EMPTY)
        sys.path.insert(0, "")
    if task == "connections":
        shell.run_line_magic("load_ext", "versori_magics")
    began = time.perf_counter()
    match task:
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
        Processes of each task that count; they take turns.
    """
    samples: dict[str, list[float]] = {"empty": [], "versori_magics": [], "imports": [], "connections": []}
    heavy: set[str] = set()
    with serving(latency=0, connections=100) as url, TemporaryDirectory() as folder:
        for turn in range(repeats + 1):
            for task, seconds in samples.items():
                sample = run_in_process("starting.py", task, url, folder)
                if turn or not repeats:  # the first turn compiles
                    seconds.append(sample["seconds"])
                heavy.update(sample["heavy"] if task == "versori_magics" else ())
    median = {task: statistics.median(seconds) for task, seconds in samples.items()}
    more = median["versori_magics"] - median["empty"]
    imported = ", ".join(sorted(heavy)) or "neither pandas, httpx nor ipywidgets imported"
    return [
        Row("`%load_ext versori_magics`", "an empty extension", f"{more:.3f} s more; {imported}", "0.05 s"),
        Row(
            f"first `%versori_connections` after it: {median['connections']:.2f} s",
            f"importing pandas and httpx alone: {median['imports']:.2f} s",
            f"{median['connections'] / median['imports']:.2f}",
            "1.25",
        ),
    ]


if __name__ == "__main__":
    os.chdir(sys.argv[3])
    print(json.dumps(_measure(sys.argv[1], sys.argv[2])))  # noqa: T201 - for the parent process
