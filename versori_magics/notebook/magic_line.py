"""Read the line of a magic: split it into words, parse the words strictly, and look up the variables they name.

Variables are looked up after the line is split, so a value is always one value: it cannot become a flag or two ids.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.errors import ArgumentError
from versori_magics.notebook.validation import describe_type
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VARIABLE = re.compile(r"\$(?P<dollar>\w+)|\{(?P<brace>\w+)\}")
_CONN_HINT = "CONN is a ULID or the name of a variable (text, list, Series, DataFrame or plan)."


def split_line(line: str, prog: str) -> list[str]:
    """Split a line into words as a shell does, and remove the quotation marks.

    Raises
    ------
    ArgumentError
        If a quotation mark is not closed, or the line has a comment or a semicolon: they would be taken for arguments.
    """
    words = catch(lambda: shlex.split(line), ValueError)
    if isinstance(words, ValueError):
        raise ArgumentError(f"{prog}: {words} in the line.", hint="Close the quotation marks.")
    if any(word.startswith("#") or word == ";" for word in words):
        raise ArgumentError(f"{prog} does not accept comments or semicolons.", hint="Remove it.")
    return words


class MagicParser(argparse.ArgumentParser):
    """An `argparse` parser made strict: no abbreviations, no repeated flags, and errors of our own.

    Parameters
    ----------
    magic : str
        The magic's name, without ``%``.
    summary : str
        What the magic does.
    examples : sequence of str
        Lines to copy, for the help.
    """

    def __init__(self, magic: str, summary: str, examples: Sequence[str]) -> None:
        super().__init__(
            prog=f"%{magic}",
            description=summary,
            epilog="\n  ".join(["examples:", *examples]),
            allow_abbrev=False,
            add_help=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=100),
        )
        self._flags: list[str] = []
        self.add_argument("--help", action="store_true", help="show this help and do nothing")

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Add an argument as `argparse` does, and remember its flag."""
        self._flags += [name for name in names if name.startswith("--")]
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise an `ArgumentError`; argparse would end the process."""
        raise ArgumentError(f"{self.prog}: {one_line(message, 200)}.", hint=f"{self.prog} --help shows how it is used.")

    def parse_words(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the value of every argument by its name.

        Raises
        ------
        ArgumentError
            If a flag is unknown, abbreviated or repeated, a value has the wrong type, or a word is missing or
            not expected.
        """
        self._check_flags([word.split("=", 1)[0] for word in words if word.startswith("--")])
        # Flags may stand between the other words, as people write them.
        arguments, unexpected = self.parse_known_intermixed_args(words)
        if unexpected:
            self.error(f"{unexpected[0]!r} is not expected here")
        return vars(arguments)

    def _check_flags(self, flags: Sequence[str]) -> None:
        for flag in flags:
            if flag not in self._flags:
                matches = difflib.get_close_matches(flag, self._flags, n=1)
                hint = f"Did you mean {matches[0]}?" if matches else f"Its flags are {', '.join(self._flags)}."
                raise ArgumentError(f"{self.prog} has no flag {one_line(flag, 60)}.", hint=hint)
            if flags.count(flag) > 1:
                self.error(f"{flag} is given more than once")


class Variables:
    """Resolves the words of a line to values: ``name``, ``$name`` and ``{name}`` stand for the variable's value.

    Parameters
    ----------
    *namespaces : mapping
        Variables by name, the innermost scope first.
    """

    def __init__(self, *namespaces: Mapping[str, Any]) -> None:
        self._namespaces = namespaces

    def text(self, word: str | None) -> str | None:
        """Resolve the text of an option: only ``$name`` and ``{name}`` are variables, any other word is itself."""
        match = _VARIABLE.fullmatch(word) if word is not None else None
        if match is None:
            return word
        value = self._variable(match["dollar"] or match["brace"])
        if not isinstance(value, str):
            raise ArgumentError(f"The variable {word} must hold text, but it holds {describe_type(value)}.")
        return value

    def organisation(self, word: str) -> str:
        """Resolve ORG: a ULID, ``.``, or a variable that holds one of them."""
        if word == "." or canonical_ulid(word):
            return word
        name = _variable_name(word, "ORG is a ULID, a variable that holds one, or . for the connected organisation.")
        value = self._variable(name)
        if not isinstance(value, str) or not (value == "." or canonical_ulid(value)):
            raise ArgumentError(
                f"The variable {name} holds {describe_type(value)}, but ORG must be a ULID.",
                hint="Use the organisation's ULID, or . for the connected organisation.",
            )
        return value

    def connection(self, word: str) -> Any:
        """Resolve one CONN: a ULID is itself, and any other word is a variable, whose value is returned as it is."""
        return self._ulid_or_variable(word, _CONN_HINT)

    def run(self, word: str) -> Any:
        """Resolve RUN like CONN."""
        return self._ulid_or_variable(word, "RUN is the id of a run or the name of a variable; see %versori_runs.")

    def selection(self, words: Sequence[str]) -> Any:
        """Resolve CONN...: a single word as `connection` does, several words to one list of ids."""
        values = [self.connection(word) for word in words]
        if len(values) == 1:
            return values[0]
        ids = _IdList(_common_origin(words, values))
        for word, value in zip(words, values, strict=True):
            if hasattr(value, "columns"):
                raise ArgumentError(
                    f"{one_line(word, 60)} is a DataFrame, so it must be the only CONN.",
                    hint="Use it alone.",
                )
            ids += [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
        return ids

    def ids(self, words: Sequence[str]) -> list[str]:
        """Resolve explicit ids: ULIDs, and variables that hold one id or a list; never a Series or a DataFrame."""
        ids: list[str] = []
        for word in words:
            value = self.connection(word)
            if isinstance(value, str):
                ids.append(value)
            elif isinstance(value, list | tuple | set | frozenset):
                ids += value
            else:
                raise ArgumentError(
                    f"{one_line(word, 60)} holds {describe_type(value)}, but these ids must be named one by one.",
                    hint="Use their ULIDs, or a list of them.",
                )
        return ids

    def _ulid_or_variable(self, word: str, hint: str) -> Any:
        return word if canonical_ulid(word) else self._variable(_variable_name(word, hint))

    def _variable(self, name: str) -> Any:
        for namespace in self._namespaces:
            if name in namespace:
                return namespace[name]
        names = [key for namespace in self._namespaces for key in namespace if not key.startswith("_")]
        matches = difflib.get_close_matches(name, names, n=1)
        raise ArgumentError(
            f"There is no variable {one_line(name, 60)!r}.",
            hint=f"Did you mean {matches[0]}?" if matches else "Run the cell that defines it first.",
        )


class _IdList(list[Any]):
    """The ids of several words; `attrs` records their origin, as a DataFrame's does."""

    def __init__(self, origin: dict[str, Any] | None) -> None:
        super().__init__()
        self.attrs = {"versori": origin} if origin else {}


def _common_origin(words: Sequence[str], values: Sequence[Any]) -> dict[str, Any] | None:
    """Return the server and organisation that values come from, if any of them records one; all must agree."""
    common: dict[str, Any] | None = None
    for word, value in zip(words, values, strict=True):
        attrs = getattr(value, "attrs", None)
        origin = attrs.get("versori") if isinstance(attrs, dict) else None
        if not isinstance(origin, dict):
            continue
        if common and any(origin.get(key) != common.get(key) for key in ("server", "organisation")):
            raise ArgumentError(
                f"{one_line(word, 60)} is from another server or organisation than the argument before it.",
                hint="Select connections of one organisation at a time.",
            )
        common = origin
    return common


def _variable_name(word: str, hint: str) -> str:
    match = _VARIABLE.fullmatch(word)
    name = (match["dollar"] or match["brace"]) if match else word
    if not name.isidentifier():
        raise ArgumentError(f"{one_line(word, 60)!r} is neither a ULID nor the name of a variable.", hint=hint)
    return name
