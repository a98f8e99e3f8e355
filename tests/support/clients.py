"""Fixtures for tests of a real client against a hostile platform: import them into a folder's conftest."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
from support.hostile_platform import HostilePlatform

from versori_magics.api.client import Client
from versori_magics.api.clock import Clock


class FastClock(Clock):
    """A clock whose waits take no time but move it forward.

    Parameters
    ----------
    seconds_per_reading : float
        How far each call of `now` moves the clock. Default 0.

    Attributes
    ----------
    waits : list of float
        The seconds of every wait so far.
    """

    def __init__(self, seconds_per_reading: float = 0.0) -> None:
        self.time = 0.0
        self.seconds_per_reading = seconds_per_reading
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            self.time += self.seconds_per_reading
            return self.time

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.waits.append(seconds)
            self.time += seconds
        return not stop.is_set()


@pytest.fixture(scope="module", autouse=True)
def single_certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one authority: no test speaks TLS, and reading all of them takes half the time of creating a client."""
    end = "-----END CERTIFICATE-----\n"
    bundle = Path(certifi.where()).read_text("utf-8")
    path = tmp_path_factory.mktemp("trust") / "authority.pem"
    path.write_text(bundle[bundle.index("-----BEGIN") : bundle.index(end)] + end, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(path))
        yield


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest.fixture(scope="module")
def shared_platform() -> Iterator[HostilePlatform]:
    with HostilePlatform(scheme="any") as platform:
        yield platform


@pytest.fixture
def platform(shared_platform: HostilePlatform) -> HostilePlatform:
    """Return a platform that behaves as documented and is empty."""
    shared_platform.reset()
    return shared_platform


@pytest.fixture
def client_of(clock: FastClock) -> Iterator[Callable[..., Client]]:
    """Return a function that creates clients of a platform; they are closed after the test."""
    clients: list[Client] = []

    def create(platform: HostilePlatform, **options: Any) -> Client:
        arguments = {"auth": "bearer", "clock": clock, "token": platform.token, **options}
        clients.append(Client(arguments.pop("server", platform.url), platform.organisation, **arguments))
        return clients[-1]

    yield create
    for client in clients:
        client.close()
