"""The platform operations that a clean-up uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from versori_magics.inventory.snapshot import connections_with_systems, take_snapshots

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from typing import Self

    from versori_magics.api.client import Client
    from versori_magics.api.models import Connection
    from versori_magics.inventory.snapshot import Snapshots


@dataclass(frozen=True, slots=True)
class Platform:
    """The operations on one organisation; tests can replace each of them.

    Parameters
    ----------
    server, organisation : str
        Base URL and ULID.
    delete : callable
        (id) -> None. Sends one DeleteConnection; raises a `PlatformError` unless the response is 204.
    exists : callable
        (id, stop) -> whether a connection exists; None if unknown.
    snapshots : callable
        (ids, no_projects=False) -> `Snapshots` as of now. Ids that are missing do not exist.
    connections : callable
        () -> every connection of the organisation with its system's name, which is empty if it is unknown.
    """

    server: str
    organisation: str
    delete: Callable[[str], None]
    exists: Callable[[str, threading.Event], bool | None]
    snapshots: Callable[..., Snapshots]
    connections: Callable[[], Sequence[tuple[Connection, str]]]

    @classmethod
    def of(cls, client: Client) -> Self:
        """Return the operations of a client."""
        return cls(
            server=client.server,
            organisation=client.organisation,
            delete=client.delete,
            exists=client.exists,
            snapshots=partial(take_snapshots, client),
            connections=partial(connections_with_systems, client),
        )
