"""Checks of what comes in: nothing is read before it fits."""

from __future__ import annotations

import json
import re

from versori_magics.sandbox.refusal import Refusal, invalid

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE | re.ASCII)
WHOLE_NUMBER = re.compile(r"[0-9]+")
LONGEST_NUMBER = 9  # digits; whatever is longer is as good as the largest


def ulid(field: str, text: str) -> str:
    """Return an id in the one way that ids are written here.

    Parameters
    ----------
    field : str
        What the 400 names.
    text : str
        As it came.
    """
    if ULID.fullmatch(text) is None:
        raise invalid(field, "is not a ULID")
    return text.upper()


def page_size(text: str | None, default: int, largest: int) -> int:
    """Return the size of a page; a larger one than the largest is cut to that, without a word.

    Parameters
    ----------
    text : str or None
        The parameter ``first`` as it came.
    default, largest : int
        Its limits.
    """
    if text is None:
        return default
    if WHOLE_NUMBER.fullmatch(text) is None:
        raise invalid("first", "is not a whole number of 1 or more")
    digits = text.lstrip("0")
    if not digits:
        raise invalid("first", "is less than 1")
    return largest if len(digits) > LONGEST_NUMBER else min(int(digits), largest)


def query(pairs: list[tuple[str, str]], known: frozenset[str]) -> dict[str, str]:
    """Return the query's parameters.

    Parameters
    ----------
    pairs : list of (str, str)
        As they came.
    known : frozenset of str
        The operation's parameters; all others are refused.
    """
    wrong = {name: "is not a parameter of this operation" for name, _ in pairs if name not in known}
    names = [name for name, _ in pairs]
    wrong |= {name: "is given more than once" for name in names if name in known and names.count(name) > 1}
    if wrong:
        raise Refusal(400, "The query is not valid.", fields=list(wrong.items()))
    return dict(pairs)


def template(content_type: str, body: bytes) -> str:
    """Return the id in a body ``{"connectionTemplateId": ...}``.

    Parameters
    ----------
    content_type : str
        The header, empty where there is none.
    body : bytes
        As it came.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise invalid("body", "is not application/json")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("body", "is not JSON") from None
    if not isinstance(found, dict):
        raise invalid("body", "is not an object")
    value = found.get("connectionTemplateId")
    if not isinstance(value, str):
        raise invalid("connectionTemplateId", "is required, as a string")
    return ulid("connectionTemplateId", value)
