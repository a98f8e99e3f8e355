"""What others do to an organisation behind the client's back, and what people write into a protection file."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from model.organisations import NAMES

from versori_magics.emulator.models import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.site import Site


def _rename(site: Site, connection: str) -> None:
    _edit(site, connection, name=f"{NAMES[site.labels[connection]]} renamed")


def _touch(site: Site, connection: str) -> None:
    _edit(site, connection, updated_at="2026-02-02T00:00:00Z")


def _edit(site: Site, connection: str, **fields: str) -> None:
    items = site.organisation.connections
    site.change(connections=tuple(replace(item, **fields) if item.id == connection else item for item in items))  # type: ignore[arg-type]


def _link(site: Site, connection: str) -> None:
    """Link it to the first environment that it is not linked to."""
    links = site.organisation.links
    linked = {link.environment_id for link in links if link.connection_id == connection}
    free = [environment.id for environment in site.environments() if environment.id not in linked]
    if free:
        site.change(links=(*links, Link(connection, free[0], links[0].template_id if links else site.id)))


def _unlink(site: Site, connection: str) -> None:
    site.change(links=tuple(link for link in site.organisation.links if link.connection_id != connection))


def _replace_last_user(site: Site, connection: str) -> None:
    """Link it to another environment instead of the last one."""
    links = site.organisation.links
    own = [link for link in links if link.connection_id == connection]
    linked = {link.environment_id for link in own}
    free = [environment.id for environment in site.environments() if environment.id not in linked]
    if own and free:
        moved = replace(own[-1], environment_id=free[0])
        site.change(links=tuple(moved if link is own[-1] else link for link in links))


def _activate(site: Site, connection: str) -> None:
    """Let an end user's activation name it."""
    first, *others = site.organisation.activations
    if connection not in first.connection_ids:
        site.change(activations=(replace(first, connection_ids=(*first.connection_ids, connection)), *others))


def _name_by_static_user(site: Site, connection: str) -> None:
    site.named_by_static_user |= {connection}
    site.change()


def _deactivate(site: Site, connection: str) -> None:
    site.change(
        activations=tuple(
            replace(item, connection_ids=tuple(id_ for id_ in item.connection_ids if id_ != connection))
            for item in site.organisation.activations
        )
    )


def _remove(site: Site, connection: str) -> None:
    _deactivate(site, connection)
    site.remove(connection)


CHANGES: dict[str, Callable[[Site, str], None]] = {
    "is linked": _link,
    "is unlinked": _unlink,
    "gets another last user": _replace_last_user,
    "is renamed": _rename,
    "is touched": _touch,
    "is activated": _activate,
    "is deactivated": _deactivate,
    "is named by the static user": _name_by_static_user,
    "is removed": _remove,
}


def _system(site: Site, connection: str) -> str:
    return (*site.systems_of(connection), "nobody's system")[0]


def _name(site: Site, connection: str) -> str:
    facts = site.facts(connection)
    return facts[0] if facts else NAMES[site.labels[connection]]


# What a person writes to protect a connection.
RULES: dict[str, Callable[[Site, str], str]] = {
    "its id": lambda _, connection: connection,
    "its id in lower case": lambda _, connection: connection.lower(),
    "its name": lambda site, connection: f"name: {_name(site, connection)}",
    "its name, composed otherwise": lambda site, connection: (
        "name: " + unicodedata.normalize("NFD", _name(site, connection)).upper()
    ),
    "the start of its name": lambda site, connection: f"name: {_name(site, connection)[:4]}*",
    "its system": lambda site, connection: f"system: {_system(site, connection)}",
    "its name and a comment": lambda site, connection: f"name: {_name(site, connection)} # keep",
}


def change_connection(site: Site, change: str, connection: str) -> bool:
    """Change a connection, if it still exists."""
    if not site.exists(connection):
        return False
    CHANGES[change](site, connection)
    return True
