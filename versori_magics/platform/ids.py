"""Ids: every id in a path of the API is a ULID, and is checked before it touches a URL."""

from __future__ import annotations

import re

# Most ids come as the platform writes them; python-ulid, which takes longer to ask and to import, reads the others.
_CANONICAL = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SHAPE = re.compile(r"[0-9A-Za-z]{26}")


def canonical_ulid(text: object) -> str | None:
    """Return a ULID in its canonical upper case, or None where `text` is none.

    Parameters
    ----------
    text : object
        Only a string can be one: a number, bytes or None never is.
    """
    if not isinstance(text, str):
        return None
    if found := _CANONICAL.fullmatch(text):
        return found[0]
    if not _SHAPE.fullmatch(text):
        return None
    from ulid import ULID

    try:
        return str(ULID.from_str(text))
    except ValueError:
        return None
