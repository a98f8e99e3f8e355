"""Generated scripts of faults, stops and kills against a hostile platform on a real socket.

By default the same 2,000 scripts each time. For a long run of other ones: `--faults-budget 20000`.
"""

import math
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.hostile import HostilePlatform
from faults.trial import Leaks, Script, Trial, scripts
from hypothesis import HealthCheck, Phase, given, note, seed, settings

DEFAULT = 2_000
BATCH = 250  # scripts a test: xdist can part them, and a failure names its batch


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "batch" in metafunc.fixturenames:
        budget = metafunc.config.getoption("faults_budget", None) or DEFAULT
        metafunc.parametrize("batch", range(math.ceil(budget / BATCH)))


@pytest.fixture(scope="module")
def platform() -> Iterator[HostilePlatform]:
    with HostilePlatform() as made:
        yield made


def test_whatever_goes_wrong_it_is_known_of_every_connection_whether_it_is_gone(
    platform: HostilePlatform, batch: int, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    budget = request.config.getoption("faults_budget", None)
    number = batch if budget is None else random.SystemRandom().getrandbits(32)
    count = min(BATCH, (budget or DEFAULT) - batch * BATCH)
    folder = tmp_path_factory.mktemp("runs")
    outcomes: Counter[str] = Counter()
    ran = 0
    leaks = Leaks()

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(scripts())
    def trial(script: Script) -> None:
        nonlocal ran
        ran += 1
        note(f"seed {number}: {script!r}")
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for found in Trial(platform, Path(place), leaks, script).go():
                outcomes.update(found)

    with leaks.listening():
        trial()
    assert ran >= count
    assert leaks.heard > ran, "nobody logged anything, so nothing was looked at"
    # A batch in which some end never comes about would test less than it says; of random ones, one in twenty does.
    if budget is None:
        assert set(outcomes) >= {
            "deleted", "already_gone", "in_use", "changed", "refused", "failed", "unknown", "not_attempted",
        }  # fmt: skip
