from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.errors import ApiError, IncompleteError, NotFoundError, PlatformError, TransportError
from versori_magics.platform.retry import (
    Again,
    GiveUp,
    Policy,
    another_turn,
    asked_pause,
    decide,
    is_transient,
    proves_nothing,
)

POLICY = Policy()
DROPPED = TransportError("no answer", sent=True)
REFUSED = TransportError("no connection", sent=False)


def api(status: int, *, documented: bool = True, retry_after: float | None = None) -> ApiError:
    return ApiError("no", status=status, documented=documented, retry_after=retry_after)


def test_the_policy_is_the_one_that_was_decided() -> None:
    assert Policy(sends=4, seconds=45, base=0.5, cap=8, longest_pause=120) == POLICY


@pytest.mark.parametrize("documented", [True, False])
def test_six_statuses_are_tried_again_and_no_other(documented: bool) -> None:
    for status in range(100, 600):
        again = status in {408, 429, 500, 502, 503, 504}
        failure = api(status, documented=documented)
        assert is_transient(failure) is again, status
        assert isinstance(decide(POLICY, 1, 0, failure, 0.5), Again) is again, status


@pytest.mark.parametrize("failure", [DROPPED, REFUSED])
def test_a_request_without_an_answer_is_tried_again(failure: TransportError) -> None:
    assert decide(POLICY, 1, 0, failure, 1) == Again(0.5)


@pytest.mark.parametrize("failure", [PlatformError("no"), IncompleteError("short"), NotFoundError("no", status=404)])
def test_everything_else_is_not_tried_again(failure: PlatformError) -> None:
    assert not is_transient(failure)
    assert decide(POLICY, 1, 0, failure, 0.5) == GiveUp()


def test_after_four_sends_nothing_more_is_sent() -> None:
    assert [isinstance(decide(POLICY, n, 0, DROPPED, 0), Again) for n in (1, 2, 3, 4, 5, 99)] == [True] * 3 + [
        False
    ] * 3
    assert decide(POLICY, 4, 0, api(429, retry_after=1), 0) == GiveUp()
    assert decide(Policy(sends=1), 1, 0, DROPPED, 0) == GiveUp()


def test_the_longest_wait_doubles_up_to_the_cap() -> None:
    patient = Policy(sends=99, seconds=1_000)
    waits = [decide(patient, n, 0, DROPPED, 1) for n in range(1, 9)]
    assert waits == [Again(seconds) for seconds in (0.5, 1, 2, 4, 8, 8, 8, 8)]


@given(
    attempt=st.integers(1, 50),
    roll=st.floats(0, 1),
    base=st.floats(0.01, 10),
    cap=st.floats(0.01, 100),
    elapsed=st.floats(0, 1_000),
)
def test_the_wait_is_a_share_of_the_longest_and_never_leaves_the_time_that_there_is(
    attempt: int, roll: float, base: float, cap: float, elapsed: float
) -> None:
    policy = Policy(sends=51, seconds=45, base=base, cap=cap)
    choice = decide(policy, attempt, elapsed, DROPPED, roll)
    longest = min(cap, base * 2 ** (attempt - 1))
    if elapsed + roll * longest > 45:
        assert choice == GiveUp()
    else:
        assert isinstance(choice, Again)
        assert choice.wait == pytest.approx(roll * longest)
        assert 0 <= choice.wait <= cap
        assert not choice.pause


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.integers(1, 3))
def test_a_larger_roll_never_waits_less(rolls: list[float], attempt: int) -> None:
    waits = [decide(POLICY, attempt, 0, DROPPED, roll) for roll in sorted(rolls)]
    for one, other in pairwise(waits):
        assert isinstance(one, Again)
        assert isinstance(other, Again)
        assert one.wait <= other.wait


def test_45_seconds_are_the_end_and_the_wait_counts() -> None:
    assert decide(POLICY, 1, 44.5, DROPPED, 1) == Again(0.5)
    assert decide(POLICY, 1, 44.6, DROPPED, 1) == GiveUp()
    assert decide(POLICY, 1, 44.6, DROPPED, 0) == Again(0)
    assert decide(POLICY, 1, 45.1, DROPPED, 0) == GiveUp()


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_is_waited_for_exactly_and_is_for_everybody(status: int) -> None:
    for roll in (0, 0.3, 1):
        assert decide(POLICY, 1, 0, api(status, retry_after=7), roll) == Again(7, pause=True)
    assert decide(POLICY, 1, 0, api(status, retry_after=0), 1) == Again(0, pause=True)
    assert decide(POLICY, 1, 0, api(status), 1) == Again(0.5, pause=False)


def test_a_retry_after_does_not_count_towards_the_45_seconds() -> None:
    assert decide(POLICY, 1, 44.9, api(429, retry_after=120), 1) == Again(120, pause=True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_above_the_limit_is_not_waited_for_but_told(status: int) -> None:
    assert decide(POLICY, 1, 0, api(status, retry_after=120), 0) == Again(120, pause=True)
    assert decide(POLICY, 1, 0, api(status, retry_after=120.5), 0) == GiveUp(come_back=120.5)
    assert decide(POLICY, 4, 0, api(status, retry_after=3_600), 0) == GiveUp(come_back=3_600)


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_a_retry_after_of_another_status_is_not_taken_for_a_pause_of_all(status: int) -> None:
    assert asked_pause(api(status, retry_after=60)) is None
    assert decide(POLICY, 1, 0, api(status, retry_after=3_600), 1) == Again(0.5)


def test_a_retry_after_of_an_error_that_is_not_tried_again_changes_nothing() -> None:
    assert decide(POLICY, 1, 0, api(403, retry_after=1), 0) == GiveUp()
    assert asked_pause(DROPPED) is None


@pytest.mark.parametrize(
    ("failure", "nothing"),
    [
        (DROPPED, True),
        (REFUSED, False),
        (PlatformError("something"), True),
        (IncompleteError("short"), True),
        # The platform itself says what happened.
        (api(500), False),
        (api(501), False),
        (api(503), False),
        (api(404), False),
        (api(409), False),
        # A gateway does not know what happened behind it, whatever its body.
        (api(502), True),
        (api(504), True),
        (api(502, documented=False), True),
        (api(504, documented=False), True),
        # A body that is not the platform's.
        (api(500, documented=False), True),
        (api(503, documented=False), True),
        (api(599, documented=False), True),
        (api(404, documented=False), True),
        (api(408, documented=False), True),
        (api(200, documented=False), True),
        (api(202, documented=False), True),
        (api(302, documented=False), True),
        # Whoever says these, nothing was done.
        *((api(status, documented=False), False) for status in (400, 401, 403, 405, 409, 410, 422, 423, 429, 499)),
        *((api(status), False) for status in (400, 401, 403, 409, 429)),
    ],
)
def test_what_proves_nothing_is_an_answer_that_may_hide_a_deletion(failure: PlatformError, nothing: bool) -> None:
    assert proves_nothing(failure) is nothing


@pytest.mark.parametrize(
    ("turn", "failures", "overcome", "again"),
    [
        (1, [api(503), api(502)], {502}, True),
        (2, [api(503)], {503}, True),
        (3, [api(503)], {503}, False),
        (1, [api(503)], set(), False),
        (1, [api(503)], {502}, False),
        (1, [TransportError("lost")], {"TransportError"}, True),
        (1, [api(503), api(400)], {503, 400}, False),
    ],
)
def test_another_turn_is_for_what_other_rows_met_and_overcame(
    turn: int, failures: list[PlatformError], overcome: set[int | str], again: bool
) -> None:
    assert another_turn(Policy(), turn, failures, overcome) is again
