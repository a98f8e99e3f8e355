"""One generated trial: a script of faults, stops and kills, carried out on a real socket and then judged.

A trial is a plan and a few executions of it: the first, then resumes, each with faults of its own, and a last one
without any. After each, `_judge` holds what was reported against what the platform saw.
"""

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal

from faults import hostile as h
from faults.hostile import SECRET, Fault, HostilePlatform, RecordedRequest, World, world
from hypothesis import strategies as st

from versori_magics.deletion.engine import Progress
from versori_magics.deletion.interrupts import StopButton
from versori_magics.deletion.journal import is_under_way, read
from versori_magics.deletion.plan import Verdict
from versori_magics.deletion.report import GONE, Outcome, Planned, Resumed, Sent
from versori_magics.deletion.run import Options, Platform, execute, look_again, resume
from versori_magics.errors import PlatformError
from versori_magics.notebook.shown import DeletionPlan, DeletionReport
from versori_magics.platform import client as client_module
from versori_magics.platform.client import Client
from versori_magics.platform.models import Connection
from versori_magics.platform.pace import Clock
from versori_magics.platform.retry import Policy
from versori_magics.platform.survey import Seen, survey
from versori_magics.platform.usage import ConnectionUsage, Use
from versori_magics.settings import MAX_WORKERS

MOST_SENDS = Policy().sends * Policy().turns  # of one row in one execution
HURRY = 1000  # so many times faster do our waits pass
PATIENCE = 0.03  # seconds that a DELETE waits for its answer, in executions with faults
LATE = 0.06
TOKEN = "t0ken-for-tests-only"


class Hurried(Clock):
    """Waits pass quickly; the time is the real one, so that what is measured against a socket stays true."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return super().wait(stop, seconds / HURRY)


class Hasty(Hurried):
    """The time runs as fast as the waits, so that pauses end when they should."""

    def now(self) -> float:
        return super().now() * HURRY


def _at_a_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


# What a DELETE may meet. None of these lies: an Error of the platform that says "not done" means it.
FAULTS: dict[str, Callable[[], Fault]] = {
    "fine": lambda: Fault("fine"),
    "dropped before": h.drop_before,
    "dropped after": h.drop_after,
    "reset before": h.rst,
    "reset after": lambda: h.rst(do=True),
    "hung up": h.hang_up,
    "502 page": lambda: h.html(502),
    "502 page, done": lambda: h.html(502, do=True),
    "503 page": lambda: h.html(503),
    "503 page, done": lambda: h.html(503, do=True),
    "504 page": lambda: h.html(504),
    "504 page, done": lambda: h.html(504, do=True),
    "504 Error, done": lambda: h.error(504, do=True),
    "500 page, done": lambda: h.html(500, do=True),
    "500 Error": lambda: h.error(500),
    "503 Error": lambda: h.error(503),
    "408 page, done": lambda: h.html(408, do=True),
    "429": lambda: h.error(429),
    "429 for seconds": lambda: h.retry_after(429, "2"),
    "429 until a date": lambda: h.retry_after(429, _at_a_date(2)),
    "429 until a date gone by": lambda: h.retry_after(429, _at_a_date(-60)),
    "429 with nonsense": lambda: h.retry_after(429, "soon"),
    "503 for seconds": lambda: h.retry_after(503, "1"),
    "429 for an hour": lambda: h.retry_after(429, "3600"),
    "slow": lambda: h.delay(0.005),
    "late, then done": lambda: h.delay(LATE),
    "done, then late": lambda: h.delay_after(LATE),
    "late, then dropped": lambda: h.delay(LATE, h.drop_before()),
    "cut off in the status": lambda: h.truncate(10),
    "cut off in the headers": lambda: h.truncate(20),
    "promises a body": h.truncate_body,
    "garbage": h.garbage,
    "garbage, done": lambda: h.garbage(do=True),
    "404 page": lambda: h.html(404),
    "404 page, done": lambda: h.html(404, do=True),
    "200, done": lambda: h.answer(200, "{}", do=True),
    "200": lambda: h.answer(200, "ok"),
    "redirect": lambda: h.redirect("/elsewhere"),
    "400 Error": lambda: h.error(400, fields=[{"field": "a[0]", "message": "is odd"}], details="why"),
    "401": lambda: h.error(401),
    "403": lambda: h.error(403),
}
# Ends that stop the whole run come seldom, or little else would happen; what is easily judged wrongly comes often.
_WEIGHTS = {"401": 1, "429 for an hour": 1, "403": 3} | dict.fromkeys(("late, then done", "400 Error", "404 page"), 6)
NAMES = [name for name in FAULTS for _ in range(_WEIGHTS.get(name, 2))]
READ_FAULTS: dict[str, Callable[[], Fault]] = {
    name: FAULTS[name]
    for name in (
        "fine",
        "dropped before",
        "dropped after",
        "502 page",
        "500 Error",
        "429 for seconds",
        "slow",
        "garbage",
    )
} | {"404 page": lambda: h.html(404), "401": lambda: h.error(401), "no page": lambda: h.html(200)}
MOVES = ("rename", "touch", "remove", "remove", "activate", "link")  # what is removed seldom comes to its DELETE


@dataclass(frozen=True)
class Execution:
    faults: tuple[tuple[str, ...], ...] = ()
    """For each row, what its sends meet."""
    reads: tuple[str, ...] = ()
    """What the GETs meet, in the order they come."""
    moves: tuple[tuple[int, str], ...] = ()
    """(row, what happens to it) beforehand, behind our back."""
    workers: int = 8
    stop_at: int | None = None
    """The arrival of this DELETE presses the stop button."""
    end: Literal["drained", "pressed twice", "killed"] = "drained"
    cut: float = 0
    """Where a kill cuts the journal: 0 is after the last line that was durable, 1 is its end."""


@dataclass(frozen=True)
class Script:
    rows: int
    static: int
    dynamic: int
    stale: bool
    executions: tuple[Execution, ...]


def executions(rows: int) -> st.SearchStrategy[Execution]:
    of_a_row = st.lists(st.sampled_from(NAMES), max_size=5).map(tuple)
    reads = st.one_of(st.just(()), st.lists(st.sampled_from(list(READ_FAULTS)), max_size=6).map(tuple))
    moves = st.lists(st.tuples(st.integers(0, rows - 1), st.sampled_from(MOVES)), max_size=2).map(tuple)
    return st.builds(
        Execution,
        faults=st.lists(of_a_row, min_size=rows, max_size=rows).map(tuple),
        reads=reads,
        moves=st.one_of(st.just(()), moves),
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
        stale=draw(st.booleans()),
        executions=tuple(draw(st.lists(executions(rows), min_size=1, max_size=3))),
    )


class Leaks(logging.Handler):
    """Listens to every log record and keeps those that tell a secret."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []
        self.heard = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.heard += 1
        text = record.getMessage()
        if TOKEN in text or SECRET in text:
            self.found.append(text)

    @contextmanager
    def listening(self) -> Iterator["Leaks"]:
        # The talkative ones by themselves, so that nobody else has to write down what they say.
        loggers = [logging.getLogger(name) for name in ("", "httpx", "httpcore", "filelock")]
        before = [(logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.addHandler(self)
        try:
            yield self
        finally:
            for logger, (level, propagate) in zip(loggers, before, strict=True):
                logger.removeHandler(self)
                logger.setLevel(level)
                logger.propagate = propagate


@dataclass
class Trial:
    platform: HostilePlatform
    folder: Path
    leaks: Leaks
    script: Script
    removed: set[str] = field(default_factory=set)
    """Gone behind our back."""
    kept: set[str] = field(default_factory=set)
    """Changed before we looked at them again: they must not be sent any more."""
    texts: list[str] = field(default_factory=list)
    """Everything that a person could see."""
    sends: Counter[str] = field(default_factory=Counter)
    """Of this execution, by id."""
    stopped: bool = False
    after_stop: int = 0
    """Sends that began although the stop button was pressed already."""

    def go(self) -> list[Counter[str]]:
        """Carry the whole script out, judge it after each execution, and give the outcomes of each."""
        self.made = self._world()
        self.platform.reset(self.made)
        self.plan = self._plan()
        self.path = self.folder / f"{self.plan.id}.jsonl"
        found = [self._execute(execution, first=not n) for n, execution in enumerate(self.script.executions)]
        found.append(self._execute(Execution(), first=False, last=True))
        self._nothing_more()
        self._no_secret()
        self.platform.verify()
        return found

    def _world(self) -> World:
        made = world(static=self.script.static, dynamic=self.script.dynamic, free=self.script.rows)
        # One environment is enough of a house for who uses what.
        for project in list(made.projects.values())[1:]:
            del made.projects[project.id]
        (project,) = made.projects.values()
        del project.environments[1:]
        (home,) = project.environments
        made.links = {home.id: {key: linked[key] for linked in made.links.values() for key in linked}}
        for activation in made.activations.values():
            activation.environment_id = home.id
        return made

    def _plan(self) -> DeletionPlan:
        """Plan what the platform would say; asking it costs more than everything else, so only resumes ask."""
        made = self.made
        seen = {}
        for key, row in made.connections.items():
            kind: Literal["static", "dynamic", "unused"] = (
                "static" if key in made.static else "dynamic" if key in made.dynamic else "unused"
            )
            uses = (Use(kind, "Orders", "", "production", "", "running"),) if kind != "unused" else ()
            connection = Connection(id=key, name=row.name, updated_at=row.updated_at)
            seen[key] = Seen(connection, "", ConnectionUsage(kind, uses))
        plan = DeletionPlan.make(self.platform.url, self.platform.organisation, tuple(made.connections), seen)
        assert [row.id for row in plan.to_delete] == made.free
        return plan

    def _move(self, moves: tuple[tuple[int, str], ...], *, seen: bool) -> None:
        """Change rows behind our back; where we look again before sending, it must be seen."""
        with self.platform.lock:
            for number, move in moves:
                key = self.made.free[number]
                if key not in self.made.connections:
                    continue
                row = self.made.connections[key]
                if move == "rename":
                    row.name += "!"
                elif move == "touch":
                    row.updated_at = "2026-01-01T00:00:00Z"
                elif move == "remove" and not any(key in a.connections for a in self.made.activations.values()):
                    self.made.remove(key)
                    self.removed.add(key)
                elif move == "activate":
                    self.made.activate(key)
                elif move == "link" and seen:
                    self.made.link(key)
                if seen and key in self.made.connections:
                    self.kept.add(key)

    def _execute(self, execution: Execution, *, first: bool, last: bool = False) -> Counter[str]:
        self._move(execution.moves, seen=self.script.stale or not first)
        button = StopButton()
        self._tell(execution, button)
        options = Options(
            workers=execution.workers,
            watch=self._watch(execution.workers),
            button=button,
            policy=Policy(seconds=45.0 * HURRY),
            clock=Hasty(),
        )
        with Client(self.platform.url, self.platform.organisation, TOKEN, clock=Hurried()) as client:
            self.texts.append(repr(client))
            with _patience(10 if last else PATIENCE):
                report = self._run(client, options, first=first)
                _until(lambda: not is_under_way(self.path))  # pressed twice: the last worker closes it
        self.platform.wait_for(lambda: not self.platform.in_flight and not self.platform.open_connections)
        assert self.after_stop <= execution.workers, "sent after the stop"
        assert all(count <= MOST_SENDS for count in self.sends.values()), self.sends
        if execution.end == "killed":
            self._cut(execution.cut)
            report = self._replayed()
        elif button.at_once:
            report = self._finished_behind(report)
        else:
            assert report == self._replayed(), "the journal tells another story than the report"
            assert report.ended
        self._judge(report)
        if last:
            assert not report.unfinished, report.unfinished
        return Counter(row.outcome.value for row in report.rows)

    def _tell(self, execution: Execution, button: StopButton) -> None:
        """Tell the platform what goes wrong, and when the stop button is pressed."""
        faults = {key: list(names) for key, names in zip(self.made.free, execution.faults, strict=False)}
        reads = list(execution.reads)
        self.sends, self.stopped, self.after_stop = Counter(), False, 0
        arrived = 0

        def decide(request: RecordedRequest) -> Fault | None:
            nonlocal arrived
            if request.operation != "DeleteConnection":
                return READ_FAULTS[reads.pop(0)]() if reads else None
            arrived += 1
            key = request.ids[0]
            if arrived == execution.stop_at:
                self.stopped = True
                button.presses = 2 if execution.end == "pressed twice" else 1
                button.stop.set()
            return FAULTS[faults[key].pop(0)]() if faults.get(key) else None

        with self.platform.lock:
            self.platform.decide = decide

    def _run(self, client: Client, options: Options, *, first: bool) -> DeletionReport:
        lock = threading.Lock()

        def delete(key: str) -> None:
            # Counted where it leaves: a loaded machine may notice a request only after we gave up waiting for it.
            with lock:
                self.sends[key] += 1
                self.after_stop += self.stopped
            client.delete(key)

        platform = Platform(delete, client.exists, lambda ids: survey(client, ids))
        while True:
            failure: PlatformError | None = None
            try:
                if first:
                    return execute(
                        self.plan, platform, DeletionReport, options, stale=self.script.stale, folder=self.folder
                    )
                return resume(
                    self.plan.id,
                    lambda rest: look_again(rest, platform.look, None),
                    platform,
                    DeletionReport,
                    options,
                    self.folder,
                )
            except PlatformError as error:  # the look failed
                failure = error
            assert not self.sends, "sent, although the look failed"
            assert not is_under_way(self.path)
            self.texts += [str(failure), *traceback.format_exception(failure)]
            self._tell_reads_no_more()

    def _tell_reads_no_more(self) -> None:
        before = self.platform.decide

        def decide(request: RecordedRequest) -> Fault | None:
            return before(request) if before and request.method == "DELETE" else None

        with self.platform.lock:
            self.platform.decide = decide

    def _watch(self, workers: int) -> Callable[[Progress], None]:
        def watch(progress: Progress) -> None:
            assert progress.done <= progress.planned
            assert progress.in_flight <= workers
            assert progress.outcomes.total() == progress.done

        return watch

    def _replayed(self) -> DeletionReport:
        return DeletionReport.replay(read(self.path), str(self.path))

    def _cut(self, fraction: float) -> None:
        """Leave the journal as a kill at some instant would have: every line whose DELETE left is there."""
        content = self.path.read_bytes()
        sent: Counter[str] = Counter()
        offset = low = 0
        for line in content.splitlines(keepends=True):
            offset += len(line)
            record = _record(line)
            if isinstance(record, Sent):
                sent[record.id] += 1
                low = offset if sent[record.id] <= self.sends[record.id] else low
            elif isinstance(record, Planned | Resumed):
                sent.clear()
                low = offset
        self.path.write_bytes(content[: low + round(fraction * (len(content) - low))])

    def _finished_behind(self, early: DeletionReport) -> DeletionReport:
        """After a second press the report came at once; what was in flight then may have become known since."""
        late = self._replayed()
        for before, after in zip(early.rows, late.rows, strict=True):
            open_ = before.outcome in {Outcome.UNKNOWN, Outcome.NOT_ATTEMPTED}
            assert open_ or before == after
            assert before.outcome != Outcome.NOT_ATTEMPTED or after.outcome == Outcome.NOT_ATTEMPTED
        self._judge(early)
        return late

    def _judge(self, report: DeletionReport) -> None:
        platform, by_id = self.platform, {row.id: row for row in report.rows}
        self._show(report)
        assert [row.id for row in report.rows] == [row.id for row in self.plan.rows]
        assert sum(report.counts.values()) == len(self.plan.rows)
        gone = platform.deleted
        assert gone <= set(self.made.free), "something was deleted that was not planned"
        maybe = {key for key, row in by_id.items() if row.outcome in GONE or row.outcome == Outcome.UNKNOWN}
        assert gone <= maybe, {key: by_id[key] for key in gone - maybe}
        for key, row in by_id.items():
            if row.outcome in GONE:
                assert key not in self.made.connections, row
            if row.outcome == Outcome.DELETED:
                assert key in gone or key in self.removed, row
        for planned in self.plan.rows:
            if planned.verdict != Verdict.DELETE:
                assert platform.sends(planned.id) == 0, planned
                assert by_id[planned.id].outcome == Outcome.IN_USE
        assert not self.kept & self.sends.keys(), "sent, although it was not as planned any more"
        self._journaled()

    def _journaled(self) -> None:
        sent = Counter(record.id for record in read(self.path) if isinstance(record, Sent))
        for key in self.made.free:
            assert self.platform.sends(key) <= sent[key], "a DELETE without its line"

    def _nothing_more(self) -> None:
        """The same plan again, and one more resume: neither sends anything."""
        before = len(self.platform.requests)
        nobody = Platform(_never, _never, lambda _: _never())
        again = execute(self.plan, nobody, DeletionReport, Options(), stale=True, folder=self.folder)
        assert again == self._replayed()
        rest = resume(
            self.plan.id,
            lambda rest: look_again(rest, nobody.look, None),
            nobody,
            DeletionReport,
            Options(),
            self.folder,
        )
        assert rest.rows == again.rows
        assert len(self.platform.requests) == before

    def _show(self, report: DeletionReport) -> None:
        self.texts += [repr(report), *report._repr_mimebundle_().values(), str(report.rows)]

    def _no_secret(self) -> None:
        self.texts += [repr(self.plan), *self.plan._repr_mimebundle_().values()]
        self.texts += [
            path.read_text(encoding="utf-8", errors="replace") for path in self.folder.glob(f"{self.plan.id}*")
        ]
        for text in self.texts:
            assert TOKEN not in text
            assert SECRET not in text
        assert not self.leaks.found


def _never(*_: Any) -> Any:
    raise AssertionError("nothing may be asked or sent")


def _record(line: bytes) -> Any:
    from versori_magics.deletion.journal import _decode

    try:
        return _decode(line)
    except ValueError:
        return None


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    before = client_module.DELETE_SECONDS
    client_module.DELETE_SECONDS = seconds
    try:
        yield
    finally:
        client_module.DELETE_SECONDS = before


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not within 10 s"
        time.sleep(0.001)


__all__ = ["FAULTS", "TOKEN", "Execution", "Hasty", "Hurried", "Leaks", "Script", "Trial", "scripts"]
