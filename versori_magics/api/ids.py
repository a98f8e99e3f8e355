"""ULIDs: every id in a path of the API is checked, and written in upper case, before it is part of a URL."""

from __future__ import annotations

import re

from versori_magics.errors import SettingsError

ULID_FORMAT = "26 letters and digits, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV"  # for hints

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII | re.IGNORECASE)


def canonical_ulid(text: object) -> str | None:
    """Return a ULID in its canonical upper case, or None if `text` is not a ULID.

    Parameters
    ----------
    text : object
        Only a string can be a ULID; a number, bytes or None never is.
    """
    # Not with python-ulid, whose releases before 4.1 refuse lower case.
    return text.upper() if isinstance(text, str) and _ULID.fullmatch(text) else None


def parse_ulid(value: str, name: str) -> str:
    """Return a setting's ULID in its canonical upper case.

    Parameters
    ----------
    value : str
        The setting; surrounding blanks are ignored.
    name : str
        The setting's name, for the message.

    Raises
    ------
    SettingsError
        If it is not a ULID. The message does not quote it: it may be a token that was put in the wrong setting.
    """
    ulid = canonical_ulid(value.strip())
    if ulid is None:
        raise SettingsError(
            f"The {name} ({len(value.strip())} characters) is not a ULID.",
            hint=f"A ULID has {ULID_FORMAT}.",
        )
    return ulid
