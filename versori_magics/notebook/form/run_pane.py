"""The pane for a run: live progress, Cancel, and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from versori_magics.cleanup.stop_button import StopButton
from versori_magics.notebook.form import widgets
from versori_magics.presentation.wording import progress_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from versori_magics.cleanup.executor import RunProgress
    from versori_magics.cleanup.report import Report

CANCELLED = "Cancelled: nothing more is sent; requests in flight finish."
NOTE = "Cancel stops this run. The kernel's stop button and closing the tab do not."
REASONS = "The report is below; it is also the form's .report."


class RunPane:
    """Shows the progress of a run and its result.

    Parameters
    ----------
    retry : callable
        () -> None. Retries the unfinished rows.
    """

    def __init__(self, retry: Callable[[], None]) -> None:
        self.stop_button = StopButton()
        self._is_cancelled = False
        self._bar = ipywidgets.IntProgress(min=0, max=1, layout=ipywidgets.Layout(width="24em"))
        self._bar.add_class("vs-bar")
        self._progress = widgets.text_line("progress")
        self._cancel_button = widgets.button("Cancel", "cancel", self._on_cancel, enabled=False)
        self._retry_button = widgets.button("Retry unfinished rows", "retry", retry, enabled=False)
        self._result = widgets.text_line("report")
        self._live = ipywidgets.VBox(
            [ipywidgets.HBox([self._bar, self._cancel_button]), self._progress, widgets.text_line("note", NOTE)]
        )
        self.box = ipywidgets.VBox([self._live, self._result, ipywidgets.HBox([self._retry_button])])
        self.box.layout.display = "none"

    def begin(self) -> StopButton:
        """Prepare for a run (Cancel works first) and return its stop button."""
        self.stop_button = StopButton()
        self._is_cancelled = False
        self._cancel_button.disabled = False
        self._retry_button.disabled = True
        self._retry_button.layout.display = "none"
        self._result.value = ""
        self._bar.value, self._progress.value = 0, "Checking the rows again …"
        self._live.layout.display = self.box.layout.display = ""
        return self.stop_button

    def hide(self) -> None:
        """Hide the pane while a plan is reviewed."""
        self.box.layout.display = "none"

    def show(self) -> None:
        """Show the result of the last run again."""
        self.box.layout.display = ""

    def update(self, progress: RunProgress) -> None:
        """Show progress; called about ten times a second, and once at the end."""
        self._bar.max, self._bar.value = max(1, progress.planned), progress.done
        self._progress.value = progress_line(progress)

    def end(self, report: Report | None) -> None:
        """Show the result; None if the run did not begin."""
        self._cancel_button.disabled = True
        self._live.layout.display = "none"
        if report is None:
            self.box.layout.display = "none"
            return
        self._result.value = f"{self._result_sentence(report)} {REASONS}"
        self._retry_button.disabled = not report.unfinished
        self._retry_button.layout.display = "" if report.unfinished else "none"

    def _result_sentence(self, report: Report) -> str:
        if not report.stopped:
            return f"Finished: {report.summary}."
        if self._is_cancelled:
            return f"Cancelled: {report.summary}."
        return f"The run ended early: {report.stopped}. {report.summary}."

    def _on_cancel(self) -> None:
        self._is_cancelled = True
        self.stop_button.stop.set()
        self._cancel_button.disabled = True
        self._progress.value = CANCELLED
