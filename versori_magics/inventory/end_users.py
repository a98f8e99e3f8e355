"""What end users change: their connections may be missing from the general list, and a token may belong to one of them.

It is not documented whether ListConnections lists the connections of end users if it is not asked for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics.api.concurrency import map_concurrently
from versori_magics.api.ids import canonical_ulid
from versori_magics.catch import catch
from versori_magics.errors import ForbiddenError, PlanError, PlatformError, UnauthorisedError
from versori_magics.inventory.usage_reader import CONCURRENT_LOOKUPS
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from versori_magics.api.client import Client
    from versori_magics.api.models import Connection, EndUser

PROBED_END_USERS = 5  # if the general list has all connections of so many end users, the others are not asked for


def check_token_for_planning(client: Client) -> str:
    """Check that the token does not belong to an end user, whose token may see only their own part.

    Returns
    -------
    str
        Why it could not be checked; empty if it was.

    Raises
    ------
    PlanError
        If the token belongs to an end user.
    PlatformError
        If the end users cannot be listed for another reason than a refusal of the token.
    """
    subject = client.token_subject
    if not subject:
        return ""
    end_users, problem = _list_end_users(client)
    owner = next(
        (user for user in end_users if subject == user.external_id or canonical_ulid(subject) == user.id), None
    )
    if owner is not None:
        raise _token_of_end_user(owner)
    return problem and f"It is not known whether the token belongs to an end user and sees only their part: {problem}"


def find_connections_of_end_users(
    client: Client, known_ids: Collection[str], *, ask_all: bool = False
) -> tuple[list[Connection], str]:
    """Return the connections that the lists of end users show and the general list lacks.

    Parameters
    ----------
    client : Client
        The organisation.
    known_ids : collection of str
        The ids in the general list.
    ask_all : bool
        Ask for every end user. Default: only if the first few have connections that the general list lacks.

    Returns
    -------
    list of Connection, str
        The connections, and why the end users could not be listed; empty if they were.

    Raises
    ------
    PlatformError
        If a list fails or is incomplete.
    """
    end_users, problem = _list_end_users(client)
    probed, others = end_users[:PROBED_END_USERS], end_users[PROBED_END_USERS:]
    unlisted = _unlisted_connections(client, probed, known_ids)
    if unlisted or ask_all:
        unlisted |= _unlisted_connections(client, others, known_ids)
    return list(unlisted.values()), problem and f"Connections of end users may be missing: {problem}"


def _list_end_users(client: Client) -> tuple[list[EndUser], str]:
    """Return the end users, and the reason if the platform refuses to list them."""
    end_users = catch(client.end_users, UnauthorisedError, ForbiddenError)
    if isinstance(end_users, PlatformError):
        return [], one_line(end_users.message, 300)
    return end_users, ""


def _unlisted_connections(
    client: Client, end_users: Sequence[EndUser], known_ids: Collection[str]
) -> dict[str, Connection]:
    """Return id -> connection of these end users, without the known ones."""
    ids = [user.id for user in end_users if user.id]
    results = map_concurrently(
        lambda id_: catch(lambda: client.connections(end_user_id=id_), PlatformError), ids, CONCURRENT_LOOKUPS
    )
    unlisted: dict[str, Connection] = {}
    for id_, result in zip(ids, results, strict=True):
        if result is None:  # its worker thread failed
            raise PlatformError(f"The connections of end user {id_} could not be listed.")
        if isinstance(result, PlatformError):
            raise result
        unlisted |= {item.id: item for item in result.items if item.id not in known_ids}
    return unlisted


def _token_of_end_user(owner: EndUser) -> PlanError:
    name = one_line(owner.display_name or owner.external_id or owner.id or "", 80)
    return PlanError(
        f"The token belongs to end user {name}, so the platform may show it only a part of the organisation. It may be"
        " used to list connections, but no deletion can be planned with it. Nothing was deleted.",
        hint="Connect with a token of the organisation.",
    )
