"""Tab completion for the magics: flags, contexts, servers and variables. Sends nothing to the platform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from versori_magics.notebook.magic_declaration import Magic, Option, Positional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    Matcher = Callable[[CompletionContext], SimpleMatcherResult]

_LINE = re.compile(r"(?:^|=)\s*%(?P<magic>versori_\w+)\s+(?P<arguments>.*)$")


def install(shell: InteractiveShell, magics: Mapping[str, Magic]) -> None:
    """Add the completion of our magics to a shell, once.

    Parameters
    ----------
    shell : InteractiveShell
        The shell.
    magics : mapping
        Every magic by its name.
    """
    remove(shell)
    shell.Completer.custom_matchers.append(_matcher(magics, shell.user_ns))


def remove(shell: InteractiveShell) -> None:
    """Remove our completion from a shell."""
    matchers = shell.Completer.custom_matchers
    # By name: reloading the extension creates a new function.
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "__name__", "") != "versori_matcher"]


def _matcher(magics: Mapping[str, Magic], user_ns: Mapping[str, Any]) -> Matcher:
    def versori_matcher(context: CompletionContext) -> SimpleMatcherResult:
        match = _LINE.search(context.text_until_cursor)
        if match is None or match["magic"] not in magics:
            return {"completions": []}
        token = context.token
        words = match["arguments"].removesuffix(token).split()
        suggestions = suggest(magics[match["magic"]], words, token, user_ns)
        completions = [SimpleCompletion(word) for word in suggestions if word.startswith(token)]
        # On this line no file name and no keyword makes sense. IPython honours it only if there is a completion.
        return {"completions": completions, "suppress": True}

    matcher: Matcher = context_matcher()(versori_matcher)
    return matcher


def suggest(magic: Magic, words: Sequence[str], token: str, user_ns: Mapping[str, Any]) -> Iterable[str]:
    """Return the words that can come next on a line.

    Parameters
    ----------
    magic : Magic
        The magic of the line.
    words : sequence of str
        The words before the token.
    token : str
        The beginning of the word under the cursor; may be empty.
    user_ns : mapping
        The user's variables.
    """
    unused_flags = [flag for flag in magic.flags if flag not in words]
    if token.startswith("-"):
        return unused_flags
    options = {parameter.flag: parameter for parameter in magic.parameters if isinstance(parameter, Option)}
    if words and words[-1] in options:
        return options[words[-1]].suggest(user_ns)
    positionals = [parameter for parameter in magic.parameters if isinstance(parameter, Positional)]
    return dict.fromkeys(word for positional in positionals for word in positional.suggest(user_ns)) or unused_flags
