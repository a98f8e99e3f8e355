"""Takes snapshots of connections: each with its system's name and its usage, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.api.concurrency import map_concurrently
from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.errors import NotFoundError, PlatformError
from versori_magics.inventory.usage import CONCURRENT_LOOKUPS, ConnectionUsage, read_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def take_snapshots(client: Client, ids: Sequence[str]) -> dict[str, ConnectionSnapshot]:
    """Take snapshots of the connections with these ids.

    Parameters
    ----------
    client : Client
        The organisation.
    ids : sequence of str
        Canonical ULIDs.

    Returns
    -------
    dict
        Id -> snapshot, in the order of `ids`. An id is missing only if GetConnection reported that the connection
        does not exist.

    Raises
    ------
    PlatformError
        If a look-up fails. A failure to read usage does not raise; the usage is then `unknown`.
    """
    connections = _find_connections(client, ids)
    if not connections:
        return {}
    usage = read_usage(client)
    names, _ = system_names(client)
    return {
        id_: ConnectionSnapshot(connections[id_], names.get(connections[id_].system_id or "", ""), usage.of(id_))
        for id_ in ids
        if id_ in connections
    }


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
        connections_by_id = {canonical_ulid(connection.id): connection for connection in client.connections().items}
        connections = {id_: connections_by_id[id_] for id_ in ids if id_ in connections_by_id}
    # Only a documented 404 proves that a connection does not exist, so ids that the list lacks are looked up too.
    missing = [id_ for id_ in ids if id_ not in connections]
    for id_, result in zip(missing, _get_connections(client, missing), strict=True):
        if result is None:  # its worker thread failed, so the connection may exist
            raise PlatformError(f"The connection {id_} could not be looked up.")
        if isinstance(result, NotFoundError) and result.documented:
            continue
        if isinstance(result, PlatformError):
            raise result
        connections[id_] = result
    return connections


def _get_connections(client: Client, ids: Sequence[str]) -> list[Connection | PlatformError | None]:
    return map_concurrently(lambda id_: catch(lambda: client.connection(id_), PlatformError), ids, CONCURRENT_LOOKUPS)
