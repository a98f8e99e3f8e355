"""One hostile platform and one kernel a module; the world is new in each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.hostile import SECRET, HostilePlatform, world
from kernel.kernels import Kernel, no_secret


@pytest.fixture(scope="module")
def server() -> Iterator[HostilePlatform]:
    with HostilePlatform() as made:
        yield made


@pytest.fixture(scope="module")
def env(server: HostilePlatform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the three settings that a person has to make, and a folder for journals."""
    return {**server.env(), "VERSORI_JOURNAL": str(tmp_path_factory.mktemp("runs"))}


@pytest.fixture(scope="module")
def running(env: dict[str, str]) -> Iterator[Kernel]:
    with Kernel(env) as made:
        yield made


@pytest.fixture
def platform(server: HostilePlatform) -> Iterator[HostilePlatform]:
    server.token = "t0ken-for-tests-only"
    server.reset(world(free=5))
    yield server
    server.verify()


@pytest.fixture
def kernel(running: Kernel, platform: HostilePlatform, env: dict[str, str]) -> Iterator[Kernel]:
    """Give a kernel without variables; whatever it sent, there was no secret in it."""
    for journal in Path(env["VERSORI_JOURNAL"]).iterdir():
        journal.unlink()
    running.ok("%reset -f\n%load_ext versori_magics\nimport versori_magics as versori")
    running.wire.clear()
    yield running
    no_secret(running.wire, platform.token, SECRET)
