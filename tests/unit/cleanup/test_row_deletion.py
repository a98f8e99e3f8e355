import random
import threading
from pathlib import Path

import pytest
from support.cleanup_examples import (
    FORBIDDEN,
    GONE,
    LOST,
    PAGE_404,
    UNSENT,
    InstantClock,
    ScriptedDelete,
    make_executor,
    make_id,
    make_plan,
    make_row,
    page,
    plan_of,
    refused,
    replay,
)

from versori_magics.api.retry import RetryPolicy
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.report import ReportRow
from versori_magics.cleanup.stop_button import StopButton
from versori_magics.errors import FieldError

FIRST = make_id(0)


def delete_one(folder: Path, *answers: Exception | None, exists: bool | None = None) -> ReportRow:
    """Delete one connection and return its row; `exists` is what the platform says of it afterwards."""
    delete = ScriptedDelete({FIRST: list(answers)})
    make_executor(folder, plan_of(1), delete, exists=lambda *_: exists).run(plan_of(1).rows)
    (row,) = replay(folder).rows
    assert row.attempts == len(delete.sends)
    return row


@pytest.mark.parametrize(
    ("answers", "exists", "outcome", "sends"),
    [
        ([None], None, "deleted", 1),
        ([LOST, GONE], None, "deleted", 2),
        ([LOST, None], None, "deleted", 2),
        ([page(502), GONE], None, "deleted", 2),
        ([page(503), GONE], None, "deleted", 2),
        ([refused(504), GONE], None, "deleted", 2),
        ([LOST, refused(500), GONE], None, "deleted", 3),
        ([LOST] * 4, False, "deleted", 4),
        ([LOST] * 4, True, "unknown", 4),
        ([LOST] * 4, None, "unknown", 4),
        ([LOST, UNSENT, UNSENT, UNSENT], True, "unknown", 4),
        ([GONE], None, "already_gone", 1),
        ([UNSENT, GONE], None, "already_gone", 2),
        ([refused(500), GONE], None, "deleted", 2),
        ([refused(429), GONE], None, "already_gone", 2),
        ([refused(409)], None, "in_use", 1),
        ([refused(422, "the connection is in use")], None, "in_use", 1),
        ([refused(400, details="still used by Ann")], None, "in_use", 1),
        ([refused(400, fields=[FieldError("id", "is being used")])], None, "in_use", 1),
        ([LOST, refused(409)], True, "in_use", 2),
        ([LOST, refused(409)], None, "in_use", 2),
        ([LOST, page(409)], True, "unknown", 2),
        ([page(409)], None, "in_use", 1),
        ([refused(400)], None, "refused", 1),
        ([FORBIDDEN], None, "refused", 1),
        ([refused(500), refused(400)], None, "unknown", 2),
        ([refused(500), refused(400)], True, "refused", 2),
        ([refused(500), refused(400)], False, "deleted", 2),
        ([refused(500), refused(409)], None, "in_use", 2),
        ([PAGE_404], True, "refused", 1),
        ([PAGE_404], False, "deleted", 1),
        ([PAGE_404], None, "unknown", 1),
        ([LOST, refused(400)], True, "unknown", 2),
        ([LOST, PAGE_404], True, "unknown", 2),
        ([LOST, FORBIDDEN], True, "unknown", 2),
        ([page(307)], True, "unknown", 1),
        ([page(200)], False, "deleted", 1),
        ([refused(500)] * 4, None, "unknown", 4),
        ([refused(500)] * 4, True, "failed", 4),
        ([refused(500)] * 4, False, "deleted", 4),
        ([refused(501)], False, "deleted", 1),
        ([refused(503)] * 4, True, "failed", 4),
        ([refused(502)] * 4, True, "unknown", 4),
        ([page(500)] * 4, True, "unknown", 4),
        ([LOST, refused(500), refused(500), refused(500)], True, "unknown", 4),
        ([UNSENT] * 4, None, "failed", 4),
        ([refused(429)] * 4, None, "failed", 4),
        ([RuntimeError("a bug")], True, "unknown", 1),
        ([RuntimeError("a bug")], False, "deleted", 1),
    ],
)
def test_answers_lead_to_the_outcome(
    tmp_path: Path, answers: list[Exception | None], exists: bool | None, outcome: str, sends: int
) -> None:
    row = delete_one(tmp_path, *answers, exists=exists)
    assert (row.outcome, row.attempts) == (outcome, sends)


def test_row_keeps_the_last_error_of_the_platform(tmp_path: Path) -> None:
    field = FieldError("a[0].b", "is odd")
    row = delete_one(tmp_path, refused(422, "no", fields=[field], details="why"))
    assert (row.status, row.code, row.message) == (422, "422000", "no")
    assert (row.fields, row.details) == ((field,), "why")


@pytest.mark.parametrize(
    ("exists", "message"),
    [
        (True, "no"),
        (
            None,
            "the deletion was answered with HTTP 500, and the check afterwards failed too. Last error: no",
        ),
        (False, "the deletion was answered with HTTP 500, but the connection no longer exists"),
    ],
)
def test_row_whose_deletion_failed_on_the_platform_says_what_the_check_found(
    tmp_path: Path, exists: bool | None, message: str
) -> None:
    assert delete_one(tmp_path, *[refused(500)] * 4, exists=exists).message == message


@pytest.mark.parametrize(
    ("exists", "message"),
    [
        (True, "no response arrived, and the connection still existed afterwards. Last error: nothing came back"),
        (None, "no response arrived, and the check afterwards failed too. Last error: nothing came back"),
        (False, "no response arrived, but the connection no longer exists"),
    ],
)
def test_row_whose_answer_was_lost_says_what_the_check_found(tmp_path: Path, exists: bool | None, message: str) -> None:
    assert delete_one(tmp_path, *[LOST] * 4, exists=exists).message == message


def test_unexpected_error_is_named_without_its_text(tmp_path: Path) -> None:
    row = delete_one(tmp_path, RuntimeError("a bug with a token in it"), exists=True)
    assert row.message.endswith("Last error: An unexpected error occurred while it was sent: RuntimeError.")


def test_row_is_unknown_if_the_check_fails_too(tmp_path: Path) -> None:
    def exists(*_: object) -> bool:
        raise RuntimeError("a bug")

    delete = ScriptedDelete({FIRST: [LOST] * 4})
    make_executor(tmp_path, plan_of(3), delete, exists=exists).run(plan_of(3).rows)
    assert [row.outcome for row in replay(tmp_path).rows] == ["unknown", "deleted", "deleted"]
    assert replay(tmp_path).rows[0].message.startswith("no response arrived, and the check afterwards failed too")


def test_check_after_a_lost_answer_can_be_stopped(tmp_path: Path) -> None:
    stop_button, stops = StopButton(), []

    def exists(_: str, stop: threading.Event) -> None:
        stops.append(stop)

    delete = ScriptedDelete({FIRST: [LOST] * 4})
    make_executor(tmp_path, plan_of(1), delete, exists=exists, stop_button=stop_button).run(plan_of(1).rows)
    assert stops == [stop_button.stop]


# Retries.


def test_requested_pause_does_not_count_against_the_time_limit_of_the_row(tmp_path: Path) -> None:
    clock = InstantClock()
    delete = ScriptedDelete({FIRST: [refused(429, retry_after=100.0), refused(503, retry_after=100.0)]})
    make_executor(tmp_path, plan_of(1), delete, clock=clock).run(plan_of(1).rows)
    assert replay(tmp_path).counts["deleted"] == 1
    assert 200 <= clock.time < 201
    assert max(clock.waits) <= 0.1, "the stop button was not checked for longer"


def test_row_is_given_up_after_45_seconds(tmp_path: Path) -> None:
    clock = InstantClock()
    delete = ScriptedDelete({FIRST: [LOST] * 4})

    def take_25_seconds(_: str) -> None:
        clock.time += 25

    delete.before_send = take_25_seconds
    make_executor(tmp_path, plan_of(1), delete, clock=clock, rng=random.Random(1)).run(plan_of(1).rows)
    assert len(delete.sends) == 2
    assert replay(tmp_path).rows[0].outcome == Outcome.UNKNOWN


def test_retry_policy_can_be_chosen(tmp_path: Path) -> None:
    delete = ScriptedDelete({FIRST: [refused(500)] * 9})
    make_executor(tmp_path, plan_of(1), delete, policy=RetryPolicy(sends=6)).run(plan_of(1).rows)
    assert len(delete.sends) == 6


@pytest.mark.parametrize("failure", [page(503), refused(500), LOST, UNSENT])
def test_row_that_always_fails_is_sent_four_times_although_other_rows_succeed(
    tmp_path: Path, failure: Exception
) -> None:
    delete = ScriptedDelete({FIRST: [failure] * 50})
    make_executor(tmp_path, plan_of(9), delete, exists=lambda *_: True).run(plan_of(9).rows)
    assert delete.sends.count(FIRST) == 4
    assert replay(tmp_path).rows[0].outcome in {Outcome.UNKNOWN, Outcome.FAILED}


def test_row_has_another_turn_after_all_others_if_they_recovered_from_its_failure(tmp_path: Path) -> None:
    delete = ScriptedDelete({FIRST: [page(503)] * 5, make_id(1): [page(503)]})
    make_executor(tmp_path, plan_of(4), delete, exists=lambda *_: True).run(plan_of(4).rows)
    assert delete.sends == [*[FIRST] * 4, *[make_id(1)] * 2, make_id(2), make_id(3), *[FIRST] * 2]
    assert {row.outcome for row in replay(tmp_path).rows} == {Outcome.DELETED}


def test_row_has_three_turns_at_most(tmp_path: Path) -> None:
    delete = ScriptedDelete({FIRST: [page(503)] * 50, make_id(1): [page(503)]})
    make_executor(tmp_path, plan_of(2), delete, exists=lambda *_: True).run(plan_of(2).rows)
    assert delete.sends.count(FIRST) == 12
    assert replay(tmp_path).rows[0].outcome == Outcome.UNKNOWN


# A stop in the middle of a row.


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(LOST, "unknown"), (page(502), "unknown"), (PAGE_404, "unknown"), (refused(500), "unknown"), (UNSENT, "failed")],
)
def test_row_that_is_stopped_after_a_send_is_not_sent_or_checked_again(
    tmp_path: Path, answer: Exception, outcome: str
) -> None:
    stop_button, checked = StopButton(), []

    def exists(key: str, _: threading.Event) -> bool:
        checked.append(key)
        return True

    delete = ScriptedDelete({FIRST: [answer]})
    delete.before_send = lambda _: stop_button.stop.set()
    executor = make_executor(tmp_path, plan_of(2), delete, stop_button=stop_button, exists=exists)
    executor.run(plan_of(2).rows)
    assert [row.outcome for row in replay(tmp_path).rows] == [outcome, "not_attempted"]
    assert (delete.sends, checked) == ([FIRST], [])


def test_stopped_rows_that_wait_for_another_turn_keep_what_is_known(tmp_path: Path) -> None:
    stop_button = StopButton()
    delete = ScriptedDelete({FIRST: [page(503)] * 50, make_id(2): [refused(429)] * 50, make_id(1): [page(503)]})
    delete.before_send = lambda key: stop_button.stop.set() if key == make_id(3) else None
    plan = make_plan(make_row(1), make_row(0), make_row(2), make_row(3))
    make_executor(tmp_path, plan, delete, stop_button=stop_button).run(plan.rows)
    outcomes = {row.id: row.outcome for row in replay(tmp_path).rows}
    assert outcomes[FIRST] == Outcome.UNKNOWN
    assert outcomes[make_id(2)] == Outcome.FAILED
    assert set(delete.sends) == {make_id(number) for number in range(4)}
