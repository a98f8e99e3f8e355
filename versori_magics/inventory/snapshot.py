"""Takes snapshots of connections: each with its system's name and its usage, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from versori_magics.catch import catch
from versori_magics.errors import PlatformError
from versori_magics.inventory.connections import look_up_connections
from versori_magics.inventory.end_users import check_token_for_planning
from versori_magics.inventory.usage import ConnectionUsage, UsageScope
from versori_magics.inventory.usage_reader import read_usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from versori_magics.api.client import Client
    from versori_magics.api.models import Connection

# Up to this many ids are looked up one by one; above it, listing all connections in pages of 1,000 takes less time.
LIST_ALL_ABOVE = 20


@dataclass(frozen=True, slots=True)
class ConnectionSnapshot:
    """A connection as it was at one moment.

    Parameters
    ----------
    connection : Connection
        The platform's description of it.
    system : str
        Its system's name; empty if it has no system, or the name is unknown.
    usage : ConnectionUsage
        Who uses it.
    """

    connection: Connection
    system: str
    usage: ConnectionUsage


@dataclass(frozen=True, slots=True, eq=False)
class Snapshots(Mapping[str, ConnectionSnapshot]):
    """Id -> snapshot, and how much was looked at for them.

    Parameters
    ----------
    by_id : mapping
        Id -> snapshot. An id that is missing does not exist.
    scope : UsageScope
        How much was looked at to find out who uses the connections.
    warning : str
        What could not be checked, as a sentence to show; empty if nothing.
    """

    by_id: Mapping[str, ConnectionSnapshot] = field(default_factory=dict)
    scope: UsageScope = field(default_factory=UsageScope)
    warning: str = ""

    def __getitem__(self, id_: str) -> ConnectionSnapshot:
        return self.by_id[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_id)

    def __len__(self) -> int:
        return len(self.by_id)


def take_snapshots(client: Client, ids: Sequence[str], *, no_projects: bool = False) -> Snapshots:
    """Take snapshots of the connections with these ids, to plan their deletion.

    Parameters
    ----------
    client : Client
        The organisation.
    ids : sequence of str
        Canonical ULIDs.
    no_projects : bool
        As for `read_usage`.

    Returns
    -------
    Snapshots
        In the order of `ids`. An id is missing only if GetConnection reported that the connection does not exist.

    Raises
    ------
    PlanError
        If the token belongs to an end user.
    PlatformError
        If a look-up fails. A failure to read usage does not raise; the usage is then `unknown`.
    ArgumentError
        If there are projects despite `no_projects`.
    """
    warning = check_token_for_planning(client) if ids else ""
    connections = _find_connections(client, ids)
    if not connections:
        return Snapshots(warning=warning)
    usage = read_usage(client, no_projects=no_projects)
    names, _ = system_names(client)
    snapshots = {
        id_: ConnectionSnapshot(connections[id_], names.get(connections[id_].system_id or "", ""), usage.of(id_))
        for id_ in ids
        if id_ in connections
    }
    return Snapshots(snapshots, usage.scope, warning)


def connections_with_systems(client: Client) -> list[tuple[Connection, str]]:
    """Return every connection with its system's name, which is empty if it has none or the name is unknown.

    Raises
    ------
    PlatformError
        If the connections cannot be listed completely.
    """
    names, _ = system_names(client)
    connections = client.connections().items
    return [(connection, names.get(connection.system_id or "", "")) for connection in connections]


def system_names(client: Client) -> tuple[dict[str, str], str]:
    """Return system id -> name, and the problem, if the systems cannot be listed.

    No error is raised: connections can be shown without the names of their systems.
    """
    listing = catch(client.systems, PlatformError)
    if isinstance(listing, PlatformError):
        return {}, listing.message
    return {system.id: system.name or system.domain or "" for system in listing.items}, ""


def _find_connections(client: Client, ids: Sequence[str]) -> dict[str, Connection]:
    connections: dict[str, Connection] = {}
    if len(ids) > LIST_ALL_ABOVE:
        connections_by_id = {connection.id: connection for connection in client.connections().items}
        connections = {id_: connections_by_id[id_] for id_ in ids if id_ in connections_by_id}
    # Only a documented 404 proves that a connection does not exist, so ids that the list lacks are looked up too.
    return connections | look_up_connections(client, [id_ for id_ in ids if id_ not in connections])
