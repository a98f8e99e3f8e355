"""Generated histories of functions, in one process."""

from collections.abc import Callable

import pytest
from model.machine import Machine


@pytest.mark.usefixtures("in_process")
def test_nothing_is_deleted_or_reported_that_was_not_agreed_to(
    run_histories: Callable[[type[Machine], int, int], None], first_seed: int, histories: int
) -> None:
    run_histories(Machine, first_seed, histories)
