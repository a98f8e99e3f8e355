from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from versori_magics.api.retry import (
    GiveUp,
    Retry,
    RetryPolicy,
    decide,
    is_transient,
    may_have_another_turn,
    may_have_succeeded,
    may_still_be_carried_out,
    requested_pause,
)
from versori_magics.errors import ApiError, IncompleteError, NotFoundError, PlatformError, TransportError

POLICY = RetryPolicy()
DROPPED = TransportError("no answer", sent=True)
REFUSED = TransportError("no connection", sent=False)


def api_error(status: int, *, documented: bool = True, retry_after: float | None = None) -> ApiError:
    return ApiError("no", status=status, documented=documented, retry_after=retry_after)


def test_default_policy_is_four_sends_in_45_seconds() -> None:
    assert RetryPolicy(sends=4, seconds=45, base=0.5, cap=8, longest_pause=120) == POLICY


@pytest.mark.parametrize("documented", [True, False])
def test_only_six_statuses_are_retried(documented: bool) -> None:
    for status in range(100, 600):
        is_retried = status in {408, 429, 500, 502, 503, 504}
        failure = api_error(status, documented=documented)
        assert is_transient(failure) is is_retried, status
        assert isinstance(decide(POLICY, 1, 0, failure, 0.5), Retry) is is_retried, status


@pytest.mark.parametrize("failure", [DROPPED, REFUSED])
def test_request_without_a_response_is_retried(failure: TransportError) -> None:
    assert decide(POLICY, 1, 0, failure, 1) == Retry(0.5)


@pytest.mark.parametrize("failure", [PlatformError("no"), IncompleteError("short"), NotFoundError("no", status=404)])
def test_other_failures_are_not_retried(failure: PlatformError) -> None:
    assert not is_transient(failure)
    assert decide(POLICY, 1, 0, failure, 0.5) == GiveUp()


def test_request_is_sent_four_times_at_most() -> None:
    for attempt in (1, 2, 3):
        assert isinstance(decide(POLICY, attempt, 0, DROPPED, 0), Retry)
    for attempt in (4, 5, 99):
        assert decide(POLICY, attempt, 0, DROPPED, 0) == GiveUp()
    assert decide(POLICY, 4, 0, api_error(429, retry_after=1), 0) == GiveUp()
    assert decide(RetryPolicy(sends=1), 1, 0, DROPPED, 0) == GiveUp()


def test_longest_wait_doubles_up_to_the_cap() -> None:
    policy = RetryPolicy(sends=99, seconds=1_000)
    waits = [decide(policy, attempt, 0, DROPPED, 1) for attempt in range(1, 9)]
    assert waits == [Retry(seconds) for seconds in (0.5, 1, 2, 4, 8, 8, 8, 8)]


@given(
    attempt=st.integers(1, 50),
    jitter=st.floats(0, 1),
    base=st.floats(0.01, 10),
    cap=st.floats(0.01, 100),
    elapsed=st.floats(0, 1_000),
)
def test_wait_is_a_random_share_of_the_longest_wait_and_stays_within_the_time_limit(
    attempt: int, jitter: float, base: float, cap: float, elapsed: float
) -> None:
    policy = RetryPolicy(sends=51, seconds=45, base=base, cap=cap)
    decision = decide(policy, attempt, elapsed, DROPPED, jitter)
    longest_wait = min(cap, base * 2 ** (attempt - 1))
    if elapsed + jitter * longest_wait > 45:
        assert decision == GiveUp()
    else:
        assert isinstance(decision, Retry)
        assert decision.wait == pytest.approx(jitter * longest_wait)
        assert 0 <= decision.wait <= cap
        assert not decision.pause


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.integers(1, 3))
def test_larger_jitter_never_waits_less(jitters: list[float], attempt: int) -> None:
    decisions = [decide(POLICY, attempt, 0, DROPPED, jitter) for jitter in sorted(jitters)]
    for smaller, larger in pairwise(decisions):
        assert isinstance(smaller, Retry)
        assert isinstance(larger, Retry)
        assert smaller.wait <= larger.wait


def test_request_ends_after_45_seconds_including_the_next_wait() -> None:
    assert decide(POLICY, 1, 44.5, DROPPED, 1) == Retry(0.5)
    assert decide(POLICY, 1, 44.6, DROPPED, 1) == GiveUp()
    assert decide(POLICY, 1, 44.6, DROPPED, 0) == Retry(0)
    assert decide(POLICY, 1, 45.1, DROPPED, 0) == GiveUp()


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for_exactly_and_pauses_all_requests(status: int) -> None:
    for jitter in (0, 0.3, 1):
        assert decide(POLICY, 1, 0, api_error(status, retry_after=7), jitter) == Retry(7, pause=True)
    assert decide(POLICY, 1, 0, api_error(status, retry_after=0), 1) == Retry(0, pause=True)
    assert decide(POLICY, 1, 0, api_error(status), 1) == Retry(0.5, pause=False)


def test_retry_after_does_not_count_towards_the_45_seconds() -> None:
    assert decide(POLICY, 1, 44.9, api_error(429, retry_after=120), 1) == Retry(120, pause=True)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_above_the_limit_is_reported_instead_of_waited_for(status: int) -> None:
    assert decide(POLICY, 1, 0, api_error(status, retry_after=120), 0) == Retry(120, pause=True)
    assert decide(POLICY, 1, 0, api_error(status, retry_after=120.5), 0) == GiveUp(retry_after=120.5)
    assert decide(POLICY, 4, 0, api_error(status, retry_after=3_600), 0) == GiveUp(retry_after=3_600)


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_retry_after_of_another_status_does_not_pause_all_requests(status: int) -> None:
    assert requested_pause(api_error(status, retry_after=60)) is None
    assert decide(POLICY, 1, 0, api_error(status, retry_after=3_600), 1) == Retry(0.5)


def test_retry_after_of_an_error_that_is_not_retried_is_ignored() -> None:
    assert decide(POLICY, 1, 0, api_error(403, retry_after=1), 0) == GiveUp()
    assert requested_pause(DROPPED) is None


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (DROPPED, True),
        (REFUSED, False),
        (PlatformError("something"), True),
        (IncompleteError("short"), True),
        # The platform failed, perhaps after it had deleted the connection.
        (api_error(500), True),
        (api_error(501), True),
        (api_error(503), True),
        # The platform refused.
        (api_error(404), False),
        (api_error(409), False),
        # A gateway does not know what happened behind it, whatever its body.
        (api_error(502), True),
        (api_error(504), True),
        (api_error(502, documented=False), True),
        (api_error(504, documented=False), True),
        # The body is not the platform's.
        (api_error(500, documented=False), True),
        (api_error(503, documented=False), True),
        (api_error(599, documented=False), True),
        (api_error(404, documented=False), True),
        (api_error(408, documented=False), True),
        (api_error(200, documented=False), True),
        (api_error(202, documented=False), True),
        (api_error(302, documented=False), True),
        # These mean that nothing was done, whoever sends them.
        *(
            (api_error(status, documented=False), False)
            for status in (400, 401, 403, 405, 409, 410, 422, 423, 429, 499)
        ),
        *((api_error(status), False) for status in (400, 401, 403, 409, 429)),
    ],
)
def test_failed_delete_may_have_succeeded_unless_the_response_proves_otherwise(
    failure: PlatformError, expected: bool
) -> None:
    assert may_have_succeeded(failure) is expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (DROPPED, True),
        (REFUSED, False),
        (PlatformError("something"), True),
        # The platform has finished with the request.
        *((api_error(status), False) for status in (404, 409, 429, 500, 501, 503)),
        # A gateway does not wait for the platform.
        *((api_error(status), True) for status in (408, 502, 504)),
        *((api_error(status, documented=False), True) for status in (200, 302, 408, 500, 502, 503, 504)),
        *((api_error(status, documented=False), False) for status in (400, 404, 409, 429)),
    ],
)
def test_failed_delete_may_still_be_carried_out_unless_the_platform_has_finished_with_it(
    failure: PlatformError, expected: bool
) -> None:
    assert may_still_be_carried_out(failure) is expected


@pytest.mark.parametrize(
    ("turn", "failures", "recovered", "expected"),
    [
        (1, [api_error(503), api_error(502)], {502}, True),
        (2, [api_error(503)], {503}, True),
        (3, [api_error(503)], {503}, False),
        (1, [api_error(503)], set(), False),
        (1, [api_error(503)], {502}, False),
        (1, [TransportError("lost")], {"TransportError"}, True),
        (1, [api_error(503), api_error(400)], {503, 400}, False),
    ],
)
def test_row_has_another_turn_only_if_other_rows_recovered_from_the_same_type_of_failure(
    turn: int, failures: list[PlatformError], recovered: set[int | str], expected: bool
) -> None:
    assert may_have_another_turn(POLICY, turn, failures, recovered) is expected
