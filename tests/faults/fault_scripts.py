"""Generated scripts: what goes wrong in each execution of a plan, and when it is stopped or killed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Literal

from hypothesis import strategies as st
from support import fault_answers as faults
from support.fault_answers import Fault

from versori_magics.settings import MAX_WORKERS

DELETE_TIMEOUT = 0.03  # seconds that a DELETE waits for its answer in executions with faults
LATE = 0.06


def _date_in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


# What a DELETE may meet. None of these lies: a refusal by the platform (an Error with a 4xx) is true.
FAULTS: dict[str, Callable[[], Fault]] = {
    "fine": lambda: Fault("fine"),
    "dropped before": faults.drop_before,
    "dropped after": faults.drop_after,
    "reset before": faults.rst,
    "reset after": lambda: faults.rst(do=True),
    "hung up": faults.hang_up,
    "502 page": lambda: faults.html(502),
    "502 page, done": lambda: faults.html(502, do=True),
    "503 page": lambda: faults.html(503),
    "503 page, done": lambda: faults.html(503, do=True),
    "504 page": lambda: faults.html(504),
    "504 page, done": lambda: faults.html(504, do=True),
    "504 Error, done": lambda: faults.error(504, do=True),
    "500 page, done": lambda: faults.html(500, do=True),
    "500 Error": lambda: faults.error(500),
    "500 Error, done": lambda: faults.error(500, do=True),
    "503 Error": lambda: faults.error(503),
    "503 Error, done": lambda: faults.error(503, do=True),
    "408 page, done": lambda: faults.html(408, do=True),
    "429": lambda: faults.error(429),
    "429 for seconds": lambda: faults.retry_after(429, "2"),
    "429 until a date": lambda: faults.retry_after(429, _date_in(2)),
    "429 until a date in the past": lambda: faults.retry_after(429, _date_in(-60)),
    "429 with nonsense": lambda: faults.retry_after(429, "soon"),
    "503 for seconds": lambda: faults.retry_after(503, "1"),
    "429 for an hour": lambda: faults.retry_after(429, "3600"),
    "slow": lambda: faults.delay(0.005),
    "late, then done": lambda: faults.delay(LATE),
    "done, then late": lambda: faults.delay_after(LATE),
    "late, then dropped": lambda: faults.delay(LATE, faults.drop_before()),
    "cut off in the status": lambda: faults.truncate(10),
    "cut off in the headers": lambda: faults.truncate(20),
    "promises a body": faults.truncate_body,
    "garbage": faults.garbage,
    "garbage, done": lambda: faults.garbage(do=True),
    "404 page": lambda: faults.html(404),
    "404 page, done": lambda: faults.html(404, do=True),
    "200, done": lambda: faults.answer(200, "{}", do=True),
    "200": lambda: faults.answer(200, "ok"),
    "redirect": lambda: faults.redirect("/elsewhere"),
    "400 Error": lambda: faults.error(400, fields=[{"field": "a[0]", "message": "is odd"}], details="why"),
    "401": lambda: faults.error(401),
    "403": lambda: faults.error(403),
}
# Faults that stop the whole run are rare, or little else would happen; those that are easily misjudged are frequent.
_WEIGHTS = {"401": 1, "429 for an hour": 1, "403": 3} | dict.fromkeys(("late, then done", "400 Error", "404 page"), 6)
_WEIGHTED_NAMES = [name for name in FAULTS for _ in range(_WEIGHTS.get(name, 2))]
_SHARED_NAMES = (
    "fine",
    "dropped before",
    "dropped after",
    "502 page",
    "500 Error",
    "429 for seconds",
    "slow",
    "garbage",
)
# What a GET may meet.
READ_FAULTS: dict[str, Callable[[], Fault]] = {name: FAULTS[name] for name in _SHARED_NAMES} | {
    "404 page": lambda: faults.html(404),
    "401": lambda: faults.error(401),
    "no page": lambda: faults.html(200),
}
# What somebody else does to a row. "remove" is drawn twice: a row that was removed is seldom sent.
CHANGES = ("rename", "touch", "remove", "remove", "activate", "link")


@dataclass(frozen=True)
class Execution:
    """One execution of a plan: the first, or a resume."""

    faults: tuple[tuple[str, ...], ...] = ()
    """For each row, what its DELETEs meet."""
    read_faults: tuple[str, ...] = ()
    """What the GETs meet, in the order in which they come."""
    changes: tuple[tuple[int, str], ...] = ()
    """(row, what somebody else does to it) before the execution."""
    looks_first: bool = False
    """Whether a resume asks for the state of the rows before it is agreed to, as for a person."""
    workers: int = 8
    stop_at: int | None = None
    """The arrival of this DELETE presses the stop button."""
    end: Literal["drained", "pressed twice", "killed"] = "drained"
    cut: float = 0
    """Where a kill cuts the journal: 0 is after the last line that was durable, 1 is its end."""


@dataclass(frozen=True)
class Script:
    """A plan of some rows, its first execution and its resumes."""

    rows: int
    static: int
    dynamic: int
    is_fresh: bool
    executions: tuple[Execution, ...]


@cache  # because building a strategy takes Hypothesis longer than drawing from it
def _executions(rows: int) -> st.SearchStrategy[Execution]:
    of_a_row = st.lists(st.sampled_from(_WEIGHTED_NAMES), max_size=5).map(tuple)
    read_faults = st.one_of(st.just(()), st.lists(st.sampled_from(list(READ_FAULTS)), max_size=6).map(tuple))
    changes = st.lists(st.tuples(st.integers(0, rows - 1), st.sampled_from(CHANGES)), max_size=2).map(tuple)
    return st.builds(
        Execution,
        faults=st.lists(of_a_row, min_size=rows, max_size=rows).map(tuple),
        read_faults=read_faults,
        changes=st.one_of(st.just(()), changes),
        looks_first=st.booleans(),
        workers=st.one_of(st.integers(1, 4), st.integers(1, MAX_WORKERS)),
        stop_at=st.one_of(st.none(), st.integers(1, 2 * rows)),
        end=st.sampled_from(["drained", "pressed twice", "killed"]),
        cut=st.floats(0, 1),
    )


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    rows = draw(st.integers(1, 6))
    return Script(
        rows=rows,
        static=draw(st.integers(0, 2)),
        dynamic=draw(st.integers(0, 2)),
        is_fresh=draw(st.booleans()),
        executions=tuple(draw(st.lists(_executions(rows), min_size=1, max_size=3))),
    )
