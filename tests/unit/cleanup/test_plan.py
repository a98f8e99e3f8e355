from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cleanup_examples import (
    ORGANISATION,
    SERVER,
    make_id,
    make_plan,
    make_row,
    make_snapshot,
    make_usage,
    make_use,
)

from versori_magics.cleanup.plan import Plan, PlanRow, Verdict, describe_change, plan_row
from versori_magics.cleanup.protection import NO_PROTECTION, Protection, Rule
from versori_magics.inventory.snapshot import ConnectionSnapshot, Snapshots
from versori_magics.inventory.usage import UsageScope

NOW = "2026-01-01T00:00:00+00:00"
KEY = make_id(1)


@pytest.mark.parametrize(
    ("snapshot", "may_break", "is_protected", "verdict", "reason"),
    [
        (make_snapshot(1), False, False, Verdict.DELETE, "nobody uses it"),
        (make_snapshot(1), True, False, Verdict.DELETE, "nobody uses it"),
        (make_snapshot(1), False, True, Verdict.PROTECTED, f"protected by '{KEY}'"),
        (make_snapshot(1, "static"), False, False, Verdict.IN_USE, "Orders / environment 1 (running)"),
        (make_snapshot(1, "static"), True, False, Verdict.DELETE, "allowed to break; it is used by Orders"),
        (make_snapshot(1, "static"), True, True, Verdict.PROTECTED, "protected by"),
        (make_snapshot(1, "dynamic"), False, False, Verdict.IN_USE, "the platform would refuse its deletion"),
        (make_snapshot(1, "dynamic"), True, False, Verdict.IN_USE, "even though you allowed it to break"),
        (make_snapshot(1, "unknown"), False, False, Verdict.IN_USE, "usage unknown: a look-up failed"),
        (
            make_snapshot(1, "unknown"),
            True,
            False,
            Verdict.IN_USE,
            "cannot be allowed to break before its usage is known",
        ),
        (None, False, False, Verdict.NOT_FOUND, "does not exist"),
        (None, True, True, Verdict.NOT_FOUND, "does not exist"),
    ],
)
def test_verdict_of_a_row_depends_on_its_snapshot(
    snapshot: ConnectionSnapshot | None, may_break: bool, is_protected: bool, verdict: Verdict, reason: str
) -> None:
    breaking = [KEY] if may_break else [make_id(2)]
    row = plan_row(KEY, snapshot, breaking, Protection((Rule("id", KEY),)) if is_protected else NO_PROTECTION)
    assert (row.id, row.verdict) == (KEY, verdict)
    assert reason in row.reason
    assert row.breaking == (verdict == Verdict.DELETE and snapshot is not None and snapshot.usage.in_use)


def test_plan_has_a_row_for_each_id_in_order_and_its_counts_add_up() -> None:
    by_id = {
        make_id(1): make_snapshot(1),
        make_id(2): make_snapshot(2, "static"),
        make_id(3): make_snapshot(3, "dynamic"),
    }
    snapshots = Snapshots(by_id, UsageScope(1, 2, 3), "a warning")
    ids = [make_id(number) for number in (4, 3, 2, 1)]
    plan = Plan.create(
        SERVER, ORGANISATION, ids, snapshots, created_at=NOW, protection=Protection((Rule("name", "x*"),), "/p")
    )
    assert [row.id for row in plan.rows] == ids
    assert (plan.scope, plan.warning) == (UsageScope(1, 2, 3), "a warning")
    assert plan.counts == {"delete": 1, "in_use": 2, "protected": 0, "not_found": 1}
    assert [row.id for row in plan.to_delete] == [make_id(1)]
    assert plan.to_break == ()
    assert (plan.protection, plan.protection_file, plan.created_at) == (("name: x*",), "/p", NOW)
    breaking_plan = Plan.create(SERVER, ORGANISATION, ids, snapshots, created_at=NOW, breaking=[make_id(2)])
    assert [row.id for row in breaking_plan.to_delete] == [make_id(2), make_id(1)]
    assert [row.id for row in breaking_plan.to_break] == [make_id(2)]
    assert plan.id != breaking_plan.id


def test_plan_cannot_be_changed() -> None:
    plan = make_plan(make_row(1))
    for target, name in ((plan, "rows"), (plan, "server"), (plan.rows[0], "verdict")):
        with pytest.raises(AttributeError):
            setattr(target, name, ())
    assert isinstance(plan.rows, tuple)


# The digest.

OTHER_FACTS: dict[str, Any] = {
    "id": make_id(9),
    "verdict": Verdict.PROTECTED,
    "name": "another",
    "system": "another",
    "usage": make_usage("static"),
    "updated_at": "later",
}


def test_digest_depends_on_every_fact_of_every_row() -> None:
    assert OTHER_FACTS.keys() == set(PlanRow.__struct_fields__) - {"reason"}  # it follows from the others
    rows = [make_row(number) for number in range(3)]
    plan = make_plan(*rows)
    digests = {plan.digest}
    for number, row in enumerate(rows):
        for name, value in OTHER_FACTS.items():
            changed = msgspec.structs.replace(row, **{name: value})
            digests.add(make_plan(*rows[:number], changed, *rows[number + 1 :]).digest)
    assert len(digests) == 1 + 3 * len(OTHER_FACTS)


def test_digest_depends_on_server_organisation_policy_and_rows() -> None:
    plan = make_plan(make_row(1), make_row(2), breaking=(make_id(1),), protection=("name: x",))
    others = [
        msgspec.structs.replace(plan, **{name: value})
        for name, value in (
            ("server", "https://other"),
            ("organisation", make_id(9)),
            ("breaking", ()),
            ("breaking", (make_id(2),)),
            ("protection", ()),
            ("protection", ("name: y",)),
            ("no_projects", True),
            ("rows", plan.rows[:1]),
            ("rows", plan.rows[::-1]),
        )
    ]
    assert len({plan.digest, *(other.digest for other in others)}) == 1 + len(others)
    assert len(plan.digest) == 64


def test_digest_does_not_depend_on_the_status_of_an_environment_which_changes_by_itself() -> None:
    digests = {
        status: make_plan(make_row(1, usage=make_usage("static", [make_use(1, status=status)]))).digest
        for status in ("running", "suspended")
    }
    assert digests["running"] == digests["suspended"]


def test_digest_depends_on_every_user_and_not_only_on_the_first_ones() -> None:
    first = [make_use(number) for number in range(3)]
    plans = [make_plan(make_row(1, usage=make_usage("static", [*first, make_use(number)]))) for number in (4, 5)]
    assert plans[0].rows[0].used_by == plans[1].rows[0].used_by
    assert plans[0].digest != plans[1].digest


def test_an_environment_that_two_rows_use_is_one_environment() -> None:
    row = make_row(1, usage=make_usage("static", [make_use(1), make_use(2), make_use(3, status="draft")]))
    assert row.running == 2
    assert row.running_environments == {"E1": "Orders / environment 1", "E2": "Orders / environment 2"}
    assert (make_row(1).running, make_row(1).used_by, make_row(1).kind, make_row(1).in_use) == (0, "", "", False)


def test_digest_does_not_depend_on_the_time_or_on_the_order_of_ids_that_may_break() -> None:
    ids = (make_id(1), make_id(2))
    plan = make_plan(make_row(1), make_row(2), breaking=ids)
    same = msgspec.structs.replace(plan, id=make_id(8), created_at="another day", breaking=ids[::-1])
    assert same.digest == plan.digest


FACTS = st.fixed_dictionaries(
    {"name": st.text(max_size=3), "system": st.text(max_size=3), "updated_at": st.text(max_size=3)}
)


@given(FACTS, FACTS)
def test_two_plans_have_the_same_digest_only_if_their_facts_are_the_same(
    facts: dict[str, Any], other_facts: dict[str, Any]
) -> None:
    digest, other_digest = (
        make_plan(PlanRow(KEY, Verdict.DELETE, **row_facts)).digest for row_facts in (facts, other_facts)
    )
    assert (digest == other_digest) == (facts == other_facts)


# Changes since the plan was made.


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (make_snapshot(1), make_snapshot(1), ""),
        (make_snapshot(1), make_snapshot(1, system="renamed"), ""),
        (make_snapshot(1), make_snapshot(1, name="new"), "its name changed from connection 1 to new"),
        (make_snapshot(1), make_snapshot(1, name=None), "its name changed from connection 1 to nothing"),
        (
            make_snapshot(1),
            make_snapshot(1, updated_at="later"),
            "its last update changed from 2026-01-01T00:00:00Z to later",
        ),
        (make_snapshot(1), make_snapshot(1, "static"), "it is in use now: Orders / environment 1 (running)"),
        (make_snapshot(1), make_snapshot(1, "dynamic"), "it is in use now: end user"),
        (make_snapshot(1), make_snapshot(1, "unknown"), "usage unknown"),
        (make_snapshot(1, "static"), make_snapshot(1, "static"), ""),
        (
            make_snapshot(1, "static"),
            make_snapshot(1),
            "its users changed from Orders / environment 1 (running) to nothing",
        ),
        (make_snapshot(1, "static"), make_snapshot(1, "static", [make_use(2)]), "its users"),
        (make_snapshot(1, "static", [make_use(status="draft")]), make_snapshot(1, "static"), "its users"),
        (make_snapshot(1, "static"), make_snapshot(1, "unknown"), "its users"),
        (
            make_snapshot(1, "static", [*map(make_use, range(3)), make_use(9)]),
            make_snapshot(1, "static", map(make_use, range(4))),
            "its users changed, but not the first ones",
        ),
        (
            make_snapshot(1, "static", [*map(make_use, range(3)), make_use(9, status="draft")]),
            make_snapshot(1, "static", [*map(make_use, range(3)), make_use(9)]),
            "its users changed, but not the first ones",
        ),
    ],
)
def test_change_since_the_plan_is_described(before: ConnectionSnapshot, after: ConnectionSnapshot, words: str) -> None:
    planned, current = (plan_row(KEY, snapshot, [KEY], NO_PROTECTION) for snapshot in (before, after))
    change = describe_change(planned, current)
    assert change.startswith(words)
    assert bool(change) == bool(words)
