"""The declaration of a magic: its parameters, from which its flags, help, completion and call follow.

The classes are named tuples and not dataclasses, which are five times as slow to define: this is imported on loading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from versori_magics.notebook.magic_line import MagicParser, Variables, split_line

if TYPE_CHECKING:
    from collections.abc import Sequence

Resolver = Callable[[Variables, Any], Any]  # the words of the line -> the value for `run`
Suggestions = Callable[[Mapping[str, Any]], Iterable[str]]  # the user's variables -> the words that Tab offers


def as_typed(_variables: Variables, word: Any) -> Any:
    """Resolve a word to itself."""
    return word


def no_suggestions(_user_ns: Mapping[str, Any]) -> Sequence[str]:
    """Offer nothing."""
    return ()


class Positional(NamedTuple):
    """A parameter without a flag.

    Parameters
    ----------
    keyword : str
        The keyword argument of `run` that receives it.
    label : str
        Its name in help and messages, such as ``ORG``.
    help : str
        Help text.
    resolve : callable
        A method of `Variables`, or `as_typed`.
    suggest : callable
        What Tab offers for it, from the user's variables. Default nothing.
    nargs : {None, '?', '+'}
        Exactly one word, at most one, or at least one.
    default : str, optional
        Used if the word is omitted.
    choices : tuple of str, optional
        The only words that are allowed.
    """

    keyword: str
    label: str
    help: str
    resolve: Resolver
    suggest: Suggestions = no_suggestions
    nargs: Literal["?", "+"] | None = None
    default: str | None = None
    choices: tuple[str, ...] | None = None

    def add_to(self, parser: MagicParser) -> None:
        """Add it to a parser."""
        parser.add_argument(
            self.keyword,
            metavar=self.label,
            nargs=self.nargs,
            default=self.default,
            choices=self.choices,
            help=_escape(self.help),
        )


class Option(NamedTuple):
    """A flag with a value.

    Parameters
    ----------
    keyword, help, resolve, suggest
        As in `Positional`. By default the value is text, or ``$name`` of a variable that holds text.
    flag : str
        Such as ``--system``.
    label : str
        The value's name in the help.
    type : callable
        Converts the word. Default str.
    nargs : {None, '+'}
        Exactly one word, or at least one.
    default : object
        The value if the flag is omitted.
    """

    keyword: str
    flag: str
    label: str
    help: str
    resolve: Resolver = Variables.text
    suggest: Suggestions = no_suggestions
    type: Callable[[str], Any] = str
    nargs: Literal["+"] | None = None
    default: Any = None

    def add_to(self, parser: MagicParser) -> None:
        """Add it to a parser."""
        parser.add_argument(
            self.flag,
            dest=self.keyword,
            metavar=self.label,
            nargs=self.nargs,
            type=self.type,
            default=self.default,
            help=_escape(self.help),
        )


class Flag(NamedTuple):
    """A flag without a value: True if it is on the line; the parameters are those of `Option`."""

    keyword: str
    flag: str
    help: str

    def add_to(self, parser: MagicParser) -> None:
        """Add it to a parser."""
        parser.add_argument(self.flag, dest=self.keyword, action="store_true", help=_escape(self.help))

    def resolve(self, _variables: Variables, is_present: bool) -> bool:
        """Return whether the flag is on the line."""
        return is_present


class Magic(NamedTuple):
    """One line magic.

    Parameters
    ----------
    name : str
        Without ``%``.
    summary : str
        What it does, in one or two lines.
    examples : tuple of str
        Lines to copy.
    parameters : tuple of Positional, Option or Flag
        In the order of the help.
    run : callable
        Takes the value of every parameter by its keyword, and returns what the magic returns.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    parameters: tuple[Positional | Option | Flag, ...]
    run: Callable[..., Any]

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag, ``--help`` last."""
        flags = (parameter.flag for parameter in self.parameters if not isinstance(parameter, Positional))
        return (*flags, "--help")

    @property
    def description(self) -> str:
        """The docstring of the magic, for ``%versori_runs?`` and ``%lsmagic``."""
        return "\n    ".join([f"{self.summary}\n\nExamples::\n", *self.examples]) + f"\n\nSee also %{self.name} --help."

    def parser(self) -> MagicParser:
        """Return a parser for the lines of this magic."""
        parser = MagicParser(self.name, self.summary, self.examples)
        for parameter in self.parameters:
            parameter.add_to(parser)
        return parser

    def call(self, line: str, variables: Variables) -> Any:
        """Run a line; with ``--help`` anywhere on it, return the help and do nothing.

        Raises
        ------
        ArgumentError
            If the line is wrong; nothing was sent.
        """
        parser = self.parser()
        words = split_line(line, parser.prog)
        if "--help" in words:
            from versori_magics.notebook.display.results import PlainText

            return PlainText(parser.format_help())
        values = parser.parse_words(words)
        return self.run(**{p.keyword: p.resolve(variables, values[p.keyword]) for p in self.parameters})


def _escape(text: str) -> str:
    return text.replace("%", "%%")  # argparse formats help texts with %
