"""The pane for a run: live progress, Cancel, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from versori_magics.deletion.interrupts import StopButton
from versori_magics.notebook import render
from versori_magics.notebook.form import parts
from versori_magics.text import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from versori_magics.deletion.engine import Progress
    from versori_magics.notebook.shown import DeletionReport

NOTE = "Cancel stops this run; the kernel's stop button does not, and closing the tab does not."


class RunPane:
    """Shows how a run goes and what became of it.

    Parameters
    ----------
    retry : callable
        () -> None: goes on with what did not go.
    """

    def __init__(self, retry: Callable[[], None]) -> None:
        self.button = StopButton()
        self._bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="24em"))
        self._bar.add_class("vs-bar")
        self._line = parts.line("progress")
        self._cancel = parts.button("Cancel", "cancel", self._cancelled, enabled=False)
        self._retry = parts.button("Go on with what did not go", "retry", retry, enabled=False)
        self._report = parts.line("report")
        self._live = widgets.VBox([widgets.HBox([self._bar, self._cancel]), self._line, parts.line("note", NOTE)])
        self.box = widgets.VBox([self._live, self._report, widgets.HBox([self._retry])])
        self.box.layout.display = "none"

    def begin(self) -> StopButton:
        """Make ready for a run, Cancel first of all, and return the button that ends it."""
        self.button = StopButton()
        self._cancel.disabled = False
        self._retry.disabled = True
        self._retry.layout.display = "none"
        self._report.value = ""
        self._bar.value, self._line.value = 0, "Looking at the plan again …"
        self._live.layout.display = self.box.layout.display = ""
        return self.button

    def hide(self) -> None:
        """Show nothing: a plan is looked at."""
        self.box.layout.display = "none"

    def show(self) -> None:
        """Show again what became of the last run."""
        self.box.layout.display = ""

    def watch(self, progress: Progress) -> None:
        """Show progress; called about ten times a second, and once at the end."""
        self._bar.max, self._bar.value = max(1, progress.planned), progress.done
        self._line.value = render.progress_text(progress)

    def end(self, report: DeletionReport | None) -> None:
        """Show what became of it; None where it did not begin."""
        self._cancel.disabled = True
        self._live.layout.display = "none"
        if report is None:
            self.box.layout.display = "none"
            return
        self._report.value = (
            f"Done: {render.counts(report.counts)}. The table says why in each row, and form.report has it all."
        )
        self._retry.disabled = not report.unfinished
        self._retry.layout.display = "" if report.unfinished else "none"

    def _cancelled(self) -> None:
        self.button.stop.set()
        self._cancel.disabled = True
        left = max(0, int(self._bar.max) - int(self._bar.value))
        self._line.value = (
            f"Cancelled: nothing more is sent, what is in flight ends ({number_of(left, 'row')} not done)."
        )
