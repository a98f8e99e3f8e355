import random
import threading

import pytest
from support.cleanup_examples import (
    FORBIDDEN,
    GONE,
    LOST,
    TOKEN_REFUSED,
    UNSENT,
    InstantClock,
    fresh_scan,
    page,
    refused,
)

from versori_magics.api.retry import GiveUp, Retry, RetryPolicy
from versori_magics.cleanup.run_control import RunControl
from versori_magics.errors import PlatformError


def make_control(policy: RetryPolicy | None = None) -> RunControl:
    return RunControl(
        threading.Event(), workers=4, scan=fresh_scan(), policy=policy, clock=InstantClock(), rng=random.Random(1)
    )


def test_halt_stops_the_run_and_keeps_the_first_reason() -> None:
    control = make_control()
    assert (control.halt_reason, control.stop.is_set()) == ("", False)
    control.halt("the first reason")
    control.halt("the second reason")
    assert (control.halt_reason, control.stop.is_set()) == ("the first reason", True)


def test_reason_is_set_before_the_stop_can_be_seen() -> None:
    reasons: list[str] = []

    class Stop(threading.Event):
        def set(self) -> None:
            reasons.append(control.halt_reason)
            super().set()

    control = RunControl(Stop(), workers=1, scan=fresh_scan())
    control.halt("a reason")
    assert reasons == ["a reason"]


def test_stop_without_a_halt_has_no_reason() -> None:
    control = make_control()
    control.stop.set()
    assert control.halt_reason == ""


def test_refused_token_halts_the_run() -> None:
    control = make_control()
    control.observe(TOKEN_REFUSED)
    assert control.halt_reason == "the platform no longer accepts the token (401): renew it before you resume"


def test_three_forbidden_deletions_in_a_row_halt_the_run() -> None:
    control = make_control()
    for failure in (FORBIDDEN, FORBIDDEN, None, FORBIDDEN, FORBIDDEN, GONE, FORBIDDEN, FORBIDDEN, refused(400)):
        control.observe(failure)
    for _ in range(2):
        control.observe(FORBIDDEN)
        assert not control.stop.is_set()
    control.observe(FORBIDDEN)
    assert control.halt_reason == (
        "the platform forbade 3 deletions in a row (403):"
        " use a token with rights for this organisation before you resume"
    )


@pytest.mark.parametrize("failure", [None, GONE, LOST, UNSENT, page(502), refused(500), refused(409), refused(429)])
def test_other_answers_neither_halt_nor_pause_the_run(failure: PlatformError | None) -> None:
    control = make_control()
    for _ in range(9):
        control.observe(failure)
    assert not control.stop.is_set()
    assert control.throttle.pause_left == 0


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_pauses_all_workers_up_to_the_longest_pause(status: int) -> None:
    control = make_control()
    control.observe(refused(status, retry_after=120.0))
    assert (control.throttle.pause_left, control.stop.is_set()) == (120, False)
    control.observe(refused(status, retry_after=120.1))
    assert control.halt_reason.startswith("the platform asks to wait 120 s, until 2")


@pytest.mark.parametrize("seconds", [1e7, 1e12, 1e300])
def test_retry_after_of_any_length_is_explained(seconds: float) -> None:
    control = make_control()
    control.observe(refused(503, retry_after=seconds))
    assert f"the platform asks to wait {seconds:,.0f} s, until " in control.halt_reason


def test_retry_after_of_another_status_is_ignored() -> None:
    control = make_control()
    control.observe(refused(500, retry_after=9_999.0))
    assert (control.throttle.pause_left, control.stop.is_set()) == (0, False)


def test_failed_send_is_retried_as_the_policy_says() -> None:
    control = make_control(RetryPolicy(sends=2, base=4, cap=4))
    decision = control.decide(1, 0, LOST)
    assert isinstance(decision, Retry)
    assert 0 <= decision.wait <= 4
    assert control.decide(2, 0, LOST) == GiveUp()
    assert control.decide(1, 0, refused(400)) == GiveUp()


def test_row_may_have_another_turn_if_another_row_recovered_from_the_same_failure() -> None:
    control = make_control()
    assert not control.allows_another_turn(1, [page(503)])
    control.record_recovery({503, "TransportError"})
    assert control.allows_another_turn(1, [page(503)])
    assert control.allows_another_turn(2, [LOST])
    assert not control.allows_another_turn(1, [refused(500)])
    assert not control.allows_another_turn(control.policy.turns, [page(503)])
