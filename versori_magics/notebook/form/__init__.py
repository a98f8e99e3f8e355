"""The form: see, pick, preview, delete, stop, understand; on the same plan, run and journal as the magics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from IPython.display import DisplayHandle, display

from versori_magics.deletion.report import GONE
from versori_magics.errors import SelectionError
from versori_magics.notebook import deleting, render
from versori_magics.notebook.form import parts
from versori_magics.notebook.form.consent import ConsentPane
from versori_magics.notebook.form.headless import refuse_papermill
from versori_magics.notebook.form.jobs import Jobs, words_of
from versori_magics.notebook.form.one import OnePane
from versori_magics.notebook.form.running import RunPane
from versori_magics.notebook.reading import seen_connection, seen_connections
from versori_magics.notebook.session import CURRENT
from versori_magics.notebook.shown import DeletionPlan, DeletionReport, Text
from versori_magics.notebook.table import ConnectionTable
from versori_magics.text import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from versori_magics.deletion.engine import Progress
    from versori_magics.deletion.report import Ended
    from versori_magics.deletion.run import Rest
    from versori_magics.notebook.shown import ConnectionView
    from versori_magics.platform.client import Client

NO_RUN = (  # an exported notebook has a blank for the widget, and this below it
    "No run has ended while this page was open; the report of the next one will be kept here.\n"
    "Where no form is shown above, use df = %versori_connections . --usage and %versori_delete . SELECTION --dry-run."
)
TEXT_COLUMNS = ("id", "name", "system", "base_url", "auth", "credential_errors", "kind", "used_by")


class _Bundle:
    """Forms of one thing, ready made."""

    def __init__(self, forms: dict[str, Any]) -> None:
        self._forms = forms

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        return self._forms


class Form:
    """A form for one organisation.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.

    Attributes
    ----------
    frame : DataFrame
        Every connection with its usage, as last listed.
    plan : DeletionPlan or None
        The plan that is shown, or was carried out last.
    report : DeletionReport or None
        What became of the last run.
    """

    def __init__(self, org: str = ".") -> None:
        refuse_papermill()
        self._client = CURRENT.client(org)
        self.frame: pd.DataFrame | None = None
        self.plan: DeletionPlan | None = None
        self.report: DeletionReport | None = None
        self._record: DisplayHandle | None = None
        self._rest: tuple[Rest, list[Ended]] | None = None
        self._ids: tuple[str, ...] = ()
        self._acting: Client = self._client  # of the plan that is shown
        self._ran: Client = self._client  # of the last run: its rest is asked for nowhere else
        self._jobs = Jobs(self._show_busy, self._show_error)
        self._status = parts.line("status")
        self._error = parts.page("error")
        self._one = OnePane(self._client.organisation, self._look_at_one, self._preview_one)
        self.table = ConnectionTable()
        self.table.on_selection(self._selected)
        self._consent = ConsentPane(self._agree, self._judge_anew, self._back)
        self._run = RunPane(self._retry)
        self._preview = parts.button("Preview deletion", "preview", self._preview_many, style="primary", enabled=False)
        self._refresh = parts.button("Refresh", "refresh", self.refresh)
        where = f"{self._client.server}, organisation {self._client.organisation}"
        many = widgets.VBox([widgets.HBox([self._refresh, self._preview]), self.table])
        self._tabs = widgets.Tab([many, self._one.box], titles=("Connections", "One id"))
        self.box = widgets.VBox(
            [parts.line("where", where), self._status, self._error, self._tabs, self._consent.box, self._run.box]
        )
        self.box.add_class("vs-form")
        self.refresh()

    @property
    def selection(self) -> pd.DataFrame:
        """The selected connections as a DataFrame; set it to a frame, a Series or ids to select those in the table."""
        from versori_magics.errors import VersoriError

        if self.frame is None:
            raise VersoriError("The connections are still being listed.", hint="Wait for the table, then repeat.")
        return self.frame[self.frame["id"].isin(self.table.selection)]

    @selection.setter
    def selection(self, chosen: Any) -> None:
        from versori_magics.deletion.selection import selected

        ids = selected(chosen, self._client.server, self._client.organisation)
        if self.frame is not None:
            strange = set(ids) - set(self.frame["id"])
            if strange:
                raise SelectionError(f"{number_of(len(strange), 'id')} of the selection are not in the table.")
        self.table.select(ids)

    def refresh(self) -> None:
        """List the connections anew; the selection stays."""
        self._start("Listing the connections and who uses them …", self._list)

    def __repr__(self) -> str:
        return self._summary()

    def _ipython_display_(self) -> None:
        """Show the widget, and below it a record that a saved notebook keeps: the last report, as a static table."""
        display(_Bundle(self._bundle()))  # type: ignore[no-untyped-call]  # IPython's
        record = Text(NO_RUN) if self.report is None else self.report
        self._record = display(record, display_id=True)  # type: ignore[no-untyped-call]  # IPython's

    def _bundle(self) -> dict[str, Any]:
        """Return the widget, and for where none can be shown, what to use in its place."""
        summary = self._summary()
        return {**self.box._repr_mimebundle_(), "text/plain": summary, "text/html": parts.note(summary)}

    def _summary(self) -> str:
        lines = [f"Form for organisation {self._client.organisation} of {self._client.server}."]
        if self.report is not None:
            lines.append(f"Last run: {render.counts(self.report.counts)}.")
        lines.append("It needs a notebook with widgets; elsewhere use df = %versori_connections . --usage")
        lines.append("and %versori_delete . SELECTION --dry-run.")
        return "\n".join(lines)

    def _show_busy(self, what: str) -> None:
        self._status.value = what
        for one in (self._refresh, self._preview):
            one.disabled = bool(what)
        if not what:
            self._selected(self.table.selection)

    def _show_error(self, error: Exception) -> None:
        if self._tabs.selected_index == 1:
            self._one.show_error(error)
        else:
            self._error.value = parts.note(words_of(error), "bad")

    def _start(self, what: str, work: Callable[[], None]) -> bool:
        self._error.value = ""
        started = self._jobs.start(what, work)
        if not started:
            self._error.value = parts.note("Something else is being done; wait for its end.", "kept")
        return started

    def _selected(self, ids: Sequence[str]) -> None:
        self._preview.description = f"Preview deletion of {len(ids):,}" if ids else "Preview deletion"
        self._preview.disabled = not ids or bool(self._status.value)

    def _list(self) -> None:
        self.frame = seen_connections(self._client)
        shown = self.frame[[*TEXT_COLUMNS, "in_use", "running"]].astype(object)
        for name in ("created_at", "updated_at", "expires_at"):
            shown[name] = self.frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ").astype(object)
        shown = shown.where(shown.notna(), None)
        self.table.set_rows({str(name): shown[name].tolist() for name in shown})

    def _look_at_one(self, organisation: str, connection: str, then: Callable[[ConnectionView], None]) -> bool:
        return self._start("Looking it up …", lambda: then(seen_connection(CURRENT.client(organisation), connection)))

    def _preview_one(self, organisation: str, connection: str) -> None:
        self._make_plan(CURRENT.client(organisation), (connection,), ())

    def _preview_many(self) -> None:
        self._make_plan(self._client, self.table.selection, ())

    def _judge_anew(self, breaking: Sequence[str]) -> None:
        self._make_plan(self._acting, self._ids, breaking)

    def _make_plan(self, client: Client, ids: Sequence[str], breaking: Sequence[str]) -> None:
        def work() -> None:
            self.plan = deleting.make_plan(client, tuple(ids), tuple(breaking), deleting.protection_of(None))
            self._acting, self._ids, self._rest = client, tuple(ids), None
            self._run.hide()
            self._consent.show(self.plan)

        self._start("Looking at who uses them …", work)

    def _back(self) -> None:
        self._consent.hide()
        if self._rest is not None:  # the run whose rest was looked at can still be gone on with
            self._run.show()

    def _agree(self, plan: DeletionPlan) -> None:
        rest = self._rest
        self._start("Deleting …", lambda: self._carry_out(plan, rest))

    def _carry_out(self, plan: DeletionPlan, rest: tuple[Rest, list[Ended]] | None) -> None:
        from versori_magics.deletion.run import Options, execute, look_again, only
        from versori_magics.deletion.run import resume as finish

        self._consent.hide()
        self._ran = self._acting
        platform = deleting.platform_of(self._ran)
        options = Options(watch=self._watch, protection=deleting.protection_of(None), button=self._run.begin())
        report: DeletionReport | None = None
        try:
            if rest is None:
                report = execute(plan, platform, DeletionReport, options, stale=True)
            else:
                agreed, known = plan.to_delete, rest[1]
                report = finish(
                    plan.id,
                    lambda left: look_again(only(left, agreed), platform.look, options.protection, known),
                    platform,
                    DeletionReport,
                    options,
                )
        finally:
            self._run.end(report)
        self._reported(report)

    def _watch(self, progress: Progress) -> None:
        self._run.watch(progress)
        if progress.ended:
            self.table.show_outcomes({e.id: (e.outcome.value, e.message) for e in progress.ended})

    def _reported(self, report: DeletionReport) -> None:
        self.report = report
        self.table.show_outcomes({row.id: (row.outcome.value, render.outcome_reason(row)) for row in report.rows})
        gone = {row.id for row in report.rows if row.outcome in GONE}
        self.table.select(key for key in self.table.selection if key not in gone)
        if self._record is not None:
            self._record.update(report)  # type: ignore[no-untyped-call]  # IPython's
        if len(report.rows) == 1:
            self._one.show_fields(report.rows[0].fields)

    def _retry(self) -> None:
        report = self.report
        if report is not None:
            self._start("Asking how the rest stands …", lambda: self._look_at_rest(report))

    def _look_at_rest(self, report: DeletionReport) -> None:
        from versori_magics.deletion.run import look_again, rest_of

        rest = rest_of(report.run)
        rows, moved = look_again(rest, deleting.platform_of(self._ran).look, deleting.protection_of(None))
        self._acting = self._ran
        self.plan, self._rest = deleting.resumed_plan(rest, rows), (rest, moved)
        if rows:
            self._run.hide()
            self._consent.show(self.plan, may_break=False)
        else:  # nothing is left to send: write down what became of it
            self._carry_out(self.plan, self._rest)


def form(org: str = ".") -> Form:
    """Return a form to see, pick, preview and delete connections by clicking; on the same plan and journal as `delete`.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation. Default ``.``.

    Returns
    -------
    Form
        Shows itself as a widget; `selection`, `plan` and `report` are there in Python.

    Raises
    ------
    SettingsError
        Where a setting is missing or makes no sense.
    VersoriError
        Under papermill, where nobody can click.
    """
    return Form(org)
