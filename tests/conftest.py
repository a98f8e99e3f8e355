"""Settings for every test: none of the person who runs them, and no journal in their home folder."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

_FOLDER = Path(tempfile.mkdtemp(prefix="versori-tests-"))

# At import and not in a fixture, because the kernels of the notebooks are started outside any test's fixtures.
for _name in [name for name in os.environ if name.startswith("VERSORI_")]:
    del os.environ[_name]
# If a shell starts the tests in the background, they and the kernels that they start ignore the stop button.
signal.signal(signal.SIGINT, signal.default_int_handler)
(_FOLDER / "config.yaml").write_text("", encoding="utf-8")
os.environ["VERSORI_CONFIG"] = str(_FOLDER / "config.yaml")
os.environ["VERSORI_JOURNAL"] = str(_FOLDER / "runs")
os.environ["IPYTHONDIR"] = str(_FOLDER / "ipython")

# A shared machine is slow at times, and no test asserts how long an example takes.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    # Here and not in tests/faults, so that the option also exists if another folder is given to pytest.
    parser.addoption(
        "--faults-budget",
        type=int,
        metavar="N",
        help="run N generated scripts of faults, different ones each time (default: the same 2,000 each time)",
    )
    parser.addoption(
        "--model-budget",
        type=int,
        metavar="N",
        help="run N generated histories of the model, different ones each time (default: the same 2,000 each time)",
    )
