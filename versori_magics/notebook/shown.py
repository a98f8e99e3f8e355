"""What the verbs return: objects that show themselves as HTML and as text, and give a DataFrame of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from versori_magics.deletion.plan import Plan
from versori_magics.deletion.report import Report
from versori_magics.notebook import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from versori_magics.platform.models import Connection
    from versori_magics.platform.usage import ConnectionUsage


def bundle(text: Callable[[], str], html: Callable[[], str]) -> dict[str, str]:
    """Return both forms; a repr that raised would fail the cell that merely wanted to look."""
    try:
        return {"text/plain": text(), "text/html": html()}
    except Exception as error:  # noqa: BLE001 - see above
        return {"text/plain": f"<not shown: {type(error).__name__}>"}


class Shown:
    """Something with a title and pairs of names and values.

    Parameters
    ----------
    title : str
        What it is.
    pairs : mapping
        What there is to say of it.
    """

    def __init__(self, title: str, pairs: Mapping[str, object]) -> None:
        self.title = title
        self.pairs = dict(pairs)

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return bundle(
            lambda: render.pairs_text(self.title, self.pairs), lambda: render.pairs_html(self.title, self.pairs)
        )


class Text:
    """A text that is shown as it is, such as the help of a magic."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class DeletionPlan(Plan, frozen=True):
    """A preview of one deletion: `rows`, `counts`, `digest`, and `frame`."""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        from versori_magics.notebook.frames import plan_frame

        return plan_frame(self)

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return bundle(lambda: render.plan_text(self), lambda: render.plan_html(self))


class DeletionReport(Report, frozen=True):
    """What became of each row of a run: `rows`, `counts`, and `frame`."""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        from versori_magics.notebook.frames import report_frame

        return report_frame(self)

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return bundle(lambda: render.report_text(self), lambda: render.report_html(self))


@dataclass(frozen=True, repr=False)
class ConnectionView:
    """One connection with its usage.

    Parameters
    ----------
    connection : Connection
        What the platform says of it.
    system : str
        Its system's name.
    usage : ConnectionUsage
        Who needs it.
    """

    connection: Connection
    system: str
    usage: ConnectionUsage

    @property
    def id(self) -> str:
        """Its id."""
        return self.connection.id

    @property
    def name(self) -> str:
        """Its name; unique within its system."""
        return self.connection.name or ""

    @property
    def kind(self) -> str:
        """Static, dynamic, unused or unknown."""
        return self.usage.kind

    @property
    def in_use(self) -> bool:
        """Whether anybody needs it; unknown counts as True."""
        return self.usage.in_use

    @property
    def used_by(self) -> str:
        """Who needs it."""
        return self.usage.used_by

    @property
    def running(self) -> int:
        """How many running environments its deletion would break."""
        return self.usage.running

    def _pairs(self) -> dict[str, object]:
        from versori_magics.notebook.frames import credential_state

        auth, errors, expires = credential_state(self.connection)
        return {
            "id": self.id,
            "system": self.system or self.connection.system_id or "",
            "base URL": self.connection.base_url or "",
            "authentication": auth,
            "credentials": {None: "never validated", "": "valid"}.get(errors, errors),
            "expires": expires or "",
            "created": self.connection.created_at or "",
            "updated": self.connection.updated_at or "",
            "kind": self.kind,
            "in use": "yes" if self.in_use else "no",
            "used by": self.used_by,
            "running environments it would break": self.running,
        }

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return Shown(f"Connection {self.name or '(no name)'}", self._pairs())._repr_mimebundle_()
