"""Live progress of a run: one display that is updated, and whose last state is what a saved notebook keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle

from versori_magics.notebook import render
from versori_magics.notebook.shown import bundle

if TYPE_CHECKING:
    from versori_magics.deletion.engine import Progress

BETWEEN = 0.1  # seconds between two updates at least: browsers lose messages above their rate


class _Shown:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return bundle(lambda: render.progress_text(self.progress), lambda: render.progress_html(self.progress))


class ProgressDisplay:
    """Shows progress where a display can be updated (a notebook); a terminal only gets the report."""

    def __init__(self) -> None:
        self._handle = DisplayHandle() if hasattr(get_ipython(), "kernel") else None  # type: ignore[no-untyped-call]  # IPython's
        self._begun = False
        self._final = False
        self._shown_at = float("-inf")

    def __call__(self, progress: Progress) -> None:
        """Show `progress`, if the last one is long enough ago or it is the final one."""
        if self._handle is None or not progress.planned:
            return
        final = progress.done == progress.planned or (progress.stopping and not progress.in_flight)
        if self._final or (not final and progress.seconds - self._shown_at < BETWEEN):
            return
        self._final = final
        self._shown_at = progress.seconds
        if self._begun:
            self._handle.update(_Shown(progress))  # type: ignore[no-untyped-call]  # IPython's
        else:
            self._begun = True
            self._handle.display(_Shown(progress))  # type: ignore[no-untyped-call]  # IPython's
