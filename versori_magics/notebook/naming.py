"""Names: what a person calls a system, an end user, a project or an environment, as the id that the API takes."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from versori_magics.errors import ArgumentError
from versori_magics.platform.ids import canonical_ulid
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.platform.client import Client


def system_id(client: Client, wanted: str) -> str:
    """Return the id of the system with this id, name or domain."""
    systems = client.systems().items
    return _one("system", wanted, [(s.id, [s.name, s.domain]) for s in systems])


def end_user_id(client: Client, wanted: str) -> str:
    """Return the id of the end user with this id, external id or name."""
    found = canonical_ulid(wanted)
    if found:
        return found
    users = client.end_users(wanted)
    return _one("end user", wanted, [(u.id, [u.external_id, u.display_name]) for u in users if u.id])


def environment_ids(client: Client, project: str | None, environment: str | None) -> set[str]:
    """Return the ids of the environments that a project, an environment, or both together mean."""
    projects = client.projects()
    if project:
        found = _one("project", project, [(p.id, [p.name]) for p in projects])
        projects = [p for p in projects if p.id == found]
    environments = [e for p in projects for e in p.environments or ()]
    if environment:
        names = {e.id for e in environments if environment in {e.id, e.name}}
        # The same name in several projects means all of them: that is how environments are named.
        return names or {_one("environment", environment, [(e.id, [e.name]) for e in environments])}
    return {e.id for e in environments}


def _one(what: str, wanted: str, known: list[tuple[str, list[str | None]]]) -> str:
    """Return the one id that a name stands for, or raise with what was perhaps meant."""
    low = wanted.strip().casefold()
    found = [key for key, names in known if low in {key.casefold(), *(n.casefold() for n in names if n)}]
    if len(found) == 1:
        return found[0]
    if found:
        raise ArgumentError(
            f"{len(found)} are called {one_line(wanted, 60)!r}: {', '.join(found[:5])}.", hint=f"Give the {what}'s id."
        )
    close = difflib.get_close_matches(wanted, [n for _, names in known for n in names if n], n=3, cutoff=0.5)
    hint = f"Did you mean {one_line(', '.join(close), 200)}?" if close else ""
    raise ArgumentError(f"There is no {what} {one_line(wanted, 60)!r}.", hint=hint)
