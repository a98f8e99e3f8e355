"""Look at connections as they stand now: themselves, their system's name and their usage, in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.errors import NotFoundError, PlatformError
from versori_magics.platform.ids import canonical_ulid
from versori_magics.platform.usage import LOOKUPS, ConnectionUsage, Usage, read_usage
from versori_magics.platform.workers import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from versori_magics.platform.client import Client
    from versori_magics.platform.models import Connection

# So many ids are asked for one by one; for more, listing everything in pages of 1,000 is cheaper.
FEW = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """A connection as it was seen.

    Parameters
    ----------
    connection : Connection
        What the platform says of it.
    system : str
        Its system's name; empty where it has none or the name is not known.
    usage : ConnectionUsage
        Who needs it.
    """

    connection: Connection
    system: str
    usage: ConnectionUsage


def survey(client: Client, ids: Sequence[str]) -> dict[str, Seen]:
    """Look at the connections with these ids.

    Parameters
    ----------
    client : Client
        Which organisation.
    ids : sequence of str
        Canonical ULIDs.

    Returns
    -------
    dict
        Id -> what was seen, in the order of `ids`. An id that is missing surely has no connection: the platform itself
        said so, for each.

    Raises
    ------
    PlatformError
        Where that cannot be learned of some id. Usage that cannot be learned raises nothing: it is `unknown`.
    """
    found: dict[str, Connection] = {}
    if len(ids) > FEW:
        listed = {canonical_ulid(c.id): c for c in client.connections().items}
        found = {key: listed[key] for key in ids if key in listed}
    # Also what a whole list does not hold is asked for by itself: only a 404 proves that it is gone.
    missing = [key for key in ids if key not in found]
    for key, result in zip(missing, side_by_side(lambda key: _get(client, key), missing, LOOKUPS), strict=True):
        if result is None:  # its worker broke down: that is no proof of anything
            raise PlatformError(f"What has become of the connection {key} could not be looked up.")
        if isinstance(result, NotFoundError) and result.documented:
            continue
        if isinstance(result, PlatformError):
            raise result
        found[key] = result
    usage = read_usage(client) if found else Usage()
    names = system_names(client)[0] if found else {}
    return {
        key: Seen(found[key], names.get(found[key].system_id or "", ""), usage.of(key)) for key in ids if key in found
    }


def system_names(client: Client) -> tuple[dict[str, str], str]:
    """Return system id -> name, and why it is empty where the systems cannot be listed.

    Names are a convenience: a failure here keeps nobody from seeing connections.
    """
    try:
        return {system.id: system.name or system.domain or "" for system in client.systems().items}, ""
    except PlatformError as error:
        return {}, error.message


def _get(client: Client, connection: str) -> Connection | PlatformError:
    try:
        return client.connection(connection)
    except PlatformError as error:
        return error
