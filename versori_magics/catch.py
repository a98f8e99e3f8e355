"""Exceptions as values, so that our own errors are raised outside of `except` blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def catch(call: Callable[[], T], *expected: type[E]) -> T | E:
    """Return what `call` returns, or the exception that it raises if it is one of `expected`.

    Raise our own error from the returned exception, outside any ``except`` block: Python would otherwise keep the
    original in ``__context__``, where it can carry a token or credentials into a traceback.

    Parameters
    ----------
    call : callable
        Takes no arguments.
    *expected : exception classes
        The exceptions to return. Any other exception propagates.
    """
    try:
        return call()
    except expected as error:
        return error
