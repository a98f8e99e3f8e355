"""The table of connections: a widget that filters, sorts and selects in the browser.

Rows, filters and sort order are sent as messages, never as synced state, so a saved notebook contains none of them.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anywidget
import msgspec

from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

_STATIC = Path(__file__).parent / "static"
MAX_ERRORS = 20
TEXT_COLUMNS = ("id", "name", "system", "base_url", "auth", "credential_errors", "kind", "used_by")
TIME_COLUMNS = ("created_at", "updated_at", "expires_at")


def table_columns(frame: pd.DataFrame) -> dict[str, list[object]]:
    """Return the columns of the table from a DataFrame of connections with usage; times as ISO 8601 text."""
    columns = frame[[*TEXT_COLUMNS, "in_use", "running"]].astype(object)
    for name in TIME_COLUMNS:
        columns[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ").astype(object)
    columns = columns.where(columns.notna(), None)
    return {str(name): columns[name].tolist() for name in columns}


def _encode_rows(columns: Mapping[str, Sequence[object]]) -> tuple[dict[str, int], bytes]:
    """Return the position of each id, and the columns as JSON; ValueError if they do not form a table."""
    lists: dict[str, list[object]] = {name: list(values) for name, values in columns.items()}
    if "id" not in lists:
        raise ValueError("a table needs a column 'id'")
    ids = [str(value) for value in lists["id"]]
    lists["id"] = list(ids)
    if mismatched := [name for name, values in lists.items() if len(values) != len(ids)]:
        raise ValueError(f"columns differ in length from 'id': {', '.join(mismatched)}")
    positions = {value: position for position, value in enumerate(ids)}
    if len(positions) != len(ids):
        raise ValueError("an id occurs twice")
    return positions, msgspec.json.encode(lists)


class _View(msgspec.Struct):
    """Filters and sort order, kept for the next page that shows the table."""

    filters: dict[str, str] = {}
    only_not_deleted: bool = False
    sort_by: str = ""  # the name of a column; empty for the order of the rows
    direction: Literal[1, -1] = 1


class _ViewMessage(msgspec.Struct):
    """A browser's message about its view."""

    visible_count: int
    view: _View


class ConnectionTable(anywidget.AnyWidget):
    """A table of connections that a person filters, sorts and selects from.

    All methods may be called from any thread. `show_outcomes` sends one message a call: ten calls a second at most.

    Attributes
    ----------
    errors : list of str
        Errors that callbacks raised, the newest last; also shown above the table.
    """

    _esm = _STATIC / "connection_table.js"
    _css = _STATIC / "connection_table.css"

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._lock = threading.RLock()  # held until the message about a change is sent
        self._callback_lock = threading.RLock()  # held while callbacks run: the last call sees the newest selection
        self._callbacks: list[Callable[[tuple[str, ...]], None]] = []
        self._positions: dict[str, int] = {}
        self._rows = b'{"id":[]}'
        self._selected: set[str] = set()
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._view = _View()
        self._visible_count = 0
        self._has_browser = False  # whether a browser has ever requested the rows
        super().__init__()
        self.on_msg(self._receive)

    @property
    def selection(self) -> tuple[str, ...]:
        """The ids that are selected, in the order of the rows, whether the filter shows them or not."""
        with self._lock:
            return tuple(sorted(self._selected, key=self._positions.__getitem__))

    @property
    def visible_count(self) -> int:
        """Number of rows that the filter shows, from the browser's last message; 0 before the first."""
        return self._visible_count

    def set_rows(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Replace all rows; the selection and the outcomes of ids that stay are kept.

        Parameters
        ----------
        columns : mapping of str to sequence
            Column name -> values, one for each row: text, numbers, booleans or None; times as ISO 8601 text. The
            column `id` is the key.

        Raises
        ------
        ValueError
            If there is no column `id`, the columns differ in length, or an id occurs twice.
        """
        positions, rows = _encode_rows(columns)
        with self._lock:
            self._positions, self._rows = positions, rows
            is_changed = self._replace_selection(self._selected & positions.keys())
            if self._has_browser:
                self._send_rows()
        if is_changed:
            self._call_callbacks()

    def select(self, ids: Iterable[str]) -> None:
        """Select exactly these rows; ids that are not in the table are ignored."""
        with self._lock:
            is_changed = self._replace_selection(self._positions.keys() & set(ids))
            self._post({"type": "selection", "selection": list(self._selected)})
        if is_changed:
            self._call_callbacks()

    def on_selection(self, callback: Callable[[tuple[str, ...]], None]) -> None:
        """Call `callback` with the selected ids whenever they change; its exceptions are added to `errors`."""
        self._callbacks.append(callback)

    def show_outcomes(self, outcomes: Mapping[str, tuple[str, str]]) -> None:
        """Show outcomes in their rows, in addition to those already shown.

        Parameters
        ----------
        outcomes : mapping of str to (str, str)
            Id -> outcome and its reason.
        """
        with self._lock:
            self._outcomes.update(outcomes)
            self._post({"type": "outcomes", "outcomes": dict(outcomes)})

    def clear_outcomes(self) -> None:
        """Remove all outcomes."""
        with self._lock:
            self._outcomes.clear()
            self._view.only_not_deleted = False
            self._post({"type": "outcomes", "clear_outcomes": True, "only_not_deleted": False})

    def filter_not_deleted(self, on: bool) -> None:
        """Show only rows with an outcome other than `deleted` and `already_gone`, or all rows."""
        with self._lock:
            self._view.only_not_deleted = on
            self._post({"type": "filter", "only_not_deleted": on})

    def _replace_selection(self, selected: set[str]) -> bool:
        """Replace the selection, with the lock held; tell whether it changed."""
        is_changed = selected != self._selected
        self._selected = selected
        return is_changed

    def _post(self, message: dict[str, object]) -> None:
        if self._has_browser:  # the answer to a browser's first `ready` contains everything
            self.send(message)

    def _send_rows(self) -> None:
        message = {
            "type": "rows",
            "selection": list(self._selected),
            "clear_outcomes": True,
            "outcomes": self._outcomes,
            "only_not_deleted": self._view.only_not_deleted,
            "view": msgspec.structs.asdict(self._view),
            "errors": self.errors,
        }
        self.send(message, buffers=[self._rows])

    def _receive(self, _widget: object, message: object, _buffers: object) -> None:
        match message:
            case {"type": "ready"}:
                self._on_ready()
            case {"type": "view"}:
                self._on_view(message)
            case {"type": "select", **change}:
                self._on_select(change.get("selected"), change.get("deselected"))

    def _on_ready(self) -> None:
        with self._lock:
            self._has_browser = True
            self._send_rows()

    def _on_view(self, message: object) -> None:
        with self._lock, suppress(msgspec.ValidationError):
            view_message = msgspec.convert(message, _ViewMessage)
            self._visible_count, self._view = view_message.visible_count, view_message.view

    def _on_select(self, selected: object, deselected: object) -> None:
        with self._lock:
            on, off = self._known_ids(selected), self._known_ids(deselected)
            is_changed = self._replace_selection((self._selected - off) | on)
            # Other pages may show the table too, and all must apply changes in the same order.
            self._post({"type": "selection", "selected": list(on), "deselected": list(off)})
        if is_changed:
            self._call_callbacks()

    def _known_ids(self, ids: object) -> set[str]:
        if not isinstance(ids, list):
            return set()
        return {value for value in ids if isinstance(value, str) and value in self._positions}

    def _call_callbacks(self) -> None:
        with self._callback_lock:
            for callback in tuple(self._callbacks):
                try:
                    callback(self.selection)
                except Exception as error:  # noqa: BLE001 - the user's callback; its error is shown
                    self._add_error(f"{type(error).__name__}: {one_line(error)}")

    def _add_error(self, error_text: str) -> None:
        with self._lock:
            self.errors.append(error_text)
            del self.errors[:-MAX_ERRORS]
            self._post({"type": "errors", "errors": self.errors})
