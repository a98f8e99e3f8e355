"""Tab: flags, contexts, servers and variables. Nothing is asked of the platform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from versori_magics import settings
from versori_magics.notebook.magics import PARSERS
from versori_magics.platform.auth import AUTH_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

_LINE = re.compile(r"(?:^|=)\s*%(?P<magic>versori_\w+)\s+(?P<rest>.*)$")
# Named, not imported: pandas need not be loaded for a Tab.
_SELECTIONS = {"str", "list", "tuple", "set", "Series", "Index", "DataFrame", "DeletionPlan"}


def matcher(user_ns: Mapping[str, Any]) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Return a matcher for the lines of our magics, for ``ip.Completer.custom_matchers``.

    Parameters
    ----------
    user_ns : mapping
        The variables that can be named.
    """

    def versori_matcher(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.search(context.text_until_cursor)
        if not found or found["magic"] not in PARSERS:
            return {"completions": []}
        token = context.token
        words = found["rest"][: len(found["rest"]) - len(token)].split()
        texts = [text for text in _candidates(found["magic"], words, token, user_ns) if text.startswith(token)]
        # On our line nothing else makes sense: no file names, no keywords.
        return {"completions": [SimpleCompletion(text) for text in texts], "suppress": True}

    marked: Callable[[CompletionContext], SimpleMatcherResult] = context_matcher()(versori_matcher)
    return marked


def _candidates(magic: str, words: list[str], token: str, user_ns: Mapping[str, Any]) -> Iterable[str]:
    flags = {flag: action for action in PARSERS[magic]()._actions for flag in action.option_strings}  # noqa: SLF001
    if token.startswith("-"):
        return [flag for flag in flags if flag not in words]
    last = flags.get(words[-1]) if words else None
    if last is not None and last.nargs != 0:  # a flag that takes a value
        values = {"server": settings.SERVERS, "auth": AUTH_KINDS, "break": _selections(user_ns)}
        return values.get(last.dest, ())
    if magic == "versori_connect":
        return settings.contexts()
    return ("start", "stop", "reset") if magic == "versori_sandbox" else _selections(user_ns)


def _selections(user_ns: Mapping[str, Any]) -> list[str]:
    names = [name for name, value in user_ns.items() if type(value).__name__ in _SELECTIONS]
    return sorted(name for name in names if not name.startswith("_") and name != "In")


def install(shell: InteractiveShell) -> None:
    """Add our matcher to a shell, once."""
    remove(shell)
    shell.Completer.custom_matchers.append(matcher(shell.user_ns))


def remove(shell: InteractiveShell) -> None:
    """Take our matcher from a shell."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [one for one in matchers if getattr(one, "__name__", "") != "versori_matcher"]
