"""The objects that the public functions return: they show themselves, and plans and reports give a DataFrame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from versori_magics.cleanup.plan import Plan
from versori_magics.cleanup.report import Report
from versori_magics.notebook.magic_hints import magic_hint, magic_hints
from versori_magics.presentation.html import pairs_html, plan_html, report_html
from versori_magics.presentation.markdown import plan_markdown, report_markdown
from versori_magics.presentation.plain_text import pairs_text, plan_text, report_text
from versori_magics.presentation.wording import NO_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    import pandas as pd

    from versori_magics.api.models import Connection
    from versori_magics.inventory.usage import ConnectionUsage

MORE_HINT = "all in .frame"


def mime_bundle(
    to_text: Callable[[], str], to_html: Callable[[], str], to_markdown: Callable[[], str] | None = None
) -> dict[str, str]:
    """Return the representations of an object by MIME type.

    It never raises, because an object that cannot be shown must not fail the cell that shows it.
    """
    try:
        bundle = {"text/plain": to_text(), "text/html": to_html()}
        if to_markdown is not None:
            bundle["text/markdown"] = to_markdown()
    except Exception as error:  # noqa: BLE001 - see the docstring
        return {"text/plain": f"<not shown: {type(error).__name__}>"}
    return bundle


class Displayed:
    """An object with a text and an HTML representation, which notebooks, terminals and exports show."""

    __slots__ = ()

    def to_text(self) -> str:
        """Return the object as plain text."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Return the object as HTML that is escaped and bounded."""
        raise NotImplementedError

    def _mime_bundle(self) -> dict[str, str]:
        return mime_bundle(self.to_text, self.to_html)

    def __repr__(self) -> str:
        return self._mime_bundle()["text/plain"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return self._mime_bundle()


class DisplayedWithMarkdown(Displayed):
    """A displayed object that also has a Markdown representation."""

    __slots__ = ()

    def to_markdown(self) -> str:
        """Return the object as Markdown."""
        raise NotImplementedError

    def _mime_bundle(self) -> dict[str, str]:
        return mime_bundle(self.to_text, self.to_html, self.to_markdown)


class PlainText:
    """A text that is shown as it is, such as the help of a magic."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Summary(Displayed):
    """A title, and names with values.

    Parameters
    ----------
    title : str
        The heading.
    pairs : mapping
        Name -> value, in the order to show.
    """

    def __init__(self, title: str, pairs: Mapping[str, object]) -> None:
        self.title = title
        self.pairs = dict(pairs)

    def to_text(self) -> str:
        """Return the title and aligned lines."""
        return pairs_text(self.title, self.pairs)

    def to_html(self) -> str:
        """Return the title and a table."""
        return pairs_html(self.title, self.pairs)


class DeletionPlan(DisplayedWithMarkdown, Plan, frozen=True):
    """A preview of one deletion: `rows`, `counts`, `digest`, and `frame`."""

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return the same plan as an object that shows itself."""
        return cls(**msgspec.structs.asdict(plan))

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        from versori_magics.notebook.display.dataframes import plan_frame

        return plan_frame(self)

    def to_text(self) -> str:
        """Return the counts and the first rows as plain text."""
        return plan_text(self, MORE_HINT)

    def to_html(self) -> str:
        """Return the counts and the rows as HTML that is escaped and bounded."""
        return plan_html(self, MORE_HINT)

    def to_markdown(self) -> str:
        """Return the counts and a table of the first rows as Markdown, for an issue, a wiki or a chat."""
        return plan_markdown(self)


class DeletionReport(DisplayedWithMarkdown, Report, frozen=True):
    """The outcome of each row of a run: `rows`, `counts`, and `frame`."""

    @classmethod
    def of(cls, report: Report) -> Self:
        """Return the same report as an object that shows itself."""
        return cls(**msgspec.structs.asdict(report))

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        from versori_magics.notebook.display.dataframes import report_frame

        return report_frame(self)

    raise_for_unfinished = magic_hints()(Report.raise_for_unfinished)

    def to_text(self) -> str:
        """Return the counts and the first rows as plain text."""
        return report_text(self, self._hint, MORE_HINT)

    def to_html(self) -> str:
        """Return the counts and the rows as HTML that is escaped and bounded."""
        return report_html(self, self._hint, MORE_HINT)

    def to_markdown(self) -> str:
        """Return the counts and a table of the first rows as Markdown, for an issue, a wiki or a chat."""
        return report_markdown(self, self._hint)

    @property
    def _hint(self) -> str:
        return magic_hint(self.next_step)


@dataclass(frozen=True, repr=False)
class ConnectionDetails(Displayed):
    """One connection with its usage.

    Parameters
    ----------
    connection : Connection
        The connection as the platform returned it.
    system : str
        The name of its system.
    usage : ConnectionUsage
        Its users.
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
        """Its name, which is unique within its system."""
        return self.connection.name or ""

    @property
    def kind(self) -> str:
        """Its usage: static, dynamic, unused or unknown."""
        return self.usage.kind

    @property
    def in_use(self) -> bool:
        """Whether it is in use; unknown counts as True."""
        return self.usage.in_use

    @property
    def used_by(self) -> str:
        """Its users in words."""
        return self.usage.used_by

    @property
    def running(self) -> int:
        """The number of running environments that its deletion would break."""
        return self.usage.running

    def to_text(self) -> str:
        """Return its name and aligned lines."""
        return self._summary().to_text()

    def to_html(self) -> str:
        """Return its name and a table."""
        return self._summary().to_html()

    def _summary(self) -> Summary:
        from versori_magics.notebook.display.dataframes import credential_state

        auth, errors, expires_at = credential_state(self.connection)
        pairs = {
            "id": self.id,
            "system": self.system or self.connection.system_id or "",
            "base URL": self.connection.base_url or "",
            "authentication": auth,
            "credentials": errors or "no known error",
            "expires": expires_at or "",
            "created": self.connection.created_at or "",
            "updated": self.connection.updated_at or "",
            "usage": self.kind,
            "in use": "yes" if self.in_use else "no",
            "used by": self.used_by,
            "running environments it would break": self.running,
        }
        return Summary(f"Connection {self.name or NO_NAME}", pairs)
