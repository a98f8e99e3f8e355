"""Types and checks of arguments that the magics and the functions have in common."""

from __future__ import annotations

from typing import Literal

from versori_magics.errors import ArgumentError
from versori_magics.text import number_of, one_line

SandboxAction = Literal["start", "stop", "reset"]


def check_number(name: str, value: object, least: int, most: int | None) -> None:
    """Check that an argument is a whole number within its limits.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        The argument.
    least, most : int
        The limits, both included. None for `most` means that there is no upper limit.

    Raises
    ------
    ArgumentError
        If it is anything else; a bool and a float are not whole numbers.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        actual = one_line(repr(value), 40) if isinstance(value, int | float) else describe_type(value)
        raise ArgumentError(f"{name} must be a whole number {limits}, not {actual}.")


def check_flag(name: str, value: object) -> None:
    """Check that an argument is True or False: ``"False"`` and ``[0]`` are true for Python, but nobody's consent.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        The argument.

    Raises
    ------
    ArgumentError
        If it is anything but a bool.
    """
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} must be True or False, not {describe_type(value)}. Nothing was sent.")


def check_text(name: str, value: object) -> None:
    """Check that an optional argument is text that is not blank: a blank filter must not mean "everything".

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        The argument; None means that it is omitted.

    Raises
    ------
    ArgumentError
        If it is blank, or neither None nor a string.
    """
    if value is None or (isinstance(value, str) and value.strip()):
        return
    problem = "must not be blank" if isinstance(value, str) else f"must be text, not {describe_type(value)}"
    raise ArgumentError(f"{name} {problem}.", hint=f"Omit {name} if you do not need it.")


def describe_type(value: object) -> str:
    """Return the type of a value in words, never the value itself: it may be a token."""
    if isinstance(value, str):
        return f"a string of {number_of(len(value), 'character')}"
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
