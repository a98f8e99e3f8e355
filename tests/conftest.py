"""What holds for every test: no setting of the person who runs them, and no journal in their home folder."""

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

# At import, not in a fixture: the notebooks' kernels are started outside of any test's fixtures.
for _name in [name for name in os.environ if name.startswith("VERSORI_")]:
    del os.environ[_name]
# A shell that starts the tests in the background has them ignore the stop button, and all that they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
(_FOLDER / "config.yaml").write_text("", encoding="utf-8")
os.environ["VERSORI_CONFIG"] = str(_FOLDER / "config.yaml")
os.environ["VERSORI_JOURNAL"] = str(_FOLDER / "runs")
os.environ["IPYTHONDIR"] = str(_FOLDER / "ipython")


# A shared machine is slow at times: no test asserts how long an example takes.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    # Here and not in tests/faults: pytest reads options from the conftest files of the folders it is given only.
    parser.addoption(
        "--faults-budget",
        type=int,
        metavar="N",
        help="run N generated scripts of faults, other ones each time (default: the same 2,000 each time)",
    )
