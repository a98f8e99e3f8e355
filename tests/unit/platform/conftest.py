"""One hostile server for a whole module, and a client of it whose clock hurries."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
from faults.hostile import HostilePlatform

from versori_magics.platform.client import Client
from versori_magics.platform.pace import Clock


class HurriedClock(Clock):
    """Waits take no time, yet pass; every wait is remembered."""

    def __init__(self, per_look: float = 0.0) -> None:
        self.time = 0.0
        self.per_look = per_look
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            self.time += self.per_look
            return self.time

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.waits.append(seconds)
            self.time += seconds
        return not stop.is_set()


@pytest.fixture(scope="module", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one authority rather than all: no test speaks TLS, and reading them all is half of a client's making."""
    end = "-----END CERTIFICATE-----\n"
    whole = Path(certifi.where()).read_text("utf-8")
    one = tmp_path_factory.mktemp("trust") / "one.pem"
    one.write_text(whole[whole.index("-----BEGIN") : whole.index(end)] + end, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(one))
        yield


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


@pytest.fixture(scope="module")
def _server() -> Iterator[HostilePlatform]:
    with HostilePlatform(scheme="any") as platform:
        yield platform


@pytest.fixture
def platform(_server: HostilePlatform) -> HostilePlatform:
    """Give a server that behaves, with an empty world."""
    _server.reset()
    return _server


@pytest.fixture
def client_of(clock: HurriedClock) -> Iterator[Callable[..., Client]]:
    """Give a maker of clients; each is closed at the end."""
    made: list[Client] = []

    def make(platform: HostilePlatform, **options: Any) -> Client:
        given = {"auth": "bearer", "clock": clock, "token": platform.token, **options}
        made.append(Client(given.pop("server", platform.url), platform.organisation, **given))
        return made[-1]

    yield make
    for client in made:
        client.close()
