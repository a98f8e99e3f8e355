"""The platform says no."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - the platform's word for it, as the rules read
    """An answer with the Error shape.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        What is wrong, readable.
    fields : list of (str, str), optional
        The field that is wrong, and how, for each.
    details : str, optional
        Who or what stands in the way.
    headers : dict, optional
        HTTP headers that go with the status.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        fields: list[tuple[str, str]] | None = None,
        details: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = fields or []
        self.details = details
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the Error: `code` is a string of digits, absent parts are left out."""
        error: dict[str, Any] = {"code": f"{self.status}001", "message": self.message}
        if self.fields:
            error["fields"] = [{"field": field, "message": message} for field, message in self.fields]
        if self.details is not None:
            error["details"] = self.details
        return error


def missing(what: str) -> Refusal:
    """Return the 404 for a thing that is not there.

    Parameters
    ----------
    what : str
        Its kind, such as ``connection``.
    """
    return Refusal(404, f"There is no such {what}.")


def invalid(field: str, message: str) -> Refusal:
    """Return the 400 for one wrong field.

    Parameters
    ----------
    field, message : str
        Which, and how.
    """
    return Refusal(400, "The request is not valid.", fields=[(field, message)])
