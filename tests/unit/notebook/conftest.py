"""One hostile platform a module that the verbs are connected to, with the settings that a person makes."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.hostile import HostilePlatform, world

from versori_magics.notebook.session import CURRENT


@pytest.fixture(scope="module")
def _server() -> Iterator[HostilePlatform]:
    with HostilePlatform() as made:
        yield made


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Give each test a session of its own, no settings, and a folder for journals."""
    for name in ("SERVER", "ORGANISATION", "TOKEN", "AUTH", "CONTEXT", "PROTECT", "DEBUG"):
        monkeypatch.delenv(f"VERSORI_{name}", raising=False)
    (tmp_path / "config.yaml").write_text("")
    monkeypatch.setenv("VERSORI_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "runs"))
    CURRENT.tell({})
    yield
    CURRENT.tell({})


@pytest.fixture
def platform(_server: HostilePlatform, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostilePlatform]:
    """Give a platform of five free, two static and two dynamic connections, and connect to it by the environment."""
    _server.token = "t0ken-for-tests-only"
    _server.reset(world(free=5, static=2, dynamic=2))
    for name, value in _server.env().items():
        monkeypatch.setenv(name, value)
    yield _server
    CURRENT.close()
    _server.wait_for(lambda: _server.open_connections == 0)
    _server.verify()


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], io.StringIO]:
    """Type a text, as a person would at a terminal; what stays of it was not read."""

    def type_(text: str) -> io.StringIO:
        stdin = io.StringIO(text)
        monkeypatch.setattr("sys.stdin", stdin)
        return stdin

    return type_
