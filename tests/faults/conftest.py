"""One hostile platform for each module, to which the functions are connected in each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hostile_platform import TOKEN, HostilePlatform, world

from versori_magics.notebook.session import SESSION


@pytest.fixture(scope="module")
def server() -> Iterator[HostilePlatform]:
    with HostilePlatform() as platform:
        yield platform


@pytest.fixture
def platform(server: HostilePlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HostilePlatform]:
    """A platform that the functions are connected to; afterwards every connection is closed and no request was odd."""
    server.token = TOKEN
    server.reset(world(free=5))
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "runs"))
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    yield server
    SESSION.close()
    server.wait_for(lambda: server.open_connections == 0)
    server.verify()
