"""The pane for one id: checked as it is typed, and told what it is before anything can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from versori_magics.errors import ApiError
from versori_magics.notebook.form import parts
from versori_magics.notebook.form.jobs import words_of
from versori_magics.platform.ids import canonical_ulid
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from versori_magics.notebook.shown import ConnectionView

NO_ULID = "Not a ULID: 26 letters and digits."


class OnePane:
    """Two fields, what the id is, and the button that previews its deletion.

    Parameters
    ----------
    organisation : str
        To begin with.
    look : callable
        (organisation, id, then) -> None: finds out what an id is, and calls `then` with it.
    preview : callable
        (organisation, id) -> None.
    """

    def __init__(
        self,
        organisation: str,
        look: Callable[[str, str, Callable[[ConnectionView], None]], bool],
        preview: Callable[[str, str], None],
    ) -> None:
        self._look = look
        self._known = ("", "")
        self.organisation, self._organisation_wrong, first = parts.field("Organisation", "organisation", "ULID")
        self.connection, self._connection_wrong, second = parts.field("Connection", "connection", "ULID")
        self.organisation.value = organisation
        self._what = parts.page("what")
        self._error = parts.page("one-error")
        self._go = parts.button(
            "Preview its deletion", "preview-one", lambda: preview(*self._known), style="primary", enabled=False
        )
        self.organisation.observe(self._typed, "value")
        self.connection.observe(self._typed, "value")
        self.box = widgets.VBox([first, second, self._what, self._error, widgets.HBox([self._go])])

    def _typed(self, _change: object = None) -> None:
        self._go.disabled = True
        self._what.value = self._error.value = ""
        ids = [canonical_ulid(widget.value.strip()) for widget in (self.organisation, self.connection)]
        for widget, found, wrong in zip(
            (self.organisation, self.connection), ids, (self._organisation_wrong, self._connection_wrong), strict=True
        ):
            wrong.value = NO_ULID if widget.value.strip() and found is None else ""
        organisation, connection = ids
        if organisation and connection:
            self._known = (organisation, connection)
            if not self._look(organisation, connection, self._found):
                self._connection_wrong.value = "Something else is being done; change the field again when it has ended."

    def _found(self, seen: ConnectionView) -> None:
        if canonical_ulid(seen.id) != canonical_ulid(self.connection.value.strip()):
            return  # the field has moved on
        self._what.value = seen._repr_mimebundle_()["text/html"]
        self._go.disabled = False

    def show_error(self, error: Exception) -> None:
        """Show an error: each field's message under the field that it names, the rest above the button."""
        self.show_fields(error.fields if isinstance(error, ApiError) else ())
        self._error.value = parts.note(words_of(error), "bad")

    def show_fields(self, fields: Sequence[tuple[str, str]]) -> None:
        """Show what the platform says of each field under it."""
        for name, message in fields:
            if "connection" in name:
                self._connection_wrong.value = one_line(message, 300)
            elif "organi" in name:
                self._organisation_wrong.value = one_line(message, 300)
