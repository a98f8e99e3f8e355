"""Progress updates one display in a notebook, and shows nothing anywhere else."""

from typing import Any

import pytest
from support.presentation_examples import make_progress

from versori_magics.notebook.display import progress
from versori_magics.notebook.display.progress import ProgressDisplay
from versori_magics.presentation.wording import progress_line


class RecordingHandle:
    """A display handle that records what it shows."""

    def __init__(self) -> None:
        self.displayed: list[str] = []
        self.updated: list[str] = []

    def display(self, result: Any) -> None:
        self.displayed.append(repr(result))

    def update(self, result: Any) -> None:
        self.updated.append(repr(result))


class ShellWithKernel:
    kernel = object()


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> RecordingHandle:
    """Pretend to be in a notebook, and record what is displayed."""
    recording = RecordingHandle()
    monkeypatch.setattr(progress, "get_ipython", ShellWithKernel)
    monkeypatch.setattr(progress, "DisplayHandle", lambda: recording)
    return recording


def test_the_first_progress_is_displayed_and_later_ones_update_it(handle: RecordingHandle) -> None:
    show = ProgressDisplay()
    states = [make_progress(n, 5, seconds=n * 0.2) for n in range(3)]
    for state in states:
        show(state)
    assert handle.displayed == [progress_line(states[0])]
    assert handle.updated == [progress_line(state) for state in states[1:]]


def test_there_are_at_most_ten_updates_a_second(handle: RecordingHandle) -> None:
    show = ProgressDisplay()
    for n in range(100):
        show(make_progress(n, 1000, seconds=n / 100))
    assert len(handle.displayed) == 1
    assert 8 <= len(handle.updated) <= 9


@pytest.mark.parametrize(
    "final", [make_progress(5, 5, seconds=0.01), make_progress(3, 5, seconds=0.01, is_stopping=True)]
)
def test_the_final_state_is_shown_at_once_and_only_once(handle: RecordingHandle, final: Any) -> None:
    show = ProgressDisplay()
    show(make_progress(0, 5, seconds=0.0))
    for _ in range(3):
        show(final)
    assert handle.updated == [progress_line(final)]


def test_a_stopping_run_with_requests_in_flight_is_not_final(handle: RecordingHandle) -> None:
    show = ProgressDisplay()
    show(make_progress(3, 5, seconds=0.0, is_stopping=True, in_flight=2))
    show(make_progress(5, 5, seconds=0.01))
    assert len(handle.updated) == 1


def test_a_run_without_rows_shows_nothing(handle: RecordingHandle) -> None:
    ProgressDisplay()(make_progress(0, 0))
    assert handle.displayed == []


def test_a_terminal_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "get_ipython", lambda: None)
    monkeypatch.setattr(progress, "DisplayHandle", pytest.fail)
    ProgressDisplay()(make_progress(1, 5))
