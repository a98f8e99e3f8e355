"""Generated scripts of faults, stops and kills against a hostile platform on a real socket.

By default the same 2,000 scripts each time. For a long run of other ones: `--faults-budget 20000`.
"""

import math
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from faults.fault_scripts import Script, scripts
from faults.log_watch import LogWatch
from faults.trial import Trial
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from support.hostile_platform import HostilePlatform

DEFAULT_BUDGET = 2_000
MEMORY = Path("/dev/shm")  # where it exists, a journal need not wait for a disk: a kill is a cut of the file
BATCH = 250  # scripts per test, so that xdist can distribute them and a failure names its batch


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "batch" in metafunc.fixturenames:
        budget = metafunc.config.getoption("faults_budget", None) or DEFAULT_BUDGET
        metafunc.parametrize("batch", range(math.ceil(budget / BATCH)))


def test_random_faults_never_cause_a_wrong_report(
    server: HostilePlatform, batch: int, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    budget = request.config.getoption("faults_budget", None)
    seed_number = batch if budget is None else random.SystemRandom().getrandbits(32)
    count = min(BATCH, (budget or DEFAULT_BUDGET) - batch * BATCH)
    folder = MEMORY if MEMORY.is_dir() else tmp_path_factory.mktemp("runs")
    outcomes: Counter[str] = Counter()
    runs = 0
    logs = LogWatch()

    @seed(seed_number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(scripts())
    def run_trial(script: Script) -> None:
        nonlocal runs
        runs += 1
        note(f"seed {seed_number}: {script!r}")
        with tempfile.TemporaryDirectory(dir=folder) as own_folder:
            for counts in Trial(server, Path(own_folder), logs, script).run():
                outcomes.update(counts)

    with logs.watching():
        run_trial()
    assert runs >= count
    assert logs.records > runs, "nothing was logged, so the logs were not checked"
    # A fixed batch in which some outcome never occurs would test less than it says. One random batch in twenty is such.
    if budget is None:
        assert set(outcomes) >= {
            "deleted", "already_gone", "in_use", "changed", "refused", "failed", "unknown", "not_attempted",
        }  # fmt: skip
