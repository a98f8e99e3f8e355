"""Generated histories of a form beside functions and magics, in one process."""

from collections.abc import Callable

import pytest
from model.form_machine import FormMachine
from model.machine import Machine


@pytest.mark.usefixtures("in_process")
def test_nothing_is_deleted_with_a_form_that_was_not_agreed_to(
    run_histories: Callable[[type[Machine], int, int], None], first_seed: int, histories: int
) -> None:
    run_histories(FormMachine, first_seed, histories)
