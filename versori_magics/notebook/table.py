"""The form's table of connections: it filters, sorts and selects in the browser, and Python knows the selection by id.

Rows, filters and sort go between them as messages, never as synced state, so a saved notebook holds none of them.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anywidget
import msgspec

from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_STATIC = Path(__file__).parent / "static"
_ERRORS_KEPT = 20


class _State(msgspec.Struct):
    """How a person looks at the rows: kept for the next page that shows them, as the selection is."""

    filters: dict[str, str] = {}
    only: bool = False  # those that were not deleted
    by: str = ""  # the column that they are sorted by
    direction: Literal[1, -1] = 1


class _Seen(msgspec.Struct):
    """What a browser tells of its view."""

    count: int
    state: _State


class ConnectionTable(anywidget.AnyWidget):
    """A table of connections that a person filters, sorts and selects from.

    All methods may be called from any thread. `show_outcomes` sends one message a call: ten calls a second at most.

    Attributes
    ----------
    errors : list of str
        What callbacks raised, the newest last; also shown above the table.
    """

    _esm = _STATIC / "table.js"
    _css = _STATIC / "table.css"

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._state = threading.RLock()  # held while the state changes and the message about it is sent
        self._telling = threading.RLock()  # held while callbacks run: the last call gets the last selection
        self._callbacks: list[Callable[[tuple[str, ...]], None]] = []
        self._positions: dict[str, int] = {}
        self._rows = b'{"id":[]}'
        self._selected: set[str] = set()
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._look = _State()
        self._visible = 0
        self._awaited = False  # whether a browser ever asked for the rows
        super().__init__()
        self.on_msg(self._receive)

    @property
    def selection(self) -> tuple[str, ...]:
        """The ids that are selected, in the order of the rows, whether the filter shows them or not."""
        with self._state:
            return tuple(sorted(self._selected, key=self._positions.__getitem__))

    @property
    def visible_count(self) -> int:
        """The number of rows that the filter shows, as the browser last told; 0 before it did."""
        return self._visible

    def set_rows(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Show these rows instead of those before; the selection and the outcomes of ids that stay are kept.

        Parameters
        ----------
        columns : mapping of str to sequence
            Column name -> values, one for each row: texts, numbers, booleans or None; times as ISO 8601 text. The
            column `id` is the key.

        Raises
        ------
        ValueError
            If there is no column `id`, the columns differ in length, or an id is there twice.
        """
        listed: dict[str, list[Any]] = {name: list(values) for name, values in columns.items()}
        if "id" not in listed:
            raise ValueError("a table needs a column 'id'")
        ids = [str(value) for value in listed["id"]]
        listed["id"] = ids
        if odd := [name for name, values in listed.items() if len(values) != len(ids)]:
            raise ValueError(f"columns of another length than 'id': {', '.join(odd)}")
        positions = {value: position for position, value in enumerate(ids)}
        if len(positions) != len(ids):
            raise ValueError("an id is there twice")
        rows = msgspec.json.encode(listed)
        with self._state:
            self._positions, self._rows = positions, rows
            kept = self._selected & positions.keys()
            changed = kept != self._selected
            self._selected = kept
            if self._awaited:
                self._send_all()
        if changed:
            self._tell()

    def select(self, ids: Iterable[str]) -> None:
        """Select exactly these rows; ids that the table does not hold are left out."""
        with self._state:
            selected = self._positions.keys() & set(ids)
            changed = selected != self._selected
            self._selected = selected
            self._post({"type": "selection", "on": list(selected)})
        if changed:
            self._tell()

    def on_selection(self, callback: Callable[[tuple[str, ...]], None]) -> None:
        """Call `callback` with the selected ids whenever they change; what it raises goes to `errors`."""
        self._callbacks.append(callback)

    def show_outcomes(self, outcomes: Mapping[str, tuple[str, str]]) -> None:
        """Show in their rows what became of connections, beside the outcomes shown before.

        Parameters
        ----------
        outcomes : mapping of str to (str, str)
            Id -> outcome and the reason for it.
        """
        with self._state:
            self._outcomes.update(outcomes)
            self._post({"type": "outcomes", "outcomes": dict(outcomes)})

    def clear_outcomes(self) -> None:
        """Show no outcomes any more."""
        with self._state:
            self._outcomes.clear()
            self._look.only = False
            self._post({"type": "outcomes", "reset": True, "only": False})

    def filter_not_deleted(self, on: bool) -> None:
        """Show only the rows with an outcome other than `deleted` and `already_gone`, or those without one too."""
        with self._state:
            self._look.only = on
            self._post({"type": "filter", "only": on})

    def _post(self, message: dict[str, Any]) -> None:
        if self._awaited:  # before that nobody listens, and the answer to `ready` will say all
            self.send(message)

    def _send_all(self) -> None:
        message = {
            "type": "rows",
            "on": list(self._selected),
            "outcomes": self._outcomes,
            "reset": True,
            "only": self._look.only,
            "state": msgspec.structs.asdict(self._look),
            "errors": self.errors,
        }
        self.send(message, buffers=[self._rows])

    def _receive(self, _: object, message: Any, __: object) -> None:
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "ready":
            with self._state:
                self._awaited = True
                self._send_all()
        elif kind == "seen":
            with self._state, suppress(msgspec.ValidationError):
                seen = msgspec.convert(message, _Seen)
                self._visible, self._look = seen.count, seen.state
        elif kind == "select":
            with self._state:
                on, off = (self._known(message.get(name)) for name in ("on", "off"))
                selected = (self._selected - off) | on
                changed = selected != self._selected
                self._selected = selected
                self._post({"type": "selection", "on": list(on), "off": list(off)})  # to all: others may show it too
            if changed:
                self._tell()

    def _known(self, ids: object) -> set[str]:
        if not isinstance(ids, list):
            return set()
        return {one for one in ids if isinstance(one, str) and one in self._positions}

    def _tell(self) -> None:
        with self._telling:
            for callback in tuple(self._callbacks):
                try:
                    callback(self.selection)
                except Exception as error:  # noqa: BLE001 - theirs; it is shown, and the browser's message is not lost
                    self._note(f"{type(error).__name__}: {one_line(error)}")

    def _note(self, problem: str) -> None:
        with self._state:
            self.errors.append(problem)
            del self.errors[:-_ERRORS_KEPT]
            self._post({"type": "errors", "errors": self.errors})
