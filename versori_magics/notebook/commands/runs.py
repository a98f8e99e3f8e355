"""runs: the runs recorded on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from versori_magics.catch import catch
from versori_magics.cleanup.journal import is_under_way, list_journals, read_journal
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import Report
from versori_magics.errors import JournalError
from versori_magics.notebook.display.dataframes import runs_frame
from versori_magics.notebook.magic_hints import magic_hints
from versori_magics.settings import journal_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

RunState = Literal["finished", "stopped", "interrupted", "running", "damaged", "unreadable"]


@magic_hints()
def runs() -> pd.DataFrame:
    """List the runs, the newest first.

    Returns
    -------
    DataFrame
        One row for each run: its state (finished, stopped, interrupted, running, damaged, unreadable), the number of
        planned rows, the number of rows with each outcome, and what is wrong with its journal, if anything is.
    """
    return runs_frame([_read_run(path) for path in list_journals(journal_folder())], [o.value for o in Outcome])


def _read_run(path: Path) -> tuple[Report, RunState]:
    records = catch(lambda: read_journal(path), JournalError)
    if isinstance(records, JournalError):
        report = Report(path.stem, "", "", "", (), ended=False, journal=str(path), damage=records.message)
        return report, "unreadable"
    report = Report.replay(records, str(path))
    state: RunState = "running" if is_under_way(path) else _state(report)
    # Without a header, the run was interrupted before its first line was complete.
    return report if report.run else msgspec.structs.replace(report, run=path.stem), state


def _state(report: Report) -> RunState:
    if not report.ended:
        return "interrupted"
    if report.damage:
        return "damaged"
    return "stopped" if report.stopped else "finished"
