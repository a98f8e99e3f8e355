"""The pane for one connection id: checked while it is typed, and looked up before its deletion can be previewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from versori_magics.api.ids import canonical_ulid
from versori_magics.errors import ApiError
from versori_magics.notebook.form import widgets
from versori_magics.notebook.form.background_jobs import error_text
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from versori_magics.errors import FieldError
    from versori_magics.notebook.display.results import ConnectionDetails

NOT_A_ULID = "Not a ULID: 26 letters and digits."


class SingleConnectionPane:
    """Two id fields, the details of the connection, and the button that previews its deletion.

    Parameters
    ----------
    organisation : str
        The first value of the organisation's field.
    look_up : callable
        (organisation, id, then) -> bool. Looks a connection up and calls `then` with it; False if the form is busy.
    preview : callable
        (organisation, id) -> None. Previews the deletion of the connection that was looked up last.
    on_typing : callable
        () -> None. Called when a field changes.
    """

    def __init__(
        self,
        organisation: str,
        look_up: Callable[[str, str, Callable[[ConnectionDetails], None]], bool],
        preview: Callable[[str, str], None],
        on_typing: Callable[[], None],
    ) -> None:
        self._look_up = look_up
        self._on_change = on_typing
        self._ids = ("", "")
        self.organisation, self._organisation_error, organisation_box = widgets.text_field(
            "Organisation", "organisation", "ULID"
        )
        self.connection, self._connection_error, connection_box = widgets.text_field("Connection", "connection", "ULID")
        self.organisation.value = organisation
        self._details = widgets.html_area("what")
        self._error = widgets.html_area("one-error")
        self._preview_button = widgets.button(
            "Preview its deletion", "preview-one", lambda: preview(*self._ids), style="primary", enabled=False
        )
        self.organisation.observe(self._on_typing, "value")
        self.connection.observe(self._on_typing, "value")
        self.box = ipywidgets.VBox(
            [
                organisation_box,
                connection_box,
                self._details,
                self._error,
                ipywidgets.HBox([self._preview_button]),
            ]
        )

    def _on_typing(self, _change: object = None) -> None:
        self._on_change()
        self._preview_button.disabled = True
        self._details.value = self._error.value = ""
        organisation = self._check(self.organisation, self._organisation_error)
        connection = self._check(self.connection, self._connection_error)
        if organisation and connection:
            self._ids = (organisation, connection)
            if not self._look_up(organisation, connection, self._show_details):
                self._connection_error.value = "The form is busy. Change the field again when it has finished."

    def _check(self, field: ipywidgets.Text, error_line: ipywidgets.Label) -> str | None:
        ulid = canonical_ulid(field.value.strip())
        error_line.value = NOT_A_ULID if field.value.strip() and ulid is None else ""
        return ulid

    def _show_details(self, details: ConnectionDetails) -> None:
        if details.id != canonical_ulid(self.connection.value.strip()):
            return  # somebody typed another id meanwhile
        self._details.value = details.to_html()
        self._preview_button.disabled = False

    def show_error(self, error: Exception) -> None:
        """Show an error: each field's message under that field, the rest above the button."""
        self.show_field_errors(error.fields if isinstance(error, ApiError) else ())
        self._error.value = widgets.note(error_text(error), "bad")

    def show_field_errors(self, fields: Sequence[FieldError]) -> None:
        """Show the platform's message about each field under it."""
        for field in fields:
            if "connection" in field.field:
                self._connection_error.value = one_line(field.message, 300)
            elif "organi" in field.field:
                self._organisation_error.value = one_line(field.message, 300)
