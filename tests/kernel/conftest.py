"""One hostile platform and one kernel for each module; the world is new in each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hostile_platform import SECRET, TOKEN, HostilePlatform, world
from support.kernels import Kernel, assert_no_secret


@pytest.fixture(scope="module")
def server() -> Iterator[HostilePlatform]:
    with HostilePlatform() as platform:
        yield platform


@pytest.fixture(scope="module")
def env(server: HostilePlatform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The three settings that a person makes, and a folder for journals."""
    return {**server.env(), "VERSORI_JOURNAL": str(tmp_path_factory.mktemp("runs"))}


@pytest.fixture(scope="module")
def shared_kernel(env: dict[str, str]) -> Iterator[Kernel]:
    with Kernel(env) as kernel:
        yield kernel


@pytest.fixture
def platform(server: HostilePlatform) -> Iterator[HostilePlatform]:
    server.token = TOKEN
    server.reset(world(free=5))
    yield server
    server.verify()


@pytest.fixture
def kernel(shared_kernel: Kernel, platform: HostilePlatform, env: dict[str, str]) -> Iterator[Kernel]:
    """A kernel without variables; afterwards, no message that it sent contained a secret."""
    for journal in Path(env["VERSORI_JOURNAL"]).iterdir():
        journal.unlink()
    shared_kernel.ok("%reset -f\n%load_ext versori_magics\nimport versori_magics as versori")
    shared_kernel.received.clear()
    yield shared_kernel
    assert_no_secret(shared_kernel.received, platform.token, SECRET)
