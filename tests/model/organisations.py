"""Small organisations for the model, made from the emulator's seed: eight connections, each known by a label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from versori_magics.emulator.models import Link, Organisation
from versori_magics.emulator.seed import build_organisation

if TYPE_CHECKING:
    from collections.abc import Mapping

# Label -> name on the platform. One name contains ` #`, and one a letter that Unicode can write in two ways.
NAMES = {
    "unused 1": "Shop #12",
    "unused 2": "Café Zoë",
    "unused 3": "Trial 3",
    "unused 4": "Old 4",
    "static": "Live 5",
    "shared": "Shared 6",
    "dynamic": "Customer 7",
    "draft": "Draft 8",
}
LABELS = tuple(NAMES)
UNUSED = LABELS[:4]
OTHER_SYSTEM = ("unused 3", "draft")  # the others belong to the first system
STATUSES = ("running", "running", "draft", "running", "running")


@dataclass(frozen=True)
class Made:
    """An organisation, and the id of each labelled connection."""

    organisation: Organisation
    ids: Mapping[str, str]


@cache
def make_organisation(seed: int, environments: int) -> Made:
    """Return an organisation with so many environments; the same arguments give the same ids."""
    built = build_organisation(40, seed)
    chosen = [environment for project in built.projects for environment in project.environments][:environments]
    placed = [replace(environment, status=STATUSES[n]) for n, environment in enumerate(chosen)]
    projects = tuple(
        replace(project, environments=part)
        for project, part in zip(built.projects, (tuple(placed[:-1]), tuple(placed[-1:])), strict=False)
    )
    systems, activation = built.systems[:2], built.activations[0]
    connections = tuple(
        replace(
            connection,
            name=name,
            system_id=systems[label in OTHER_SYSTEM].id,
            template_id=None,
            end_user_id=activation.end_user.id if label == "dynamic" else None,
            updated_at="2026-01-01T00:00:00Z",
        )
        for connection, (label, name) in zip(built.connections, NAMES.items(), strict=False)
    )
    ids = {label: connection.id for label, connection in zip(LABELS, connections, strict=True)}
    template = next(connection.template_id for connection in built.connections if connection.template_id)
    linked = [("static", 0), ("draft", min(2, environments - 1)), *(("shared", n) for n in range(min(4, environments)))]
    users = {item.end_user.id: item.end_user for item in built.activations[:2]}
    activation = replace(activation, environment_id=placed[0].id, connection_ids=(ids["dynamic"],))
    organisation = replace(
        built,
        systems=systems,
        projects=projects,
        connections=connections,
        end_users=tuple(users[id_] for id_ in sorted(users)),
        activations=(activation,),
        links=tuple(Link(ids[label], placed[n].id, template) for label, n in linked),
    )
    return Made(organisation, ids)
