"""Validation of incoming requests; each function returns the checked value or raises a 400 response."""

from __future__ import annotations

import json
import re
from uuid import UUID

from ulid import ULID

from versori_magics.emulator.errors import ErrorResponse, FieldError, invalid_field

ULID_PATTERN = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE | re.ASCII)
UUID_PATTERN = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
WHOLE_NUMBER_PATTERN = re.compile(r"[0-9]+")
MAX_NUMBER_DIGITS = 9  # A longer number is above every maximum page size, so it is not parsed.


def parse_ulid(field: str, text: str) -> str:
    """Return a ULID in upper case.

    Parameters
    ----------
    field : str
        The name of the field, for the error response.
    text : str
        The value as received.
    """
    if ULID_PATTERN.fullmatch(text) is None:
        raise invalid_field(field, "is not a ULID")
    return text.upper()


def parse_ulid_or_uuid(field: str, text: str) -> str:
    """Return a ULID in upper case; a UUID is another spelling of the same 128 bits.

    Parameters
    ----------
    field : str
        The name of the field, for the error response.
    text : str
        The value as received.
    """
    return str(ULID.from_uuid(UUID(text))) if UUID_PATTERN.fullmatch(text) else parse_ulid(field, text)


def parse_boolean(field: str, text: str) -> bool:
    """Return a boolean, which is written ``true`` or ``false``.

    Parameters
    ----------
    field : str
        The name of the field, for the error response.
    text : str
        The value as received.
    """
    if text not in {"true", "false"}:
        raise invalid_field(field, "is not true or false")
    return text == "true"


def parse_page_size(text: str | None, default: int, maximum: int, *, refuse_larger: bool = False) -> int:
    """Return the page size.

    Parameters
    ----------
    text : str or None
        The query parameter ``first`` as received, or None if it is absent.
    default : int
        The page size if ``first`` is absent.
    maximum : int
        The largest page size.
    refuse_larger : bool
        Whether a larger size is an error. Otherwise it is reduced to the maximum.
    """
    if text is None:
        return min(default, maximum)
    if WHOLE_NUMBER_PATTERN.fullmatch(text) is None:
        raise invalid_field("first", "is not a whole number of 1 or more")
    digits = text.lstrip("0")
    if not digits:
        raise invalid_field("first", "is less than 1")
    is_larger = len(digits) > MAX_NUMBER_DIGITS or int(digits) > maximum
    if is_larger and refuse_larger:
        raise invalid_field("first", f"is more than {maximum}", details=f"first must be from 1 to {maximum}")
    return maximum if is_larger else int(digits)


def parse_query(pairs: list[tuple[str, str]], allowed: frozenset[str]) -> dict[str, str]:
    """Return the query parameters by name.

    Parameters
    ----------
    pairs : list of (str, str)
        Name and value of each parameter, as received.
    allowed : frozenset of str
        The parameters of the operation; all others are rejected.
    """
    names = [name for name, _ in pairs]
    errors = {name: "is not a parameter of this operation" for name in names if name not in allowed}
    errors |= {name: "is given more than once" for name in names if name in allowed and names.count(name) > 1}
    if errors:
        fields = [FieldError(name, message) for name, message in errors.items()]
        raise ErrorResponse(400, "The query is not valid.", fields=fields)
    return dict(pairs)


def parse_template_id(content_type: str, body: bytes) -> str:
    """Return the id from the body of UnlinkConnectionFromEnvironment, ``{"connectionTemplateId": ...}``.

    Parameters
    ----------
    content_type : str
        The ``Content-Type`` header, empty if it is absent.
    body : bytes
        The body as received.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise invalid_field("body", "is not application/json")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid_field("body", "is not JSON") from None
    if not isinstance(content, dict):
        raise invalid_field("body", "is not an object")
    template_id = content.get("connectionTemplateId")
    if not isinstance(template_id, str):
        raise invalid_field("connectionTemplateId", "is required, as a string")
    return parse_ulid("connectionTemplateId", template_id)
