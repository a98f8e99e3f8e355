"""Shows the progress of a run in one display that is updated; a saved notebook keeps its last state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle

from versori_magics.notebook.display.results import Displayed
from versori_magics.presentation.html import progress_html
from versori_magics.presentation.wording import progress_line

if TYPE_CHECKING:
    from versori_magics.cleanup.executor import RunProgress

MIN_INTERVAL = 0.1  # seconds between two updates; a browser loses messages that come faster


class _DisplayedProgress(Displayed):
    def __init__(self, progress: RunProgress) -> None:
        self.progress = progress

    def to_text(self) -> str:
        return progress_line(self.progress)

    def to_html(self) -> str:
        return progress_html(self.progress)


class ProgressDisplay:
    """Shows progress in a notebook. A terminal cannot update a display, so it only shows the report."""

    def __init__(self) -> None:
        self._handle = DisplayHandle() if hasattr(get_ipython(), "kernel") else None  # type: ignore[no-untyped-call]  # IPython's
        self._is_displayed = False
        self._is_final = False
        self._updated_at = float("-inf")

    def __call__(self, progress: RunProgress) -> None:
        """Show `progress` if it is the final one, or if enough time has passed since the last update."""
        if self._handle is None or not progress.planned or self._is_final:
            return
        is_final = progress.done == progress.planned or (progress.is_stopping and not progress.in_flight)
        if not is_final and progress.seconds - self._updated_at < MIN_INTERVAL:
            return
        self._is_final = is_final
        self._updated_at = progress.seconds
        show = self._handle.update if self._is_displayed else self._handle.display
        self._is_displayed = True
        show(_DisplayedProgress(progress))  # type: ignore[no-untyped-call]  # IPython's
