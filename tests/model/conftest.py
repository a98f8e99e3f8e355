"""How many histories run, and the seams that they need."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.internal.conjecture import engine
from hypothesis.stateful import run_state_machine_as_test
from model.form_machine import FormMachine
from model.process import install_seams, shell_of_process
from model.sequences import check

from versori_magics.notebook.session import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import InteractiveShell
    from model.machine import Machine

BUDGET = 2000
CHUNK = 100  # histories of one test
STEPS = 16
# A form is expensive to build, and a socket slow.
SHARES = {
    "test_histories": 0.44,
    "test_magic_histories": 0.4,
    "test_form_histories": 0.12,
    "test_socket_histories": 0.04,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Divide the budget into tests of at most a hundred histories, each with a seed of its own."""
    if "first_seed" not in metafunc.fixturenames:
        return
    budget = metafunc.config.getoption("--model-budget")
    first = 0 if budget is None else random.SystemRandom().randrange(10**6) * 1000
    count = round((BUDGET if budget is None else budget) * SHARES[metafunc.module.__name__.rpartition(".")[2]])
    chunks = [(first + start, min(CHUNK, count - start)) for start in range(0, count, CHUNK)]
    metafunc.parametrize("first_seed, histories", chunks, ids=[f"seed {start}, {size}" for start, size in chunks])


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    with shell_of_process() as shell:
        yield shell


@pytest.fixture
def keep_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    SESSION.close()
    SESSION.connect({})


@pytest.fixture
def in_process(keep_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    install_seams(monkeypatch)


@pytest.fixture
def run_histories(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> Callable[[type[Machine], int, int], None]:
    """Return a function that runs histories of a machine, and raises the shortest one that breaks a promise."""
    monkeypatch.setattr(engine, "MAX_SHRINKING_SECONDS", 30)  # there is no public setting

    def run(machine: type[Machine], first_seed: int, histories: int, *, shrink: bool = True) -> None:
        own = type(machine.__name__, (machine,), {"shell": shell})
        run_state_machine_as_test(
            seed(first_seed)(own),
            settings=settings(
                max_examples=histories,
                stateful_step_count=STEPS,
                database=None,
                deadline=None,
                print_blob=False,
                report_multiple_bugs=False,
                phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )

    return run


@pytest.fixture
def begin(shell: InteractiveShell, in_process: None) -> Iterator[Callable[..., FormMachine]]:
    """Return a function that begins a history; whatever it breaks fails the test at its end."""
    machines: list[FormMachine] = []

    def begin(environments: int = 2, manner: str = "plain", *, uses_magics: bool = False) -> FormMachine:
        machine = type("Fixed", (FormMachine,), {"shell": shell, "uses_magics": uses_magics})()
        machine.begin(environments, manner)
        machines.append(machine)
        return machine

    yield begin
    for machine in machines:
        try:
            check(machine)
        finally:
            machine.teardown()
