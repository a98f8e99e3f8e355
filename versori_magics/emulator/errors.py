"""Error responses of the emulated platform, raised as exceptions."""

from __future__ import annotations

from typing import Any, NamedTuple


class FieldError(NamedTuple):
    """One field of a request that is not valid, and the reason."""

    field: str
    message: str


class ErrorResponse(Exception):  # noqa: N818 - named after the HTTP response that it becomes
    """A response with an error status and an `Error` object as its body.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        What is wrong, as a sentence.
    fields : list of FieldError, optional
        The request's fields that are not valid.
    details : str, optional
        More about the cause, such as the end users of a connection that is in use.
    headers : dict, optional
        Additional response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        fields: list[FieldError] | None = None,
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
        """Return the `Error` object; `code` is a string of digits, and empty parts are omitted."""
        error: dict[str, Any] = {"code": f"{self.status}001", "message": self.message}
        if self.fields:
            error["fields"] = [field._asdict() for field in self.fields]
        if self.details is not None:
            error["details"] = self.details
        return error


def not_found(resource: str) -> ErrorResponse:
    """Return a 404 response.

    Parameters
    ----------
    resource : str
        The type of the missing resource, such as ``connection``.
    """
    return ErrorResponse(404, f"There is no such {resource}.")


def invalid_field(field: str, message: str, details: str | None = None) -> ErrorResponse:
    """Return a 400 response for one field that is not valid.

    Parameters
    ----------
    field : str
        The name of the field.
    message : str
        What is wrong with it.
    details : str, optional
        More about it.
    """
    return ErrorResponse(400, "The request is not valid.", fields=[FieldError(field, message)], details=details)
