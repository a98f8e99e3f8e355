"""The form: select connections, review their deletion, agree, watch the run and read its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import ipywidgets
from IPython.display import DisplayHandle, display

from versori_magics.cleanup.records import GONE
from versori_magics.cleanup.run import RunOptions, find_unfinished_run
from versori_magics.cleanup.selection import resolve_selection
from versori_magics.errors import SelectionError, VersoriError
from versori_magics.notebook.commands.connections import connection_details, list_with_usage
from versori_magics.notebook.display.results import DeletionPlan, DeletionReport, PlainText
from versori_magics.notebook.form import widgets
from versori_magics.notebook.form.background_jobs import BackgroundJobs, error_text
from versori_magics.notebook.form.connection_table import ConnectionTable, table_columns
from versori_magics.notebook.form.consent_pane import ConsentPane
from versori_magics.notebook.form.run_pane import RunPane
from versori_magics.notebook.form.single_connection_pane import SingleConnectionPane
from versori_magics.notebook.form.unattended import require_interactive_frontend
from versori_magics.notebook.magic_hints import magic_hints
from versori_magics.notebook.session import SESSION, workflow_for
from versori_magics.notebook.validation import check_flag, check_number
from versori_magics.presentation.wording import outcome_reason
from versori_magics.settings import MAX_ROWS
from versori_magics.text import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from versori_magics.api.client import Client
    from versori_magics.cleanup.consent import Consent
    from versori_magics.cleanup.executor import RunProgress
    from versori_magics.cleanup.plan import Plan
    from versori_magics.cleanup.selection import Selection
    from versori_magics.notebook.display.results import ConnectionDetails

Source = Literal["table", "single", "run"]
SELECTION_CHANGED = "The selection has changed since the preview, so the plan was withdrawn. Preview it again."
WITHOUT_WIDGETS = "use df = %versori_connections . --usage\nand %versori_delete . CONN --dry-run."
# An exported notebook shows this below the place of the widget.
NO_REPORT = f"No run yet; the report of the next run will appear here.\nIf no form is shown above, {WITHOUT_WIDGETS}"


@dataclass(frozen=True, slots=True)
class _Preview:
    """A plan that is shown for review.

    Parameters
    ----------
    plan : Plan
        The plan.
    client : Client
        The client that it was made with, and is executed with.
    source : {'table', 'single', 'run'}
        Whether it was made from the table's selection, from one connection id, or from the last run's unfinished rows.
    """

    plan: Plan
    client: Client
    source: Source

    @property
    def ids(self) -> set[str]:
        """The ids that it was made of."""
        return {row.id for row in self.plan.rows}


class Form:
    """A form for one organisation of one server; a later `connect` does not change it.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation.
    max_rows : int
        Maximum number of connections of one plan.
    no_projects : bool
        As for `plan`.

    Attributes
    ----------
    frame : DataFrame or None
        Every connection with its usage, as listed last.
    plan : DeletionPlan or None
        The plan that is shown or was executed last.
    report : DeletionReport or None
        The report of the last run.
    """

    def __init__(self, org: str = ".", max_rows: int = MAX_ROWS, *, no_projects: bool = False) -> None:
        require_interactive_frontend()
        self._client = SESSION.client(org)
        self._max_rows = max_rows
        self._no_projects = no_projects
        self.frame: pd.DataFrame | None = None
        self.plan: DeletionPlan | None = None
        self.report: DeletionReport | None = None
        self._record: DisplayHandle | None = None
        self._preview: _Preview | None = None  # a person can agree to this plan, and to no other
        self._run_client: Client = self._client  # of the last run, which is resumed with the same client
        self._jobs = BackgroundJobs(self._show_busy, self._show_error)
        self._build()
        self.refresh()

    def _build(self) -> None:
        self._status = widgets.text_line("status")
        self._error = widgets.html_area("error")
        self._single = SingleConnectionPane(
            self._client.organisation, self._look_up, self._preview_one, self._on_typing_id
        )
        self.table = ConnectionTable()
        self.table.on_selection(self._on_selection)
        self._consent = ConsentPane(self._on_agreement, self._replan, self._go_back)
        self._run = RunPane(self._retry)
        self._preview_button = widgets.button(
            "Preview deletion", "preview", self._preview_selection, style="primary", enabled=False
        )
        self._refresh_button = widgets.button("Refresh", "refresh", self.refresh)
        buttons = ipywidgets.HBox([self._refresh_button, self._preview_button])
        origin = f"{self._client.server}, organisation {self._client.organisation}"
        self._tabs = ipywidgets.Tab(
            [ipywidgets.VBox([buttons, self.table]), self._single.box], titles=("Connections", "Single connection")
        )
        panes = [self._tabs, self._consent.box, self._run.box]
        self.box = ipywidgets.VBox([widgets.text_line("where", origin), self._status, self._error, *panes])
        self.box.add_class("vs-form")

    @property
    def selection(self) -> pd.DataFrame:
        """The selected connections; set it to a DataFrame, a Series or ids to select those in the table."""
        if self.frame is None:
            raise VersoriError("The connections are still being listed.", hint="Wait for the table, then try again.")
        return self.frame[self.frame["id"].isin(self.table.selection)]

    @selection.setter
    def selection(self, selection: Selection) -> None:
        with magic_hints():
            ids = resolve_selection(selection, self._client.server, self._client.organisation)
        if self.frame is not None and (missing := set(ids) - set(self.frame["id"])):
            verb = "is" if len(missing) == 1 else "are"
            raise SelectionError(f"{number_of(len(missing), 'selected id')} {verb} not in the table.")
        self.table.select(ids)

    def refresh(self) -> None:
        """List the connections again; the selection stays."""
        self._start("Listing the connections and who uses them …", self._list)

    def __repr__(self) -> str:
        return self._summary()

    def _ipython_display_(self) -> None:
        """Show the widget, and below it a record that a saved notebook keeps: the last report as a static table."""
        summary = self._summary()
        text = {"text/plain": summary, "text/html": widgets.note(summary)}
        display({**self.box._repr_mimebundle_(), **text}, raw=True)  # type: ignore[no-untyped-call]  # IPython's
        record = PlainText(NO_REPORT) if self.report is None else self.report
        self._record = display(record, display_id=True)  # type: ignore[no-untyped-call]  # IPython's

    def _summary(self) -> str:
        lines = [f"Form for organisation {self._client.organisation} of {self._client.server}."]
        if self.report is not None:
            lines.append(f"Last run: {self.report.summary}.")
        lines.append(f"It needs a notebook that shows widgets. Without one, {WITHOUT_WIDGETS}")
        return "\n".join(lines)

    def _show_busy(self, description: str) -> None:
        self._status.value = description
        for button in (self._refresh_button, self._preview_button):
            button.disabled = bool(description)
        if not description:
            self._on_selection(self.table.selection)

    def _show_error(self, error: Exception) -> None:
        if self._tabs.selected_index == 1:
            self._single.show_error(error)
        else:
            self._error.value = widgets.note(error_text(error), "bad")

    def _start(self, description: str, work: Callable[[], None]) -> bool:
        self._error.value = ""
        is_started = self._jobs.start(description, work)
        if not is_started:
            self._error.value = widgets.note("The form is busy. Try again when it has finished.", "kept")
        return is_started

    def _on_selection(self, ids: Sequence[str]) -> None:
        self._preview_button.description = f"Preview deletion of {len(ids):,}" if ids else "Preview deletion"
        self._preview_button.disabled = not ids or bool(self._status.value)
        self._withdraw_outdated()

    def _on_typing_id(self) -> None:
        if self._preview is not None and self._preview.source == "single":
            self._withdraw()

    def _withdraw_outdated(self) -> None:
        preview = self._preview
        if preview is not None and preview.source == "table" and preview.ids != set(self.table.selection):
            self._withdraw()

    def _withdraw(self) -> None:
        self._preview = self.plan = None
        self._consent.hide()
        self._error.value = widgets.note(SELECTION_CHANGED, "kept")

    def _list(self) -> None:
        self.frame = list_with_usage(self._client, no_projects=self._no_projects)
        self.table.set_rows(table_columns(self.frame))

    def _look_up(self, organisation: str, connection: str, then: Callable[[ConnectionDetails], None]) -> bool:
        def work() -> None:
            then(connection_details(self._client.for_organisation(organisation), connection))

        return self._start("Looking it up …", work)

    def _preview_one(self, organisation: str, connection: str) -> None:
        self._prepare(self._client.for_organisation(organisation), (connection,), (), "single")

    def _preview_selection(self) -> None:
        self._prepare(self._client, self.table.selection, (), "table")

    def _replan(self, breaking: Sequence[str]) -> None:
        preview = self._preview
        if preview is not None:
            ids = tuple(row.id for row in preview.plan.rows)
            self._prepare(preview.client, ids, tuple(breaking), preview.source)

    def _prepare(self, client: Client, ids: tuple[str, ...], breaking: tuple[str, ...], source: Source) -> None:
        def work() -> None:
            plan = workflow_for(client).prepare(
                ids, allow_breaking=breaking, max_rows=self._max_rows, no_projects=self._no_projects
            )
            self._show_plan(_Preview(plan, client, source))

        self._start("Checking who uses them …", work)

    def _show_plan(self, preview: _Preview) -> None:
        self._preview, self.plan = preview, DeletionPlan.of(preview.plan)
        self._run.hide()
        self._consent.show(preview.plan, offer_breaking=preview.source != "run")
        self._withdraw_outdated()  # the selection may have changed while the plan was made

    def _go_back(self) -> None:
        self._consent.hide()
        preview, self._preview = self._preview, None
        if preview is not None and preview.source == "run":  # the last run can still be resumed
            self._run.show()

    def _on_agreement(self, plan: Plan, consent: Consent) -> None:
        preview = self._preview
        if preview is not None and preview.plan.id == plan.id:
            self._start("Deleting …", lambda: self._execute(preview, consent))

    def _execute(self, preview: _Preview, consent: Consent | None) -> None:
        self._consent.hide()
        self._preview = None
        self._run_client = preview.client
        workflow = workflow_for(preview.client)
        options = RunOptions(on_progress=self._on_progress, stop_button=self._run.begin())
        report: DeletionReport | None = None
        try:
            run = workflow.resume if preview.source == "run" else workflow.execute
            # Before the pane shows its result:
            self.report = report = DeletionReport.of(run(preview.plan, consent, options))
        finally:
            self._run.end(report)
        self._show_report(report)

    def _on_progress(self, progress: RunProgress) -> None:
        self._run.update(progress)
        if progress.latest:
            self.table.show_outcomes({row.id: (row.outcome.value, row.message) for row in progress.latest})

    def _show_report(self, report: DeletionReport) -> None:
        self.table.show_outcomes({row.id: (row.outcome.value, outcome_reason(row)) for row in report.rows})
        gone = {row.id for row in report.rows if row.outcome in GONE}
        self.table.select(key for key in self.table.selection if key not in gone)
        if self._record is not None:
            self._record.update(report)  # type: ignore[no-untyped-call]  # IPython's
        if len(report.rows) == 1:
            self._single.show_field_errors(report.rows[0].fields)

    def _retry(self) -> None:
        report = self.report
        if report is not None:
            self._start("Checking the unfinished rows …", lambda: self._prepare_resume(report.run))

    def _prepare_resume(self, run: str) -> None:
        client = self._run_client
        workflow = workflow_for(client)
        plan = workflow.prepare_resume(find_unfinished_run(run, workflow.journal_folder))
        preview = _Preview(plan, client, "run")
        if plan.to_delete:
            self._show_plan(preview)
        else:  # nothing is left to send: only record the outcomes
            self.plan = DeletionPlan.of(plan)
            self._execute(preview, None)


@magic_hints()
def form(org: str = ".", *, max: int = MAX_ROWS, no_projects: bool = False) -> Form:  # noqa: A002 - as the magic's
    """Return a form to see, select, review and delete connections by clicking.

    Parameters
    ----------
    org : str
        ULID, or ``.`` for the connected organisation. Default ``.``.
    max : int
        Maximum number of connections of one plan. Default 100.
    no_projects : bool
        As for `plan`. Default False.

    Returns
    -------
    Form
        Shows itself as a widget; has `selection`, `plan` and `report`.

    Raises
    ------
    SettingsError
        If a setting is missing or invalid.
    VersoriError
        If a tool such as papermill runs the notebook, so that nobody can click.
    """
    check_number("max", max, 1, None)
    check_flag("no_projects", no_projects)
    return Form(org, max, no_projects=no_projects)
