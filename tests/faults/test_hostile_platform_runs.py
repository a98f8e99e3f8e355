"""Whole runs against a hostile platform on a real socket: what the promise says, one scene each."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from faults import hostile as h
from faults.hostile import FOREVER, Fault, HostilePlatform, RecordedRequest, world

import versori_magics as versori
from versori_magics.deletion.report import Outcome
from versori_magics.deletion.run import Options, Platform, execute, look_again, resume
from versori_magics.errors import JournalError, PlatformError, RunStoppedError, VersoriError
from versori_magics.notebook.session import CURRENT
from versori_magics.platform import client as client_module
from versori_magics.platform.client import Client
from versori_magics.platform.pace import Clock
from versori_magics.platform.survey import survey

HURRY = 20  # so many times faster do waits pass where a clock can be given
SECOND = str(HURRY)  # a Retry-After that then is one real second


class Hasty(Clock):
    def now(self) -> float:
        return super().now() * HURRY

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return super().wait(stop, seconds / HURRY)


@pytest.fixture(scope="module")
def server() -> Iterator[HostilePlatform]:
    with HostilePlatform() as made:
        yield made


@pytest.fixture
def platform(server: HostilePlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HostilePlatform]:
    """A platform that the verbs are connected to; afterwards nobody is, and nothing was sent that should not be."""
    server.token = "t0ken-for-tests-only"
    server.reset(world(free=5))
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "runs"))
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    yield server
    CURRENT.close()
    server.wait_for(lambda: server.open_connections == 0)
    server.verify()


def outcomes(report: Any) -> dict[str, int]:
    return {outcome: count for outcome, count in report.counts.items() if count}


def stopped(work: Callable[[], Any]) -> RunStoppedError:
    with pytest.raises(RunStoppedError) as caught:
        work()
    return caught.value


def on_deletes(platform: HostilePlatform, act: Callable[[int, RecordedRequest], Fault | None]) -> None:
    """Let `act` see each DELETE as it arrives, with its number from 1."""
    numbers = iter(range(1, FOREVER))
    platform.decide = lambda request: act(next(numbers), request) if request.method == "DELETE" else None


# A network in which half of everything goes wrong.


class Storm:
    """25 % lost answers, 10 % connections dropped before, 15 % pages of a 503, 3 % 429, each request by itself.

    With `in_a_row`, nobody meets more than so many faults one after the other.
    """

    def __init__(self, seed: int, in_a_row: int | None = None, pause: str = "0.05") -> None:
        self.pause = pause
        self.rng = random.Random(seed)
        self.in_a_row = in_a_row
        self.met: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def __call__(self, request: RecordedRequest) -> Fault | None:
        key, roll = request.method + request.path, self.rng.random()
        found = (
            h.drop_after() if roll < 0.25 else h.drop_before() if roll < 0.35 else h.html(503) if roll < 0.5 else None
        )
        if found is None and roll > 0.97:
            found = h.retry_after(429, self.pause)
        if found is None or self.met[key] == self.in_a_row:
            self.met[key] = 0
            return None
        self.met[key] += 1
        self.faults[found.name] += 1
        return found


def in_a_storm(
    platform: HostilePlatform, storm: Storm, folder: Path, rate: float | None, workers: int = 16
) -> tuple[Any, list[str], list[str], list[str]]:
    """Delete 600 rows; gives the report, the free ones, those in use, and those that come into use under way."""
    made = world(static=80, dynamic=80, free=440, seed=storm.rng.randrange(1000))
    platform.reset(made)
    busy, free = made.free[::11], [key for n, key in enumerate(made.free) if n % 11]
    with Client(platform.url, platform.organisation, platform.token, clock=Hasty()) as client:
        ids = tuple(made.connections)
        plan = versori.DeletionPlan.make(client.server, client.organisation, ids, survey(client, ids))
        for key in busy:
            made.activate(key)
        if rate is not None:
            platform.rate_limit(rate, SECOND)
        platform.decide = storm
        told = Platform(client.delete, client.exists, lambda ids: survey(client, ids))
        options = Options(workers=workers, clock=Hasty())
        report: Any = execute(plan, told, versori.DeletionReport, options, stale=False, folder=folder)
        assert report.ended
        judge(platform, report)
        platform.decide, platform._rate = None, None
        resumed: Any = resume(
            plan.id, lambda rest: look_again(rest, told.look, None), told, versori.DeletionReport, options, folder
        )
    judge(platform, resumed)
    assert {row.id for row in resumed.rows if row.outcome == Outcome.DELETED} == set(free) == platform.deleted
    return report, free, [*made.static, *made.dynamic], busy


def judge(platform: HostilePlatform, report: Any) -> None:
    """Hold a report against what the platform did."""
    found = {row.id: row.outcome for row in report.rows}
    assert len(found) == len(report.rows) == sum(report.counts.values())
    sure = {key for key, outcome in found.items() if outcome in {Outcome.DELETED, Outcome.ALREADY_GONE}}
    assert sure <= set(found) - platform.world.connections.keys()
    assert platform.deleted <= sure | {key for key, outcome in found.items() if outcome == Outcome.UNKNOWN}


def test_with_three_faults_in_a_row_at_most_every_free_row_goes_and_every_used_one_stays(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    storm = Storm(1, in_a_row=3, pause="1")
    report, free, used, busy = in_a_storm(platform, storm, tmp_path, rate=None)
    by_id = {row.id: row.outcome for row in report.rows}
    assert {by_id[key] for key in free} == {Outcome.DELETED}
    assert {by_id[key] for key in used} == {by_id[key] for key in busy} == {Outcome.IN_USE}
    assert not any(platform.sends(key) for key in used)
    assert max(platform.sends(key) for key in free) == 4
    assert min(storm.faults[name] for name in ("drop_after", "drop_before", "answer 503", "answer 429")) > 5


def test_when_half_of_all_goes_wrong_no_row_is_told_wrongly_and_a_resume_finishes_the_rest(
    platform: HostilePlatform, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four sends meet four faults now and then: about 1 % of the free rows is expected to end as `unknown`."""
    seeds = 2 if request.config.getoption("faults_budget", None) is None else 20
    rows: Counter[str] = Counter()
    for seed in range(seeds):
        storm = Storm(seed, pause="1")
        report, free, used, busy = in_a_storm(platform, storm, tmp_path / str(seed), rate=500)
        by_id = {row.id: row.outcome for row in report.rows}
        assert {by_id[key] for key in used} == {Outcome.IN_USE}
        assert min(storm.faults[name] for name in ("drop_after", "drop_before", "answer 503", "answer 429")) > 5
        rows.update(f"free {by_id[key]}" for key in free)
        rows.update(f"busy {by_id[key]}" for key in busy)
    with capsys.disabled():
        sys.stdout.write(f"\n{seeds} storms of 600 rows: {dict(sorted(rows.items()))}\n")
    assert rows["free deleted"] > 0.97 * seeds * len(free)
    assert rows["busy in_use"] > 0.75 * seeds * len(busy)
    assert rows.keys() <= {"free deleted", "free unknown", "free failed", "busy in_use", "busy unknown", "busy failed"}


def test_the_verb_deletes_through_a_storm(platform: HostilePlatform) -> None:
    made = world(static=10, dynamic=10, free=80)
    platform.reset(made)
    plan = versori.plan(".", list(made.connections))
    assert plan.counts == {"delete": 80, "in_use": 20, "protected": 0, "not_found": 0}
    storm = Storm(5, in_a_row=2)
    platform.decide = lambda request: storm(request) if request.method == "DELETE" else None
    report = versori.delete(".", plan, yes=True, workers=32)
    assert outcomes(report) == {"deleted": 80, "in_use": 20}
    assert platform.deleted == set(made.free)
    assert len(platform.deletes) > 120
    before = len(platform.requests)
    assert versori.delete(".", plan, yes=True) == report
    assert len(platform.requests) == before, "a plan that is executed twice sends nothing the second time"


# One fault, seen closely.


@pytest.mark.parametrize(
    ("fault", "sends"),
    [
        (h.drop_after(), 2),
        (h.rst(do=True), 2),
        (h.delay_after(1), 2),
        (h.html(502, do=True), 2),
        (h.html(503, do=True), 2),
        (h.html(504, do=True), 2),
        (h.error(504, do=True), 2),
        (h.truncate(12), 2),
        (h.garbage(do=True), 2),
        (h.html(404, do=True), 1),
        (h.answer(200, "{}", do=True), 1),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_deletion_whose_answer_does_not_tell_ends_as_deleted(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch, fault: Fault, sends: int
) -> None:
    monkeypatch.setattr(client_module, "DELETE_SECONDS", 0.3)
    (key,) = platform.world.free[:1]
    platform.script[key] = [fault]
    (row,) = versori.delete(".", key, yes=True).rows
    assert (row.outcome, row.attempts, platform.sends(key)) == (Outcome.DELETED, sends, sends)
    assert platform.deleted == {key}


@pytest.mark.parametrize(
    "fault",
    [h.drop_after(), h.html(502), h.garbage(do=True), h.html(502, do=True)],
    ids=lambda fault: fault.name,
)
def test_a_deletion_that_nobody_can_ask_after_ends_as_unknown_and_never_as_failed(
    platform: HostilePlatform, fault: Fault
) -> None:
    (key,) = platform.world.free[:1]
    platform.on("DELETE", "", fault, times=FOREVER)
    # The plan's own look comes first; what is asked after the fourth DELETE gets no answer.
    platform.decide = lambda _: h.drop_before() if platform.sends(key) == 4 else None
    with Client(platform.url, platform.organisation, platform.token, clock=Hasty()) as client:
        plan = versori.DeletionPlan.make(client.server, client.organisation, (key,), survey(client, (key,)))
        told = Platform(client.delete, client.exists, lambda ids: survey(client, ids))
        (row,) = execute(plan, told, versori.DeletionReport, Options(clock=Hasty()), stale=False).rows
    assert (row.outcome, row.attempts, platform.sends(key)) == (Outcome.UNKNOWN, 4, 4)
    assert row.unfinished


def test_a_refusal_says_nothing_of_a_send_that_may_still_be_on_its_way(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "DELETE_SECONDS", 0.1)
    late, once = platform.world.free[:2]
    platform.script |= {late: [h.delay(2), h.html(404)], once: [h.html(404)]}
    late_row, once_row = versori.delete(".", [late, once], yes=True).rows
    assert late in platform.world.connections, "too slow for what is to be shown"
    assert (late_row.outcome, once_row.outcome) == (Outcome.UNKNOWN, Outcome.REFUSED)
    platform.wait_for(lambda: late in platform.deleted)


def test_an_error_of_the_platform_is_shown_as_it_said_it(platform: HostilePlatform) -> None:
    (key,) = platform.world.free[:1]
    platform.script[key] = [h.error(422, "7", "no", [{"field": "a[0].b", "message": "is odd"}], "why")]
    report = versori.delete(".", key, yes=True)
    (row,) = report.rows
    assert (row.outcome, row.status, row.code, row.message) == (Outcome.REFUSED, 422, "7", "no")
    assert (row.fields, row.details, row.attempts) == ((("a[0].b", "is odd"),), "why", 1)
    assert "a[0].b: is odd" in repr(report)


def test_a_redirect_is_not_followed(platform: HostilePlatform) -> None:
    (key,) = platform.world.free[:1]
    with HostilePlatform() as elsewhere:
        platform.script[key] = [h.redirect(f"{elsewhere.url}/o/{platform.organisation}/connections/{key}")]
        (row,) = versori.delete(".", key, yes=True).rows
        assert elsewhere.requests == []
    assert row.outcome == Outcome.UNKNOWN
    assert platform.deleted == set()


# Stopping.


def test_a_token_that_dies_stops_the_run_and_a_new_one_finishes_it(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(free=250)
    platform.reset(made)
    platform.dead_token_after(50)
    error = stopped(lambda: versori.delete(".", made.free, yes=True, max=250))
    report = error.report
    assert 50 < len(platform.deletes) <= 50 + 8
    assert outcomes(report)["deleted"] == 50
    assert outcomes(report)["not_attempted"] >= 250 - 50 - 8
    assert "401" in error.message
    assert "50 deleted" in error.message
    assert error.hint == f"Go on with: %versori_resume {report.run}"
    judge(platform, report)
    # With the dead token nothing can be learned, so nothing is sent; the run stays as it is.
    before = len(platform.deletes)
    with pytest.raises(PlatformError):
        versori.resume(report.run, yes=True)
    assert len(platform.deletes) == before
    platform.token, platform._dead_after = "another-token", None
    monkeypatch.setenv("VERSORI_TOKEN", platform.token)
    finished = versori.resume(report.run, yes=True)
    assert outcomes(finished) == {"deleted": 250}
    assert platform.deleted == set(made.free)
    assert len(platform.deletes) <= 250 + 8
    assert versori.resume(report.run, yes=True).rows == finished.rows


@pytest.mark.parametrize("workers", [1, 8])
def test_forbidden_rows_by_themselves_are_refused_and_stop_nobody(platform: HostilePlatform, workers: int) -> None:
    made = world(free=9)
    platform.reset(made)
    odd = made.free[::3]
    platform.script |= {key: [h.error(403)] for key in odd}
    if workers > 1:  # side by side, answers come in any order: the forbidden ones wait for another to have gone
        platform.script |= {key: [h.delay(0.4 * n, h.error(403))] for n, key in enumerate(odd)}
        platform.script |= {key: [h.delay(0.4 * n + 0.2)] for n, key in enumerate(made.free[1::3])}
    report = versori.delete(".", made.free, yes=True, workers=workers)
    assert outcomes(report) == {"deleted": 6, "refused": 3}
    assert {row.id for row in report.rows if row.outcome == Outcome.REFUSED} == set(odd)
    assert not report.stopped


def test_three_forbidden_rows_one_after_the_other_stop_the_run(platform: HostilePlatform) -> None:
    made = world(free=40)
    platform.reset(made)
    platform.on("DELETE", "", *[h.error(403)] * 40)
    error = stopped(lambda: versori.delete(".", made.free, yes=True, workers=4))
    assert 3 <= len(platform.deletes) <= 3 + 4
    assert "403" in error.message
    assert outcomes(error.report).keys() == {"refused", "not_attempted"}


def test_a_pause_that_is_too_long_stops_the_run_and_says_when_to_come_back(platform: HostilePlatform) -> None:
    made = world(free=30)
    platform.reset(made)
    slow = h.delay(0.5)  # or others get far while the answer is on its way
    on_deletes(
        platform, lambda number, _: h.retry_after(429, "3600") if number == 10 else slow if number > 10 else None
    )
    error = stopped(lambda: versori.delete(".", made.free, yes=True, workers=4))
    assert len(platform.deletes) <= 10 + 3
    assert "come back in 3,600 s, at 2" in error.message
    assert "%versori_resume" in error.hint
    judge(platform, error.report)
    platform.decide = None
    assert outcomes(versori.resume(error.report.run, yes=True)) == {"deleted": 30}


def test_a_pause_holds_everybody(platform: HostilePlatform) -> None:
    made = world(free=60)
    platform.reset(made, latency=0.01)
    on_deletes(platform, lambda number, _: h.retry_after(503, "1") if number == 20 else None)
    assert outcomes(versori.delete(".", made.free, yes=True, workers=8)) == {"deleted": 60}
    times = [request.at for request in platform.deletes]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    longest = max(range(len(pauses)), key=pauses.__getitem__)
    assert 0.9 < pauses[longest] < 3
    assert 20 <= longest + 1 < 60, "some went before the answer was there, and the rest after the pause"


def test_429_eases_off_and_the_width_comes_back(platform: HostilePlatform) -> None:
    made = world(free=700)
    platform.reset(made, latency=0.02)
    under_way: list[int] = []

    def act(number: int, _: RecordedRequest) -> Fault | None:
        under_way.append(platform.in_flight)
        return h.error(429) if number == 60 else None

    on_deletes(platform, act)
    assert outcomes(versori.delete(".", made.free, yes=True, max=700, workers=16)) == {"deleted": 700}
    assert max(under_way[:60]) >= 12
    eased = max(under_way[60 + 40 : 60 + 60])
    assert eased <= 10
    assert max(under_way[-150:]) > eased
    assert max(under_way) <= 16


def test_sigint_lets_what_is_in_flight_finish_and_sends_nothing_more(platform: HostilePlatform) -> None:
    made = world(free=60)
    platform.reset(made, latency=0.1)
    on_deletes(platform, lambda number, _: os.kill(os.getpid(), signal.SIGINT) if number == 12 else None)
    with pytest.raises(KeyboardInterrupt):
        versori.delete(".", made.free, yes=True, workers=4)
    assert 12 <= len(platform.deletes) <= 12 + 2 * 4
    (run,) = versori.runs()["run"]
    platform.decide, platform.latency = None, 0
    assert len(platform.deleted) == len(platform.deletes), "what was in flight was not waited for"
    assert outcomes(versori.resume(run, yes=True)) == {"deleted": 60}
    assert len(platform.deletes) == 60


# kill -9.

CHILD = """
import os, sys, versori_magics as versori
ids = sys.argv[2:]
if sys.argv[1] == "delete":
    versori.delete(".", ids, yes=True, max=len(ids))
else:
    versori.resume(sys.argv[1], yes=True)
"""


def child(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.parametrize("seed", range(3))
def test_after_kill_9_at_any_delete_a_resume_finishes_and_every_id_has_one_outcome(
    platform: HostilePlatform, seed: int
) -> None:
    made, rng = world(free=60, dynamic=5), random.Random(seed)
    platform.reset(made, latency=0.002)
    doomed: list[subprocess.Popen[bytes]] = []
    last = rng.randint(1, 60)
    faults = [h.drop_after(), None, h.delay_after(0.2), None]

    def act(number: int, _: RecordedRequest) -> Fault | None:
        if number == last:
            doomed[0].kill()
        return rng.choice(faults)

    on_deletes(platform, act)
    platform.lock.acquire()
    try:
        doomed.append(child("delete", *made.connections))
    finally:
        platform.lock.release()
    assert doomed[0].wait(30) == -signal.SIGKILL
    platform.decide = None
    platform.wait_for(lambda: not platform.in_flight)
    listed = versori.runs()
    assert len(listed) == 1
    assert "interrupted" in listed.to_string()
    done = versori.resume(listed["run"].iloc[0], yes=True)
    judge(platform, done)
    assert outcomes(done) == {"deleted": 60, "in_use": 5}
    assert platform.deleted == set(made.free)


def test_two_kernels_cannot_resume_one_run_at_once(platform: HostilePlatform) -> None:
    made = world(free=30)
    platform.reset(made)
    on_deletes(platform, lambda number, _: h.error(401) if number == 3 else None)
    run = stopped(lambda: versori.delete(".", made.free, yes=True, workers=2)).report.run
    platform.decide, platform.latency = None, 0.3
    other = child(run)
    before = len(platform.deletes)
    platform.wait_for(lambda: len(platform.deletes) > before, timeout=30)
    with pytest.raises(JournalError, match="under way"):
        versori.resume(run, yes=True)
    platform.latency = 0
    assert other.wait(30) == 0
    assert versori.resume(run, yes=True).counts["deleted"] == 30
    assert max(platform.sends(key) for key in made.free) <= 2


# A plan that has aged.


def test_what_happened_between_plan_and_execution_is_seen(platform: HostilePlatform) -> None:
    made = world(free=8, static=1)
    platform.reset(made)
    renamed, touched, gone, linked, switched_on, *rest = made.free
    plan = versori.plan(".", [*made.free, *made.static], allow_breaking=made.static)
    made.connections[renamed].name += " (new)"
    made.connections[touched].updated_at = "2026-01-01T00:00:00Z"
    made.remove(gone)
    made.link(linked)
    made.activate(switched_on)
    made.link(made.static[0], made.environments[1].id)
    report = versori.delete(".", plan, yes=True)
    found = {row.id: (row.outcome, row.message) for row in report.rows}
    assert found[gone][0] == Outcome.ALREADY_GONE
    for key, words in (
        (renamed, "its name"),
        (touched, "it was updated"),
        (linked, "it is in use now: Orders / production"),
        (switched_on, "it is in use now: end user"),
        (made.static[0], "who uses it"),
    ):
        assert found[key][0] == Outcome.CHANGED
        assert words in found[key][1]
        assert platform.sends(key) == 0
    assert platform.deleted == set(rest)
    assert outcomes(report) == {"deleted": 3, "already_gone": 1, "changed": 5}


def test_a_row_that_comes_into_use_behind_the_second_look_is_kept_by_the_platform(platform: HostilePlatform) -> None:
    made = platform.world

    def act(number: int, _: RecordedRequest) -> None:
        if number == 1:
            made.activate(made.free[4])

    on_deletes(platform, act)
    report = versori.delete(".", made.free, yes=True, workers=1)
    assert outcomes(report) == {"deleted": 4, "in_use": 1}
    assert report.rows[4].status == 409
    assert "in use by an end user" in report.rows[4].message


def test_a_second_look_that_fails_sends_nothing_and_leaves_the_plan_as_it_was(platform: HostilePlatform) -> None:
    made = platform.world
    plan = versori.plan(".", made.free)
    platform.on("GET", "/connections/", h.error(400))
    with pytest.raises(VersoriError):
        versori.delete(".", plan, yes=True)
    assert not platform.deletes
    # Who uses them cannot be learned: they count as in use, and are kept.
    platform.on("GET", "/activations", h.error(400))
    assert outcomes(versori.delete(".", plan, yes=True)) == {"changed": 5}
    assert not platform.deletes
