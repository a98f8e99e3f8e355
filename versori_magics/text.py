"""Makes text from elsewhere safe to show: without terminal codes, hidden direction marks or endless lines."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Categories of invisible characters that control a terminal, a browser or the direction of text.
_CONTROL_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# These join emoji and the letters of some scripts: names are not readable without them, and they are harmless.
_JOINERS = {"\u200c", "\u200d"}
ELLIPSIS = "…"
_QUOTABLE_LENGTH = 16  # characters; a longer text may be a token
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
    suffix = _CUT_SUFFIX.search(text[-40:])  # a text that was cut before keeps its original length
    return f"{text[:limit]}{ELLIPSIS} ({suffix[1] if suffix else f'{len(text):,}'} characters)"


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


def is_quotable(text: str, *, letters_only: bool = True) -> bool:
    """Tell whether a message may quote an invalid setting; otherwise it may be a token in the wrong setting.

    Parameters
    ----------
    text : str
        The setting.
    letters_only : bool
        Whether it must also consist of letters only. Default True.
    """
    return len(text) <= _QUOTABLE_LENGTH and (text.isalpha() or not letters_only)


def did_you_mean(name: str, known: Iterable[str], *, count: int = 1, cutoff: float = 0.6) -> str:
    """Return ``Did you mean X?``, or an empty string if no known name is similar.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str
        The names that exist.
    count : int
        Maximum number of names to suggest. Default 1.
    cutoff : float
        The least similarity of a suggestion, from 0 to 1. Default 0.6.
    """
    import difflib

    matches = difflib.get_close_matches(name, list(known), n=count, cutoff=cutoff)
    return f"Did you mean {one_line(', '.join(matches))}?" if matches else ""
