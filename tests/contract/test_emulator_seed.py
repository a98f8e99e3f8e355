"""The contents of the seeded organisation."""

import re
import unicodedata
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from versori_magics.emulator.models import Connection, Organisation
from versori_magics.emulator.seed import build_organisation
from versori_magics.emulator.vocabulary import TRICKY_NAMES

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


@pytest.fixture(scope="module")
def organisation() -> Organisation:
    return build_organisation(250, 1, DAY)


def static_and_dynamic_ids(organisation: Organisation) -> tuple[set[str], set[str]]:
    """Return the ids of the linked connections, and of the end users' connections that an activation names."""
    static = {link.connection_id for link in organisation.links}
    owned = {connection.id for connection in organisation.connections if connection.end_user_id}
    dynamic = {id_ for activation in organisation.activations for id_ in activation.connection_ids}
    return static, dynamic & owned


def hidden_ids(organisation: Organisation) -> tuple[set[str], set[str]]:
    """Return the ids of the connections that only a static user, or only an end user who does not own them, uses."""
    static, dynamic = static_and_dynamic_ids(organisation)
    ids: dict[bool, set[str]] = {True: set(), False: set()}
    for activation in organisation.activations:
        ids[activation.is_static] |= {*activation.connection_ids} - static - dynamic
    return ids[True], ids[False]


def without_times(part: Any) -> Any:
    """Return the fields of resources, as dictionaries without the times."""
    if isinstance(part, dict):
        return {name: without_times(value) for name, value in part.items() if not name.endswith("_at")}
    return [without_times(item) for item in part] if isinstance(part, list | tuple) else part


def fields_without_times(connection: Connection) -> tuple[str | None, ...]:
    return connection.id, connection.name, connection.system_id, connection.template_id, connection.base_url


def age(time: str) -> float:
    return (DAY - datetime.fromisoformat(time)).total_seconds() / 86_400


def test_the_same_seed_gives_the_same_organisation() -> None:
    assert build_organisation(250, 1, DAY) == build_organisation(250, 1, DAY)


def test_another_day_changes_only_the_times() -> None:
    first, second = build_organisation(250, 1, DAY), build_organisation(250, 1, datetime(2031, 7, 9, tzinfo=UTC))
    assert first != second
    assert list(map(fields_without_times, first.connections)) == list(map(fields_without_times, second.connections))
    assert first.links == second.links
    assert without_times(asdict(first)) == without_times(asdict(second))


def test_another_seed_gives_another_organisation() -> None:
    first, second = build_organisation(250, 1, DAY), build_organisation(250, 2, DAY)
    assert first.id != second.id
    assert not {c.id for c in first.connections} & {c.id for c in second.connections}


def test_the_id_of_the_organisation_depends_only_on_the_seed() -> None:
    assert len({build_organisation(n, 5, DAY).id for n in (0, 1, 10, 250)}) == 1


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 10, 37, 250, 2_000])
def test_organisations_of_every_size_are_consistent(size: int) -> None:
    organisation = build_organisation(size, 1, DAY)
    ids = [c.id for c in organisation.connections]
    static, dynamic = static_and_dynamic_ids(organisation)
    assert len(ids) == len(set(ids)) == size
    assert ids == sorted(ids)
    hidden = set().union(*hidden_ids(organisation))
    assert static | dynamic | hidden <= set(ids)
    assert not static & dynamic
    assert len(hidden) <= size * 0.03
    assert (len(static), len(dynamic)) == (round(size * 0.25), round(size * 0.35))
    names = Counter((c.system_id, c.name) for c in organisation.connections)
    assert max(names.values(), default=1) == 1


def test_every_id_is_a_unique_ulid(organisation: Organisation) -> None:
    environments = [env.id for project in organisation.projects for env in project.environments]
    credentials = [credential.id for c in organisation.connections for credential in c.credentials]
    resources: list[Any] = [*organisation.systems, *organisation.projects, *organisation.end_users]
    resources += [*organisation.activations, *organisation.connections]
    resources += [scheme for system in organisation.systems for scheme in system.auth_schemes]
    resources += [activation.end_user for activation in organisation.activations if activation.is_static]
    ids = [organisation.id, *environments, *credentials, *(resource.id for resource in resources)]
    assert all(ULID.fullmatch(id_) for id_ in ids)
    assert len(ids) == len(set(ids))


def test_there_are_eight_systems_and_six_projects_with_environments_of_every_status(organisation: Organisation) -> None:
    environments = [env for project in organisation.projects for env in project.environments]
    statuses = Counter(env.status for env in environments)
    assert (len(organisation.systems), len(organisation.projects)) == (8, 6)
    assert set(statuses) == {"running", "suspended", "draft", "error"}
    assert statuses["error"] == 1
    assert {len(project.environments) for project in organisation.projects} == {1, 2, 3}
    assert len({scheme.type for system in organisation.systems for scheme in system.auth_schemes}) > 5


def test_static_connections_are_linked_to_one_or_two_environments_with_different_statuses(
    organisation: Organisation,
) -> None:
    status = {env.id: env.status for project in organisation.projects for env in project.environments}
    linked_statuses: dict[str, set[str]] = {}
    for link in organisation.links:
        linked_statuses.setdefault(link.connection_id, set()).add(status[link.environment_id])
    connections_by_link_count = Counter(Counter(link.connection_id for link in organisation.links).values())
    assert set(connections_by_link_count) == {1, 2}
    assert connections_by_link_count[2] >= 3
    assert sum(statuses == {"running"} for statuses in linked_statuses.values()) > 10
    assert sum("running" not in statuses for statuses in linked_statuses.values()) > 10
    assert len({(link.connection_id, link.template_id) for link in organisation.links}) == len(organisation.links)


def test_some_end_users_have_two_activations_some_no_connections_and_some_no_activation(
    organisation: Organisation,
) -> None:
    activations = [activation for activation in organisation.activations if not activation.is_static]
    activations_per_user = Counter(activation.end_user.id for activation in activations)
    assert set(activations_per_user.values()) == {1, 2}
    assert any(not activation.connection_ids for activation in activations)
    assert len(organisation.end_users) > len(activations_per_user) + 10
    assert len({user.external_id for user in organisation.end_users}) == len(organisation.end_users)


def test_every_environment_has_a_static_user_who_uses_what_is_linked_to_it(organisation: Organisation) -> None:
    static_activations = {a.environment_id: a for a in organisation.activations if a.is_static}
    environments = {env.id for project in organisation.projects for env in project.environments}
    assert set(static_activations) == environments
    for link in organisation.links:
        assert link.connection_id in static_activations[link.environment_id].connection_ids
    assert not {a.end_user.id for a in static_activations.values()} & {user.id for user in organisation.end_users}


def test_some_connections_without_a_link_are_used_by_a_static_user_or_a_foreign_activation(
    organisation: Organisation,
) -> None:
    by_static_user, by_end_user = hidden_ids(organisation)
    owners = {connection.id: connection.end_user_id for connection in organisation.connections}
    assert len(by_static_user) == len(by_end_user) == 3
    assert {owners[id_] for id_ in by_static_user | by_end_user} == {None}


def test_some_activations_do_not_list_their_connections(organisation: Organisation) -> None:
    listed = Counter((a.is_static, a.lists_connections) for a in organisation.activations)
    assert all(listed[is_static, lists] > 4 for is_static in (True, False) for lists in (True, False))
    _, by_end_user = hidden_ids(organisation)
    unlisted = [a for a in organisation.activations if not a.lists_connections and not a.is_static]
    assert by_end_user <= {id_ for activation in unlisted for id_ in activation.connection_ids}


def test_former_end_users_still_own_connections(organisation: Organisation) -> None:
    activated = {activation.end_user.id for activation in organisation.activations}
    owners = {c.end_user_id for c in organisation.connections if c.end_user_id}
    assert len(owners - activated) > 10
    assert owners <= {user.id for user in organisation.end_users}


def test_every_tricky_name_occurs(organisation: Organisation) -> None:
    names = {c.name for c in organisation.connections}
    assert set(TRICKY_NAMES) <= names
    assert any(len(name) == 300 for name in names)
    for part in ("Müller & Söhne GmbH", "'", "<b>", "\u202e", "\x1b[", "東京"):
        assert any(part in name for name in names), part
    assert any(unicodedata.category(character) == "So" for name in names for character in name)


def test_the_names_of_unused_connections_show_their_origin(organisation: Organisation) -> None:
    static, dynamic = static_and_dynamic_ids(organisation)
    unused = [c.name for c in organisation.connections if c.id not in static | dynamic]
    for pattern in (r" trial \d{4}-\d\d", r"\(left \d{4}-\d\d\)", r"\(copy\)"):
        assert any(re.search(pattern, name) for name in unused), pattern


def test_credentials_of_every_state_occur(organisation: Organisation) -> None:
    credentials = [credential for c in organisation.connections for credential in c.credentials]
    expiring = [c for c in credentials if c.expires_at and not c.expires_at.startswith("0001")]
    assert sum(c.expires_at == "0001-01-01T00:00:00Z" for c in credentials) == 1
    assert any(c.errors == () and c.expires_at is None for c in credentials)
    assert any(c.errors is None for c in credentials)
    assert any(c.errors and c.expires_at is None for c in credentials)
    assert all(bool(c.errors) == (age(c.expires_at or "") > 0) for c in expiring)
    assert any(not c.credentials for c in organisation.connections)
    assert any(len(c.credentials) > 1 for c in organisation.connections)
    assert len({c.type for c in credentials}) > 7
    assert "oauth2-code" not in {c.type for c in credentials}


def test_times_have_the_format_of_go_and_are_a_few_to_900_days_old(organisation: Organisation) -> None:
    times = [(c.created_at, c.updated_at) for c in organisation.connections]
    fractions = {len(match[1]) for created, _ in times if (match := re.search(r"\.(\d+)", created))}
    assert fractions >= {1, 3, 6, 9}
    assert any("." not in created for created, _ in times)
    assert 0.8 < sum(created.endswith("Z") for created, _ in times) / len(times) < 1
    assert not any(re.search(r"\.\d*0(Z|[+-])", created) for created, _ in times)
    ages = [age(created) for created, _ in times]
    assert 2 < min(ages) < 30
    assert 850 < max(ages) < 901
    assert all(0 < age(updated) <= age(created) + 0.001 for created, updated in times)
