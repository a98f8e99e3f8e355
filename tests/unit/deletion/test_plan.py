from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.deletion.making import ORGANISATION, SERVER, Answers, make_id, make_plan, make_row, make_seen, make_use

from versori_magics.deletion.plan import Plan, PlanRow, Verdict, check_breaking, differs, judge
from versori_magics.deletion.protect import Protection, Rule
from versori_magics.deletion.report import Outcome, Report
from versori_magics.deletion.run import Options, Platform, execute
from versori_magics.errors import PlanError, SelectionError
from versori_magics.platform.survey import Seen

KEY = make_id(1)
NONE = Protection()


@pytest.mark.parametrize(
    ("seen", "named", "protected", "verdict", "reason"),
    [
        (make_seen(1), False, False, Verdict.DELETE, "nobody uses it"),
        (make_seen(1), True, False, Verdict.DELETE, "nobody uses it"),
        (make_seen(1), False, True, Verdict.PROTECTED, f"protected by '{KEY}'"),
        (make_seen(1, "static"), False, False, Verdict.IN_USE, "Orders / environment 1 (running)"),
        (make_seen(1, "static"), True, False, Verdict.DELETE, "named in --break; it is used by Orders"),
        (make_seen(1, "static"), True, True, Verdict.PROTECTED, "protected by"),
        (make_seen(1, "dynamic"), False, False, Verdict.IN_USE, "the platform would refuse"),
        (make_seen(1, "dynamic"), True, False, Verdict.IN_USE, "also where it is named in --break"),
        (make_seen(1, "unknown"), False, False, Verdict.IN_USE, "not known: a look-up failed"),
        (make_seen(1, "unknown"), True, False, Verdict.DELETE, "named in --break; it is used by not known"),
        (None, False, False, Verdict.NOT_FOUND, "no such connection"),
        (None, True, True, Verdict.NOT_FOUND, "no such connection"),
    ],
)
def test_a_row_is_judged_by_what_was_seen(
    seen: Seen | None, named: bool, protected: bool, verdict: Verdict, reason: str
) -> None:
    row = judge(KEY, seen, [KEY] if named else [make_id(2)], Protection((Rule("id", KEY),)) if protected else NONE)
    assert (row.id, row.verdict) == (KEY, verdict)
    assert reason in row.reason
    assert row.breaking == (verdict == Verdict.DELETE and seen is not None and seen.usage.in_use)


def test_a_plan_has_a_row_for_each_id_in_order_and_its_counts_add_up() -> None:
    seen = {make_id(1): make_seen(1), make_id(2): make_seen(2, "static"), make_id(3): make_seen(3, "dynamic")}
    ids = [make_id(number) for number in (4, 3, 2, 1)]
    plan = Plan.make(SERVER, ORGANISATION, ids, seen, protection=Protection((Rule("name", "x*"),)))
    assert [row.id for row in plan.rows] == ids
    assert plan.counts == {"delete": 1, "in_use": 2, "protected": 0, "not_found": 1}
    assert [row.id for row in plan.to_delete] == [make_id(1)]
    assert plan.to_break == ()
    assert plan.protection == ("name: x*",)
    broken = Plan.make(SERVER, ORGANISATION, ids, seen, breaking=[make_id(2)])
    assert [row.id for row in broken.to_delete] == [make_id(2), make_id(1)]
    assert [row.id for row in broken.to_break] == [make_id(2)]
    assert plan.id != broken.id


def test_a_plan_cannot_be_changed() -> None:
    plan = make_plan(make_row(1))
    for thing, name in ((plan, "rows"), (plan, "server"), (plan.rows[0], "verdict")):
        with pytest.raises(AttributeError):
            setattr(thing, name, ())
    assert isinstance(plan.rows, tuple)


OTHERS: dict[str, Any] = {
    "id": make_id(9),
    "verdict": Verdict.PROTECTED,
    "name": "another",
    "system": "another",
    "reason": "another",
    "kind": "another",
    "in_use": True,
    "used_by": "another",
    "running": 9,
    "updated_at": "later",
}


def test_the_digest_moves_with_every_fact_of_every_row() -> None:
    assert OTHERS.keys() == set(PlanRow.__struct_fields__)
    rows = [make_row(number) for number in range(3)]
    plan = make_plan(*rows)
    digests = {plan.digest}
    for number, row in enumerate(rows):
        for name, value in OTHERS.items():
            changed = msgspec.structs.replace(row, **{name: value})
            digests.add(make_plan(*rows[:number], changed, *rows[number + 1 :]).digest)
    assert len(digests) == 1 + 3 * len(OTHERS)


def test_the_digest_moves_with_server_organisation_policy_and_the_rows_there_are() -> None:
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
            ("rows", plan.rows[:1]),
            ("rows", plan.rows[::-1]),
        )
    ]
    assert len({plan.digest, *(other.digest for other in others)}) == 1 + len(others)
    assert len(plan.digest) == 64


def test_the_digest_does_not_move_with_when_it_was_made_or_the_order_of_what_may_break() -> None:
    ids = (make_id(1), make_id(2))
    plan = make_plan(make_row(1), make_row(2), breaking=ids)
    same = msgspec.structs.replace(plan, id=make_id(8), made="another day", breaking=ids[::-1])
    assert same.digest == plan.digest


FACTS = st.fixed_dictionaries(
    {"name": st.text(max_size=3), "system": st.text(max_size=3), "reason": st.text(max_size=3)}
)


@given(FACTS, FACTS)
def test_two_plans_have_one_digest_only_where_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    plans = [make_plan(PlanRow(KEY, Verdict.DELETE, **facts)) for facts in (one, other)]
    assert (plans[0].digest == plans[1].digest) == (one == other)


# Looked at again.


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (make_seen(1), make_seen(1), ""),
        (make_seen(1), make_seen(1, system="renamed"), ""),
        (make_seen(1), make_seen(1, name="new"), "its name: connection 1 when planned, new now"),
        (make_seen(1), make_seen(1, name=None), "its name: connection 1 when planned, nothing now"),
        (make_seen(1), make_seen(1, updated_at="later"), "it was updated: 2026-01-01T00:00:00Z when planned"),
        (make_seen(1), make_seen(1, "static"), "it is in use now: Orders / environment 1 (running)"),
        (make_seen(1), make_seen(1, "dynamic"), "it is in use now: end user"),
        (make_seen(1), make_seen(1, "unknown"), "it is in use now: not known"),
        (make_seen(1, "static"), make_seen(1, "static"), ""),
        (make_seen(1, "static"), make_seen(1), "who uses it: Orders / environment 1 (running) when planned, nothing"),
        (make_seen(1, "static"), make_seen(1, "static", [make_use(2)]), "who uses it"),
        (make_seen(1, "static", [make_use(status="draft")]), make_seen(1, "static"), "who uses it"),
        (make_seen(1, "static"), make_seen(1, "unknown"), "who uses it"),
        (
            make_seen(1, "static", [*map(make_use, range(4)), make_use(9, status="draft")]),
            make_seen(1, "static", list(map(make_use, range(5)))),
            "how many running environments it would break: 4 when planned, 5 now",
        ),
    ],
)
def test_what_differs_from_the_plan_is_said(before: Seen, after: Seen, words: str) -> None:
    planned, now = (judge(KEY, seen, [KEY], NONE) for seen in (before, after))
    found = differs(planned, now)
    assert found.startswith(words)
    assert bool(found) == bool(words)


def stale_run(
    folder: Path, plan: Plan, seen: dict[str, Seen], delete: Answers, protection: Protection | None = None
) -> Report:
    told = Platform(delete, lambda *_: None, lambda _: seen)
    return execute(plan, told, Report, Options(protection=protection), stale=True, folder=folder)


def test_a_stale_plan_sends_only_what_stands_as_planned_and_adds_nothing(tmp_path: Path) -> None:
    seen = {make_id(number): make_seen(number) for number in range(6)}
    plan = Plan.make(SERVER, ORGANISATION, list(seen), seen)
    now = seen | {
        make_id(1): make_seen(1, name="new"),
        make_id(2): make_seen(2, "static"),
        make_id(4): make_seen(4, name="precious"),
        make_id(77): make_seen(77),
    }
    del now[make_id(3)]
    plan = msgspec.structs.replace(
        plan, rows=tuple(msgspec.structs.replace(r, name="precious") if r.id == make_id(4) else r for r in plan.rows)
    )
    delete = Answers()
    report = stale_run(tmp_path, plan, now, delete, Protection((Rule("name", "precious"),)))
    assert sorted(delete.sends) == [make_id(0), make_id(5)]
    assert [row.outcome for row in report.rows] == [
        Outcome.DELETED,
        Outcome.CHANGED,
        Outcome.CHANGED,
        Outcome.ALREADY_GONE,
        Outcome.PROTECTED,
        Outcome.DELETED,
    ]


def test_a_plan_carried_out_again_sends_nothing_asks_nothing_and_shows_the_same(tmp_path: Path) -> None:
    seen = {make_id(number): make_seen(number) for number in range(4)}
    plan = Plan.make(SERVER, ORGANISATION, list(seen), seen)
    delete = Answers()
    report = stale_run(tmp_path, plan, seen, delete)
    assert len(delete.sends) == 4
    again = execute(plan, Platform(delete, _never, _never), Report, Options(), stale=True, folder=tmp_path)
    assert again == report
    assert len(delete.sends) == 4


def _never(*_: Any) -> Any:
    raise AssertionError("nothing may be asked")


def test_a_second_look_that_fails_leaves_no_run_behind(tmp_path: Path) -> None:
    plan = make_plan(make_row(1))
    delete = Answers()

    def look(_: Sequence[str]) -> dict[str, Seen]:
        raise PlanError("no")

    with pytest.raises(PlanError):
        execute(plan, Platform(delete, _never, look), Report, Options(), stale=True, folder=tmp_path)
    assert delete.sends == []
    assert list(tmp_path.iterdir()) == []


# What may break.


@pytest.mark.parametrize(
    ("breaking", "found"),
    [
        ([KEY.lower()], (KEY,)),
        (KEY, (KEY,)),
        ((KEY, KEY), (KEY,)),
        ({KEY}, (KEY,)),
        (frozenset({KEY}), (KEY,)),
        ([], ()),
    ],
)
def test_what_may_break_is_named_by_id(breaking: Any, found: tuple[str, ...]) -> None:
    assert check_breaking(breaking, [KEY, make_id(2)]) == found


@pytest.mark.parametrize("breaking", [True, False, None, 1, "all", ["*"], lambda _: True, {KEY: True}, b"x"])
def test_what_may_break_is_never_a_boolean_or_a_filter(breaking: Any) -> None:
    with pytest.raises(SelectionError):
        check_breaking(breaking, [KEY])


def test_what_may_break_must_be_selected() -> None:
    with pytest.raises(PlanError, match=make_id(2)):
        check_breaking([KEY, make_id(2)], [KEY])
