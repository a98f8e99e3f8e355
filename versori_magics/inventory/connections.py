"""Lists every connection of an organisation with its usage, including those that the platform's own list leaves out.

It is not documented whether ListConnections lists the connections of end users if it is not asked for one of them. What
only an activation, an environment or the list of an end user shows is therefore added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from versori_magics.api.concurrency import map_concurrently
from versori_magics.api.ids import canonical_ulid
from versori_magics.api.pagination import Listing
from versori_magics.catch import catch
from versori_magics.errors import NotFoundError, PlatformError
from versori_magics.inventory.end_users import find_connections_of_end_users
from versori_magics.inventory.usage import OrganisationUsage
from versori_magics.inventory.usage_reader import CONCURRENT_LOOKUPS, read_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from versori_magics.api.client import Client
    from versori_magics.api.models import Connection


@dataclass(frozen=True, slots=True)
class Inventory:
    """The connections of an organisation and their usage.

    Parameters
    ----------
    listing : Listing
        The connections.
    usage : OrganisationUsage
        The usage of every connection, listed or not; empty if it was not read.
    warning : str
        Why connections of end users may be missing; empty if none are.
    """

    listing: Listing[Connection]
    usage: OrganisationUsage = field(default_factory=OrganisationUsage)
    warning: str = ""


def read_inventory(
    client: Client, *, system_id: str | None = None, end_user_id: str | None = None, no_projects: bool = False
) -> Inventory:
    """List the connections of an organisation with their usage.

    Parameters
    ----------
    client : Client
        The organisation.
    system_id, end_user_id : str, optional
        ULIDs. List only the connections to this system, or of this end user.
    no_projects : bool
        As for `read_usage`.

    Raises
    ------
    PlatformError
        If a list fails or is incomplete. A failure to read usage does not raise; the usage is then `unknown`.
    ArgumentError
        If there are projects despite `no_projects`.
    """
    listing = client.connections(system_id=system_id, end_user_id=end_user_id)
    usage = read_usage(client, no_projects=no_projects)
    if end_user_id:  # the connections of one end user are all in this list
        return Inventory(listing, usage)
    general_list = client.connections() if system_id else listing
    unlisted, warning = _find_unlisted(client, general_list, usage)
    added = [connection for connection in unlisted if system_id in {None, connection.system_id}]
    return Inventory(Listing([*listing.items, *added], listing.confirmed), usage, warning)


def _find_unlisted(
    client: Client, general_list: Listing[Connection], usage: OrganisationUsage
) -> tuple[list[Connection], str]:
    """Return the connections that are not in the general list, and why some may be missing."""
    known_ids = {connection.id for connection in general_list.items}
    is_incomplete = not usage.uses.keys() <= known_ids
    unlisted, warning = find_connections_of_end_users(client, known_ids, ask_all=is_incomplete)
    known_ids |= {connection.id for connection in unlisted}
    used_ids = [id_ for id_ in usage.uses if id_ not in known_ids and canonical_ulid(id_)]
    return [*unlisted, *look_up_connections(client, used_ids).values()], warning


def look_up_connections(client: Client, ids: Sequence[str]) -> dict[str, Connection]:
    """Look up connections one by one.

    Returns
    -------
    dict
        Id -> connection. An id is missing only if GetConnection reported that the connection does not exist.

    Raises
    ------
    PlatformError
        If a look-up fails.
    """
    results = map_concurrently(
        lambda id_: catch(lambda: client.connection(id_), PlatformError), ids, CONCURRENT_LOOKUPS
    )
    connections: dict[str, Connection] = {}
    for id_, result in zip(ids, results, strict=True):
        if result is None:  # its worker thread failed, so the connection may exist
            raise PlatformError(f"The connection {id_} could not be looked up.")
        if isinstance(result, NotFoundError) and result.documented:
            continue
        if isinstance(result, PlatformError):
            raise result
        connections[id_] = result
    return connections
