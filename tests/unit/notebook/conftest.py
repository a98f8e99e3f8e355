"""The session of the functions under test: without settings, or connected to a hostile platform."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.hostile_platform import HostilePlatform, world

from versori_magics.notebook.session import SESSION


@pytest.fixture(scope="module")
def _module_platform() -> Iterator[HostilePlatform]:
    with HostilePlatform() as platform:
        yield platform


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Give each test an unconnected session, no settings, and its own folder for journals."""
    for name in ("SERVER", "ORGANISATION", "TOKEN", "AUTH", "CONTEXT", "PROTECT", "DEBUG"):
        monkeypatch.delenv(f"VERSORI_{name}", raising=False)
    (tmp_path / "config.yaml").write_text("")
    monkeypatch.setenv("VERSORI_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "runs"))
    SESSION.connect({})
    yield
    SESSION.connect({})


@pytest.fixture
def platform(_module_platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostilePlatform]:
    """Return a platform with five unused, two static and two dynamic connections that the environment connects to."""
    _module_platform.token = "t0ken-for-tests-only"
    _module_platform.reset(world(free=5, static=2, dynamic=2))
    for name, value in _module_platform.env().items():
        monkeypatch.setenv(name, value)
    yield _module_platform
    SESSION.close()
    _module_platform.wait_for(lambda: _module_platform.open_connections == 0)
    _module_platform.verify()


@pytest.fixture
def type_at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], io.StringIO]:
    """Return a function that types a text at a terminal and returns the input, which contains what was not read."""

    def type_text(text: str) -> io.StringIO:
        stdin = io.StringIO(text)
        monkeypatch.setattr("sys.stdin", stdin)
        return stdin

    return type_text
