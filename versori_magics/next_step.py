"""The next step that an error or a report recommends, as data."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Action(StrEnum):
    """An action that can be recommended."""

    CONNECT = "connect"
    RECONNECT = "reconnect"
    FIND_CONNECTIONS = "find_connections"
    FIND_RUNS = "find_runs"
    RESUME = "resume"
    RAISE_LIMIT = "raise_limit"
    USE_FEWER_WORKERS = "use_fewer_workers"


class NextStep(NamedTuple):
    """A next step without the syntax of a magic, a function or a command line, which the caller adds.

    Parameters
    ----------
    action : Action
        The recommended action.
    argument : str
        A server, run id or number of rows, depending on `action`. Default empty.
    """

    action: Action
    argument: str = ""

    def __str__(self) -> str:
        """Return the step as a sentence."""
        return _SENTENCES[self.action].format(argument=self.argument)


_SENTENCES = {
    Action.CONNECT: "Connect to {argument}, then try again.",
    Action.RECONNECT: "Renew the token, set VERSORI_TOKEN, and try again.",
    Action.FIND_CONNECTIONS: "List the connections again.",
    Action.FIND_RUNS: "List the runs to see their ids and their state.",
    Action.RESUME: "Resume the run to finish it.",
    Action.RAISE_LIMIT: "Review the plan. If it is right, raise the maximum to {argument}.",
    Action.USE_FEWER_WORKERS: "Wait, or use fewer workers.",
}
