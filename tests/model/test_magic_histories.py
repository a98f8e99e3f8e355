"""Generated histories of magics, in one process."""

from collections.abc import Callable

import pytest
from model.machine import Machine


class MagicMachine(Machine):
    uses_magics = True


@pytest.mark.usefixtures("in_process")
def test_nothing_is_deleted_by_magics_that_was_not_agreed_to(
    run_histories: Callable[[type[Machine], int, int], None], first_seed: int, histories: int
) -> None:
    run_histories(MagicMachine, first_seed, histories)
