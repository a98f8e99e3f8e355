import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from versori_magics import interrupts
from versori_magics.interrupts import deferred_interrupts

# A press while a module is imported that does not survive it: numpy and pandas are then broken for the whole kernel.
PRESS_DURING_IMPORT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1] and self in sys.meta_path:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Press())
import versori_magics
from versori_magics.notebook import magics
command = lambda: eval(sys.argv[2])
try:
    command()
    print("no press")
except KeyboardInterrupt:
    print("pressed")
command()
import pandas
print(len(pandas.DataFrame({"id": [1, 2]})))
"""


@pytest.fixture(autouse=True)
def handler() -> Iterator[object]:
    before = signal.getsignal(signal.SIGINT)
    yield before
    signal.signal(signal.SIGINT, before)


def test_press_is_held_back_until_the_block_ends(handler: object) -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117 - the press comes inside, the interrupt at its end
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            steps.append("after the press")
    assert steps == ["after the press"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_block_without_a_press_changes_nothing(handler: object) -> None:
    with pytest.raises(ValueError, match="own"), deferred_interrupts():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is handler


def test_press_goes_to_the_handler_that_was_there_before() -> None:
    presses: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: presses.append(number))
    with deferred_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        assert presses == []
    assert presses == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_interrupts():
        signal.raise_signal(signal.SIGINT)


def test_nothing_is_held_back_in_another_thread_or_for_a_handler_that_cannot_be_restored(
    monkeypatch: pytest.MonkeyPatch, handler: object
) -> None:
    handlers: list[object] = []

    def work() -> None:
        with deferred_interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    monkeypatch.setattr(interrupts.signal, "getsignal", lambda _: None)
    with deferred_interrupts():
        monkeypatch.undo()
        handlers.append(signal.getsignal(signal.SIGINT))
    assert handlers == [handler, handler]


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("numpy.exceptions", "versori_magics.connections"),
        ("pandas._libs.tslibs.timestamps", "versori_magics.form"),
        ("numpy.exceptions", "magics._runs()"),
    ],
)
def test_press_during_the_first_import_of_pandas_leaves_a_pandas_that_works(
    module: str, command: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRESS_DURING_IMPORT, module, command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "VERSORI_JOURNAL": str(tmp_path)},
    )
    assert done.stdout.split("\n")[:2] == ["pressed", "2"], done.stderr
