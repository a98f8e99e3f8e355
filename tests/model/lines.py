"""The line of a magic that does the same as a call of a function."""

from __future__ import annotations

from typing import Any, NamedTuple


class Line(NamedTuple):
    """A line, the magic that runs it, and the variables that it names."""

    magic: str
    text: str
    variables: dict[str, Any]


def has_line(options: dict[str, Any]) -> bool:
    """Tell whether a magic can be called so: its flags are real booleans."""
    return isinstance(options.get("yes", False), bool)


def write_line(verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> Line:
    """Return the line for a function's name and its arguments; anything but text becomes a variable."""
    words, variables = [], {}
    for argument in args:
        if isinstance(argument, str):
            words.append(argument)
        else:
            variables["selection"] = argument
            words.append("selection")
    flags = {"yes": "--yes", "usage": "--usage"}
    for name, value in options.items():
        if name in flags:
            words += [flags[name]] * value
        elif name == "allow_breaking":
            variables["breaking"] = value
            words += ["--break breaking"] * bool(value)
        else:
            words.append(f"--{name} '{value}'")
    if verb == "plan":
        words.append("--dry-run")
    return Line("delete" if verb == "plan" else verb, " ".join(words), variables)
