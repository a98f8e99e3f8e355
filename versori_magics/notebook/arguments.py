"""The line of a magic: split, parsed and looked up. A typing error is an error, never ignored.

Variables are looked up after the line is split, so a value is always one value: it cannot become a flag or two ids.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from versori_magics.errors import ArgumentError
from versori_magics.platform.ids import canonical_ulid
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VARIABLE = re.compile(r"\$(?P<dollar>\w+)|\{(?P<brace>\w+)\}")


class MagicParser(argparse.ArgumentParser):
    """An `argparse` parser made strict: no abbreviations, no repeats, and its errors are ours.

    Parameters
    ----------
    magic : str
        The magic's name, without ``%``.
    description : str
        What it does.
    examples : str
        Lines to copy, for ``--help``.
    """

    def __init__(self, magic: str, description: str, examples: str) -> None:
        super().__init__(
            prog=f"%{magic}",
            description=description,
            epilog=f"examples:\n{examples}",
            allow_abbrev=False,
            add_help=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=100),
        )
        self.add_argument("--help", action="store_true", help="show this and do nothing")

    def error(self, message: str) -> NoReturn:
        """Raise our error in place of leaving the process."""
        raise ArgumentError(f"{self.prog}: {one_line(message, 200)}.", hint=f"{self.prog} --help shows how it is used.")

    def read(self, line: str) -> argparse.Namespace:
        """Return what a line says.

        Raises
        ------
        ArgumentError
            For an unbalanced quote, an unknown or abbreviated flag, a repeat, or a value of the wrong kind.
        """
        tokens = split(line, self.prog)
        if "--help" in tokens:
            return argparse.Namespace(help=True)
        flags = [token.split("=", 1)[0] for token in tokens if token.startswith("--")]
        known = [option for option in self._option_string_actions if option.startswith("--")]
        for flag in flags:
            if flag not in known:
                close = difflib.get_close_matches(flag, known, n=1)
                meant = f"Did you mean {close[0]}?" if close else f"There are {', '.join(known)}."
                raise ArgumentError(f"{self.prog} has no flag {one_line(flag, 60)}.", hint=meant)
            if flags.count(flag) > 1:
                self.error(f"{flag} is given more than once")
        # Positionals may stand on both sides of flags, as people write them.
        found, extra = self.parse_known_intermixed_args(tokens)
        if extra:
            self.error(f"{extra[0]!r} is not expected here")
        return found


def check_number(name: str, value: object, least: int, most: int | None) -> None:
    """Raise an `ArgumentError` where a value is not a whole number within its limits."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        limits = f"from {least} to {most}" if most is not None else f"from {least} up"
        found = one_line(repr(value), 40) if isinstance(value, int | float) else kind_of(value)
        raise ArgumentError(f"{name} takes a whole number {limits}, not {found}.")


def check_text(name: str, value: object) -> None:
    """Raise an `ArgumentError` where an option is given and is no text, or a blank one: it must not pass for none."""
    if value is not None and not (isinstance(value, str) and value.strip()):
        found = "blank" if isinstance(value, str) else kind_of(value)
        raise ArgumentError(f"{name} is {found}, and a text is needed.", hint="Leave it out where none is meant.")


def split(line: str, prog: str) -> list[str]:
    """Split a line as a shell does, quotes taken off; a comment or a semicolon is an error, not an argument."""
    problem = ""
    tokens: list[str] = []
    try:
        tokens = shlex.split(line)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ArgumentError(f"{prog}: {problem} in the line.", hint="Close the quotation marks.")
    for word in tokens:
        if word.startswith("#") or word == ";":
            raise ArgumentError(f"{prog}: a magic's line takes no comment and no semicolon.", hint="Take it out.")
    return tokens


class _Ids(list[Any]):
    """Ids of several words; `attrs` says where they are from, as a frame's does."""

    def __init__(self, origin: Any) -> None:
        super().__init__()
        self.attrs = {"versori": origin} if origin else {}


def _origin(words: Sequence[str], values: Sequence[Any]) -> Any:
    """Return where values are from, as far as they say; an `ArgumentError` where it is not one place."""
    found: Any = None
    for word, value in zip(words, values, strict=True):
        attrs = getattr(value, "attrs", None)
        origin = attrs.get("versori") if isinstance(attrs, dict) else None
        if not isinstance(origin, dict):
            continue
        if found and any(origin.get(key) != found.get(key) for key in ("server", "organisation")):
            raise ArgumentError(
                f"{one_line(word, 60)} is of another server or organisation than what stands before it.",
                hint="Select from one of them at a time.",
            )
        found = origin
    return found


class Lookup:
    """Finds what the words of a line stand for.

    Parameters
    ----------
    *namespaces : mapping
        Variables, the innermost first.
    """

    def __init__(self, *namespaces: Mapping[str, Any]) -> None:
        self._namespaces = namespaces

    def text(self, word: str | None) -> str | None:
        """Return an option's text: as it stands, or the text of the variable that ``$name`` or ``{name}`` names."""
        if word is None or not (found := _VARIABLE.fullmatch(word)):
            return word
        value = self._variable(found["dollar"] or found["brace"])
        if not isinstance(value, str):
            raise ArgumentError(f"The variable {word} holds a {type(value).__name__}, and a text is needed.")
        return value

    def organisation(self, word: str) -> str:
        """Return what ORG stands for: a ULID, ``.``, or the ULID that a variable holds."""
        if word == "." or canonical_ulid(word):
            return word
        name = self._name(word, "ORG is a ULID, a variable that holds one, or . for the connected organisation.")
        value = self._variable(name)
        if not isinstance(value, str) or not (value == "." or canonical_ulid(value)):
            raise ArgumentError(
                f"The variable {name} holds {kind_of(value)}, and ORG is a ULID.", hint="Give the organisation's ULID."
            )
        return value

    def selection(self, words: Sequence[str]) -> Any:
        """Return what CONN... stands for: the value of a single variable as it is, else a list of ids."""
        values = [word if canonical_ulid(word) else self._connection(word) for word in words]
        if len(values) == 1:
            return values[0]
        ids = _Ids(_origin(words, values))
        for word, value in zip(words, values, strict=True):
            if hasattr(value, "columns"):
                raise ArgumentError(
                    f"{one_line(word, 60)} is a DataFrame, and it is not alone on the line.",
                    hint="Select with it alone.",
                )
            ids += [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
        return ids

    def ids(self, words: Sequence[str]) -> list[str]:
        """Return explicit ids: ULIDs, or variables that hold one or a list of them; never a Series or a DataFrame."""
        found: list[str] = []
        for word in words:
            value = word if canonical_ulid(word) else self._connection(word)
            if isinstance(value, str):
                found.append(value)
            elif isinstance(value, list | tuple | set | frozenset):
                found += value
            else:
                raise ArgumentError(
                    f"{one_line(word, 60)} holds {kind_of(value)}; ids that may break are named one by one.",
                    hint="Give their ULIDs, or a list of them.",
                )
        return found

    def _connection(self, word: str) -> Any:
        name = self._name(word, "CONN is a ULID or the name of a variable (text, list, Series or DataFrame).")
        return self._variable(name)

    def _name(self, word: str, hint: str) -> str:
        found = _VARIABLE.fullmatch(word)
        name = (found["dollar"] or found["brace"]) if found else word
        if not name.isidentifier():
            raise ArgumentError(f"{one_line(word, 60)!r} is neither a ULID nor the name of a variable.", hint=hint)
        return name

    def _variable(self, name: str) -> Any:
        for namespace in self._namespaces:
            if name in namespace:
                return namespace[name]
        names = [key for namespace in self._namespaces for key in namespace if not key.startswith("_")]
        close = difflib.get_close_matches(name, names, n=1)
        raise ArgumentError(
            f"There is no variable {one_line(name, 60)!r}.",
            hint=f"Did you mean {close[0]}?" if close else "Run the cell that makes it first.",
        )


def kind_of(value: object) -> str:
    """Return what a value is, in words; not the value itself, which may be anything, also a token."""
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"
