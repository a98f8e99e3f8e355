"""Make text that came from elsewhere safe to show: no terminal codes, no hidden direction marks, no endless lines.

Pure; every floor may use it.
"""

from __future__ import annotations

import re
import unicodedata

# Categories that draw nothing but steer a terminal, a browser or the direction of text.
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Joins emoji and some scripts' letters: needed to read a name, and harmless.
_JOINERS = {"\u200c", "\u200d"}
ELLIPSIS = "…"
_CUT = re.compile(rf"{ELLIPSIS} \(([\d,]+) characters\)\Z", re.ASCII)


def visible(text: str) -> str:
    r"""Return `text` with every steering character written out as an escape, such as ``\u202e`` or ``\x1b``.

    Parameters
    ----------
    text : str
        Anything, from a server or a person.

    Returns
    -------
    str
        The same text, with nothing in it that moves a cursor or turns the reading direction.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in _JOINERS or unicodedata.category(char) not in _STEERING:
        return char
    number = ord(char)
    if number <= 0xFF:  # noqa: PLR2004 - the width of the escape, as Python's own repr has it
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - as above


def cut(text: str, limit: int) -> str:
    """Return `text`, and where it is longer than `limit` characters, its beginning and how long it is."""
    if len(text) <= limit:
        return text
    before = _CUT.search(text[-40:])  # what was cut before goes on saying how long it was at first
    return f"{text[:limit]}{ELLIPSIS} ({before[1] if before else f'{len(text):,}'} characters)"


def one_line(text: object, limit: int = 200) -> str:
    """Return anything as one safe line of about `limit` characters at most, its length said where it is cut.

    Parameters
    ----------
    text : object
        What to show; anything that is not a string goes through `str`.
    limit : int
        Characters to keep. Default 200.
    """
    plain = text if isinstance(text, str) else str(text)
    # Cut first: five megabytes of error text must not be escaped character by character.
    head, rest = plain[: 4 * limit], plain[4 * limit :]
    between = " " if rest and head[-1:].isspace() else ""
    return visible(cut(" ".join(head.split()) + between + rest, limit))


def number_of(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 row`` and ``2,000 rows``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
