"""Generated histories on real sockets and with real threads: fewer, because each takes longer."""

from collections.abc import Callable, Iterator

import pytest
from model.machine import Machine
from model.process import install_seams
from model.sockets import Sockets
from model.world import Event, World


@pytest.fixture
def sockets(keep_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sockets]:
    install_seams(monkeypatch, sockets=True)
    with Sockets() as sockets:
        yield sockets


class SocketMachine(Machine):
    """One history on real sockets.

    Other events would meet requests that are already on their way, which no client can call back.
    """

    sockets: Sockets

    def make_world(self, environments: int, manner: str) -> World:
        return World(environments, manner, self.sockets.urls)

    def event(self, meanwhile: str, at: int) -> Event | None:
        return super().event(meanwhile, at) if meanwhile in {"stop", "link"} else None


def test_nothing_is_deleted_on_a_real_socket_that_was_not_agreed_to(
    run_histories: Callable[..., None], sockets: Sockets, first_seed: int, histories: int
) -> None:
    # Threads do not repeat themselves, so a history that fails is not made shorter.
    run_histories(type("OnSockets", (SocketMachine,), {"sockets": sockets}), first_seed, histories, shrink=False)
