"""What the seeded organisation holds."""

import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from versori_magics.sandbox.names import ODD_NAMES
from versori_magics.sandbox.organisation import Connection, Organisation
from versori_magics.sandbox.seed import build

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


@pytest.fixture(scope="module")
def organisation() -> Organisation:
    return build(250, 1, DAY)


def in_use(organisation: Organisation) -> tuple[set[str], set[str]]:
    static = {link.connection for link in organisation.links}
    dynamic = {connection for activation in organisation.activations for connection in activation.connections}
    return static, dynamic


def identity(connection: Connection) -> tuple[str | None, ...]:
    return connection.id, connection.name, connection.system, connection.template, connection.base_url


def age(time: str) -> float:
    return (DAY - datetime.fromisoformat(time)).total_seconds() / 86_400


def test_the_same_seed_gives_the_same_organisation() -> None:
    assert build(250, 1, DAY) == build(250, 1, DAY)


def test_another_day_changes_times_only() -> None:
    one, other = build(250, 1, DAY), build(250, 1, datetime(2031, 7, 9, tzinfo=UTC))
    assert one != other
    assert list(map(identity, one.connections)) == list(map(identity, other.connections))
    assert (one.users, one.links, one.activations) == (other.users, other.links, other.activations)


def test_another_seed_gives_another_organisation() -> None:
    one, other = build(250, 1, DAY), build(250, 2, DAY)
    assert one.id != other.id
    assert not {c.id for c in one.connections} & {c.id for c in other.connections}


def test_the_organisations_id_hangs_on_the_seed_only() -> None:
    assert len({build(n, 5, DAY).id for n in (0, 1, 10, 250)}) == 1


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 10, 37, 250, 2_000])
def test_any_size_is_whole(size: int) -> None:
    organisation = build(size, 1, DAY)
    ids = [c.id for c in organisation.connections]
    static, dynamic = in_use(organisation)
    assert len(ids) == len(set(ids)) == size
    assert ids == sorted(ids)
    assert static | dynamic <= set(ids)
    assert not static & dynamic
    assert (len(static), len(dynamic)) == (round(size * 0.25), round(size * 0.35))
    names = Counter((c.system, c.name) for c in organisation.connections)
    assert max(names.values(), default=1) == 1


def test_every_id_is_a_ulid_and_no_two_are_alike(organisation: Organisation) -> None:
    environments = [env.id for project in organisation.projects for env in project.environments]
    credentials = [credential.id for c in organisation.connections for credential in c.credentials]
    owned: list[Any] = [*organisation.systems, *organisation.projects, *organisation.users]
    owned += [*organisation.activations, *organisation.connections]
    ids = [organisation.id, *environments, *credentials, *(thing.id for thing in owned)]
    assert all(ULID.fullmatch(id_) for id_ in ids)
    assert len(ids) == len(set(ids))


def test_there_are_eight_systems_and_six_projects_in_every_state(organisation: Organisation) -> None:
    environments = [env for project in organisation.projects for env in project.environments]
    states = Counter(env.status for env in environments)
    assert (len(organisation.systems), len(organisation.projects)) == (8, 6)
    assert set(states) == {"running", "suspended", "draft", "error"}
    assert states["error"] == 1
    assert {len(project.environments) for project in organisation.projects} == {1, 2, 3}
    assert len({scheme for system in organisation.systems for scheme in system.schemes}) > 5


def test_static_connections_are_linked_to_one_environment_or_two_running_or_not(organisation: Organisation) -> None:
    status = {env.id: env.status for project in organisation.projects for env in project.environments}
    linked: dict[str, set[str]] = {}
    for link in organisation.links:
        linked.setdefault(link.connection, set()).add(status[link.environment])
    per_connection = Counter(Counter(link.connection for link in organisation.links).values())
    assert set(per_connection) == {1, 2}
    assert per_connection[2] >= 3
    assert sum(states == {"running"} for states in linked.values()) > 10
    assert sum("running" not in states for states in linked.values()) > 10
    assert len({(link.connection, link.template) for link in organisation.links}) == len(organisation.links)


def test_end_users_are_some_in_two_environments_some_without_any_connection_some_gone(
    organisation: Organisation,
) -> None:
    per_user = Counter(activation.user.id for activation in organisation.activations)
    assert set(per_user.values()) == {1, 2}
    assert any(not activation.connections for activation in organisation.activations)
    assert len(organisation.users) > len(per_user) + 10
    assert len({user.external_id for user in organisation.users}) == len(organisation.users)


def test_the_odd_names_are_there(organisation: Organisation) -> None:
    names = {c.name for c in organisation.connections}
    assert set(ODD_NAMES) <= names
    assert any(len(name) == 300 for name in names)
    for part in ("Müller & Söhne GmbH", "'", "<b>", "\u202e", "\x1b[", "東京"):
        assert any(part in name for name in names), part
    assert any(unicodedata.category(character) == "So" for name in names for character in name)


def test_leftovers_say_what_they_are(organisation: Organisation) -> None:
    static, dynamic = in_use(organisation)
    unused = [c.name for c in organisation.connections if c.id not in static | dynamic]
    for pattern in (r" trial \d{4}-\d\d", r"\(left \d{4}-\d\d\)", r"\(copy\)"):
        assert any(re.search(pattern, name) for name in unused), pattern


def test_credentials_are_in_every_state(organisation: Organisation) -> None:
    credentials = [credential for c in organisation.connections for credential in c.credentials]
    real = [c for c in credentials if c.expires_at and not c.expires_at.startswith("0001")]
    assert sum(c.expires_at == "0001-01-01T00:00:00Z" for c in credentials) == 1
    assert any(c.errors == () and c.expires_at is None for c in credentials)
    assert any(c.errors is None for c in credentials)
    assert any(c.errors and c.expires_at is None for c in credentials)
    assert all(bool(c.errors) == (age(c.expires_at or "") > 0) for c in real)
    assert any(not c.credentials for c in organisation.connections)
    assert any(len(c.credentials) > 1 for c in organisation.connections)
    assert len({c.type for c in credentials}) > 7


def test_times_are_printed_as_go_prints_them_and_a_few_days_to_900_old(organisation: Organisation) -> None:
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
