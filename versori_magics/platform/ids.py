"""Ids: every id in a path of the API is a ULID, and is checked before it touches a URL."""

from __future__ import annotations

import re
from functools import lru_cache

# python-ulid is imported on the first id, not on %load_ext; this test is cheap and turns most typing errors away.
_SHAPE = re.compile(r"[0-9A-Za-z]{26}")


def canonical_ulid(text: object) -> str | None:
    """Return a ULID in its canonical upper case, or None where `text` is none.

    Parameters
    ----------
    text : object
        Only a string can be one: a number, bytes or None never is.
    """
    return _canonical(text) if isinstance(text, str) else None


@lru_cache(maxsize=4096)  # the organisation's is checked for each request
def _canonical(text: str) -> str | None:
    if not _SHAPE.fullmatch(text):
        return None
    from ulid import ULID

    try:
        return str(ULID.from_str(text))
    except ValueError:
        return None
