"""Makes text from elsewhere safe to show: without terminal codes, hidden direction marks or endless lines."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Categories of characters that show nothing but control a terminal, a browser or the direction of text.
_CONTROL_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# These join emoji and the letters of some scripts: names are not readable without them, and they are harmless.
_JOINERS = {"\u200c", "\u200d"}
ELLIPSIS = "…"
_CUT_SUFFIX = re.compile(rf"{ELLIPSIS} \(([\d,]+) characters\)\Z", re.ASCII)


def visible(text: str) -> str:
    r"""Return `text` with every control character written as an escape, such as ``\u202e`` or ``\x1b``.

    Parameters
    ----------
    text : str
        Any text, from a server or a person.

    Returns
    -------
    str
        The same text without anything that moves a cursor or changes the direction of reading.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in _JOINERS or unicodedata.category(char) not in _CONTROL_CATEGORIES:
        return char
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004 - the largest code of this escape, as in Python's repr
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - as above


def cut(text: str, limit: int) -> str:
    """Return `text`; if it is longer than `limit` characters, return its beginning and its length."""
    if len(text) <= limit:
        return text
    earlier = _CUT_SUFFIX.search(text[-40:])  # a text that was cut before keeps its original length
    return f"{text[:limit]}{ELLIPSIS} ({earlier[1] if earlier else f'{len(text):,}'} characters)"


def one_line(text: object, limit: int = 200) -> str:
    """Return anything as one safe line of about `limit` characters at most, with its full length if it is cut.

    Parameters
    ----------
    text : object
        The value to show; `str` is applied to anything that is not a string.
    limit : int
        The number of characters to keep. Default 200.
    """
    plain = text if isinstance(text, str) else str(text)
    # Cut first, because escaping five megabytes of error text character by character takes too long.
    head, rest = plain[: 4 * limit], plain[4 * limit :]
    between = " " if rest and head[-1:].isspace() else ""
    return visible(cut(" ".join(head.split()) + between + rest, limit))


def number_of(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 row`` and ``2,000 rows``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Return the counts that are not zero in words, such as ``13 deleted, 2 in use``; ``nothing`` if all are zero."""
    words = (f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    return ", ".join(words) or "nothing"
