"""Finds the id of a system, an end user or an environment by the name that people use for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from versori_magics.api.ids import canonical_ulid
from versori_magics.errors import ArgumentError
from versori_magics.text import did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from versori_magics.api.client import Client

_LISTED_IDS = 5


def find_system_id(client: Client, name: str) -> str:
    """Return the id of a system.

    Parameters
    ----------
    client : Client
        The organisation.
    name : str
        The system's id, name or domain, in upper or lower case.

    Raises
    ------
    ArgumentError
        If no system or more than one matches.
    """
    systems = client.systems().items
    return _only_match("system", name, [(system.id, (system.name, system.domain)) for system in systems])


def find_end_user_id(client: Client, name: str) -> str:
    """Return the id of an end user.

    Parameters
    ----------
    client : Client
        The organisation.
    name : str
        The end user's ULID, which is returned without a request; or the external id or name, in upper or lower case.

    Raises
    ------
    ArgumentError
        If no end user or more than one matches.
    """
    if ulid := canonical_ulid(name):
        return ulid
    users = client.end_users(name)
    return _only_match(
        "end user", name, [(user.id, (user.external_id, user.display_name)) for user in users if user.id]
    )


def find_environment_ids(client: Client, project: str | None, environment: str | None) -> set[str]:
    """Return the ids of the environments that match a project, an environment, or both.

    Parameters
    ----------
    client : Client
        The organisation.
    project : str or None
        Id or name of a project; None for every project.
    environment : str or None
        Id or name of an environment; None for every environment. Several projects can have an environment of that
        name, and all of these are returned.

    Raises
    ------
    ArgumentError
        If nothing matches, or the project's name matches more than one.
    """
    projects = client.projects()
    if project:
        project_id = _only_match("project", project, [(candidate.id, (candidate.name,)) for candidate in projects])
        projects = [candidate for candidate in projects if candidate.id == project_id]
    environments = [candidate for owner in projects for candidate in owner.environments or ()]
    if not environment:
        return {candidate.id for candidate in environments}
    matches = {candidate.id for candidate in environments if environment in {candidate.id, candidate.name}}
    return matches or {
        _only_match("environment", environment, [(candidate.id, (candidate.name,)) for candidate in environments])
    }


def _only_match(noun: str, name: str, candidates: Sequence[tuple[str, Sequence[str | None]]]) -> str:
    """Return the id of the only candidate, given as (id, names), whose id or one of whose names is `name`."""
    wanted = name.strip().casefold()
    matches = [
        id_ for id_, names in candidates if wanted in {id_.casefold(), *(text.casefold() for text in names if text)}
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ArgumentError(
            f"{len(matches)} {noun}s match {one_line(name, 60)!r}: {', '.join(matches[:_LISTED_IDS])}.",
            hint=f"Use the {noun}'s id.",
        )
    all_names = [text for _, names in candidates for text in names if text]
    hint = did_you_mean(name, all_names, count=3, cutoff=0.5)
    raise ArgumentError(f"There is no {noun} {one_line(name, 60)!r}.", hint=hint)
