"""One fault at a time: the outcome that each leads to."""

from pathlib import Path

import pytest
from faults.clocks import FastClock
from faults.scenes import SPEEDUP
from support import fault_answers as faults
from support.fault_answers import Fault
from support.hostile_platform import FOREVER, HostilePlatform

import versori_magics as versori
from versori_magics.api import client as client_module
from versori_magics.api.client import Client
from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.platform import Platform
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.run import RunOptions
from versori_magics.cleanup.workflow import Workflow


@pytest.mark.parametrize(
    ("fault", "sends"),
    [
        (faults.drop_after(), 2),
        (faults.rst(do=True), 2),
        (faults.delay_after(1), 2),
        (faults.html(502, do=True), 2),
        (faults.html(503, do=True), 2),
        (faults.html(504, do=True), 2),
        (faults.error(504, do=True), 2),
        (faults.truncate(12), 2),
        (faults.garbage(do=True), 2),
        (faults.html(404, do=True), 1),
        (faults.answer(200, "{}", do=True), 1),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_deletion_whose_answer_is_lost_or_unclear_is_reported_as_deleted(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch, fault: Fault, sends: int
) -> None:
    monkeypatch.setattr(client_module, "DELETE_SECONDS", 0.3)
    (key,) = platform.world.free[:1]
    platform.script[key] = [fault]
    (row,) = versori.delete(".", key, yes=True).rows
    assert (row.outcome, row.attempts, platform.sends(key)) == (Outcome.DELETED, sends, sends)
    assert platform.deleted == {key}


def test_a_deletion_that_the_platform_carries_out_but_always_answers_with_an_error_is_reported_as_deleted(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    gone, standing = platform.world.free[:2]
    # `do` deletes at the first DELETE; the platform keeps answering with its documented Error.
    platform.script |= {gone: [faults.error(500, do=True)] * 4, standing: [faults.error(500)] * 4}
    with Client(platform.url, platform.organisation, platform.token, clock=FastClock(SPEEDUP)) as client:
        workflow = Workflow(Platform.of(client), tmp_path)
        plan = workflow.prepare([gone, standing])
        options = RunOptions(clock=FastClock(SPEEDUP))
        rows = workflow.execute(plan, consent_in_advance(plan), options, is_fresh=True).rows
    assert [(row.outcome, row.attempts) for row in rows] == [(Outcome.DELETED, 4), (Outcome.FAILED, 4)]
    assert platform.deleted == {gone}


@pytest.mark.parametrize(
    "fault",
    [faults.drop_after(), faults.html(502), faults.garbage(do=True), faults.html(502, do=True)],
    ids=lambda fault: fault.name,
)
def test_a_deletion_that_cannot_be_looked_up_afterwards_is_unknown_and_never_failed(
    platform: HostilePlatform, tmp_path: Path, fault: Fault
) -> None:
    (key,) = platform.world.free[:1]
    platform.on("DELETE", "", fault, times=FOREVER)
    # The plan is made before; the look-up after the fourth DELETE gets no answer.
    platform.decide = lambda _: faults.drop_before() if platform.sends(key) == 4 else None
    with Client(platform.url, platform.organisation, platform.token, clock=FastClock(SPEEDUP)) as client:
        workflow = Workflow(Platform.of(client), tmp_path)
        plan = workflow.prepare([key])
        options = RunOptions(clock=FastClock(SPEEDUP))
        (row,) = workflow.execute(plan, consent_in_advance(plan), options, is_fresh=True).rows
    assert (row.outcome, row.attempts, platform.sends(key)) == (Outcome.UNKNOWN, 4, 4)
    assert row.is_unfinished


def test_a_refusal_proves_nothing_about_an_earlier_send_that_may_still_arrive(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "DELETE_SECONDS", 0.1)
    late, prompt = platform.world.free[:2]
    platform.script |= {late: [faults.delay(2), faults.html(404)], prompt: [faults.html(404)]}
    late_row, prompt_row = versori.delete(".", [late, prompt], yes=True).rows
    assert late in platform.world.connections, "this machine is too slow for the test"
    assert (late_row.outcome, prompt_row.outcome) == (Outcome.UNKNOWN, Outcome.REFUSED)
    platform.wait_for(lambda: late in platform.deleted)


def test_an_error_of_the_platform_is_shown_with_its_code_fields_and_details(platform: HostilePlatform) -> None:
    (key,) = platform.world.free[:1]
    platform.script[key] = [faults.error(422, "7", "no", [{"field": "a[0].b", "message": "is odd"}], "why")]
    report = versori.delete(".", key, yes=True)
    (row,) = report.rows
    assert (row.outcome, row.status, row.code, row.message) == (Outcome.REFUSED, 422, "7", "no")
    assert (row.fields, row.details, row.attempts) == ((("a[0].b", "is odd"),), "why", 1)
    assert "a[0].b: is odd" in repr(report)


def test_a_redirect_is_not_followed(platform: HostilePlatform) -> None:
    (key,) = platform.world.free[:1]
    with HostilePlatform() as elsewhere:
        platform.script[key] = [faults.redirect(f"{elsewhere.url}/o/{platform.organisation}/connections/{key}")]
        (row,) = versori.delete(".", key, yes=True).rows
        assert elsewhere.requests == []
    assert row.outcome == Outcome.UNKNOWN
    assert platform.deleted == set()
