"""plan: what a selection may be, what may break, what is protected, and what is executed of it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.hostile_platform import FOREVER, HostilePlatform, answer, error, world
from support.outcomes import outcome_counts

import versori_magics as versori
from versori_magics.cleanup.journal import Journal
from versori_magics.errors import (
    ArgumentError,
    JournalError,
    NotFoundError,
    PlanError,
    PlatformError,
    RunStoppedError,
    SelectionError,
)

ULID_1 = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ULID_2 = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
TypeText = Callable[[str], io.StringIO]


def all_ids(platform: HostilePlatform) -> list[str]:
    return list(platform.world.connections)


# Selections.


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (None, "The selection is None"),
        ("", "The selection is blank"),
        ("  ", "The selection is blank"),
        ("x", "a string of 1 character"),
        (f"{ULID_1} --yes", "a string of 32 characters"),
        (f"{ULID_1},{ULID_2}", "a string of 53 characters"),
        ("../../projects/x", "a string of 16 characters"),
        (ULID_1[:-1], "a string of 25 characters"),
        (b"01ARZ3NDEKTSV4RRFFQ69G5FAV", "a bytes"),
        (True, "the bool True"),
        (3, "the number 3"),
        (3.5, "the number 3.5"),
        ({ULID_1: ULID_2}, "a dict"),
        ([ULID_1, ""], "Item 2 of the selection is blank"),
        ([ULID_1, None], "Item 2 of the selection is None"),
        ([ULID_1, float("nan")], "Item 2 of the selection is the number nan"),
        ([3.5], "the number 3.5"),
        ([[ULID_1]], "Item 1 of the selection is a list"),
        ([b"x"], "a bytes"),
        (pd.Series([ULID_1, None]), "Item 2 of the selection is"),
        (pd.Series([1.0, 2.0]), "the number 1.0"),
        (pd.Series([ULID_1, pd.NA], dtype="string"), "Item 2 of the selection is a NAType"),
        (pd.Series([ULID_1, 5], dtype=object), "the number 5"),
        (pd.DataFrame({"name": [ULID_1]}), "does not have exactly one column 'id'"),
        (pd.DataFrame([[ULID_1, ULID_2]], columns=["id", "id"]), "does not have exactly one column 'id'"),
        (pd.DataFrame({"id": [ULID_1, float("nan")]}), "Item 2 of the selection is"),
        (pd.DataFrame({"id": [1.5]}), "the number 1.5"),
        (pd.DataFrame({"id": [ULID_1], "organisation_id": [ULID_2]}), f"is from organisation {ULID_2}"),
        (pd.DataFrame({"id": [ULID_1], "organisation_id": [None]}), "is from organisation"),
    ],
)
@pytest.mark.parametrize("function", ["plan", "delete"])
def test_an_invalid_selection_is_rejected_before_any_request(
    platform: HostilePlatform, function: str, selection: Any, message: str
) -> None:
    options = {"yes": True} if function == "delete" else {}
    with pytest.raises(SelectionError) as caught:
        getattr(versori, function)(".", selection, **options)
    assert message in str(caught.value)
    assert platform.requests == []


@pytest.mark.parametrize("origin", [{"server": "https://elsewhere.example"}, {"organisation": ULID_2}])
@pytest.mark.parametrize(
    "select", [lambda df: df, lambda df: df["id"], lambda df: df.head(2), lambda df: df[df["in_use"]]]
)
def test_a_selection_of_another_server_or_organisation_is_rejected(
    platform: HostilePlatform, origin: dict[str, str], select: Callable[[pd.DataFrame], Any]
) -> None:
    frame = versori.connections(".", usage=True)
    frame.attrs["versori"].update(origin)
    requests = len(platform.requests)
    with pytest.raises(SelectionError, match="The selection is from"):
        versori.delete(".", select(frame), yes=True)
    assert len(platform.requests) == requests


def test_every_form_of_a_selection_gives_the_same_plan(platform: HostilePlatform) -> None:
    frame = versori.connections(".", usage=True)
    ids = all_ids(platform)
    for selection in (
        frame,
        frame["id"],
        ids,
        tuple(ids),
        (key for key in ids),
        pd.Index(ids),
        frame["id"].to_numpy(),
        [key.lower() for key in ids],
        ids + ids,
        frame[["id"]],
    ):
        plan = versori.plan(".", selection)
        assert [row.id for row in plan.rows] == ids
        assert plan.counts == {"delete": 5, "in_use": 4, "protected": 0, "not_found": 0}
    assert set(versori.plan(".", set(ids)).frame["id"]) == set(ids)


@pytest.mark.parametrize(
    "make_iterator", [iter, reversed, lambda ids: map(str.lower, ids), lambda ids: (key for key in ids), dict.fromkeys]
)
def test_an_iterator_that_can_be_read_once_is_deleted_completely(
    platform: HostilePlatform, make_iterator: Callable[[list[str]], Any]
) -> None:
    selection = make_iterator(all_ids(platform))
    report = versori.delete(".", selection.keys() if isinstance(selection, dict) else selection, yes=True)
    assert outcome_counts(report) == {"deleted": 5, "in_use": 4}
    assert platform.deleted == set(platform.world.free)


def test_an_empty_selection_sends_nothing_and_asks_nobody(
    platform: HostilePlatform, type_at_terminal: TypeText
) -> None:
    stdin = type_at_terminal("y\n")
    for selection in ([], (), pd.Series([], dtype=str), pd.DataFrame({"id": []})):
        report = versori.delete(".", selection)
        assert report.rows == ()
        assert report.frame.empty
        assert repr(report).startswith("Report on 0 connections: nothing was selected")
        plan = versori.plan(".", selection)
        assert plan.rows == ()
        assert versori.delete(".", plan).rows == ()
    assert stdin.read() == "y\n"
    assert platform.requests == []
    assert versori.runs().empty


# Breaking.


@pytest.mark.parametrize(
    "breaking",
    [True, False, 1, None, {ULID_1: 1}, pd.Series([ULID_1]), pd.DataFrame({"id": [ULID_1]}), pd.Index([ULID_1])],
)
def test_only_explicit_ids_may_break(platform: HostilePlatform, breaking: Any) -> None:
    for function in (versori.plan, versori.delete):
        with pytest.raises(SelectionError, match="allow_breaking takes explicit ids"):
            function(".", all_ids(platform), allow_breaking=breaking)
    assert platform.requests == []


@pytest.mark.parametrize("breaking", [["x"], [""], [None], "x", f"{ULID_1} {ULID_2}"])
def test_connections_that_may_break_are_named_by_valid_ids(platform: HostilePlatform, breaking: Any) -> None:
    with pytest.raises(SelectionError):
        versori.delete(".", all_ids(platform), allow_breaking=breaking, yes=True)
    assert platform.requests == []


def test_a_connection_that_may_break_must_be_selected(platform: HostilePlatform) -> None:
    static = platform.world.static[0]
    with pytest.raises(PlanError, match=f"{static} is allowed to break, but it is not selected"):
        versori.delete(".", platform.world.free, allow_breaking=[static], yes=True)
    assert platform.requests == []


def test_only_named_static_connections_break_and_dynamic_ones_never(platform: HostilePlatform) -> None:
    named = [platform.world.static[1], platform.world.dynamic[0]]
    plan = versori.plan(".", all_ids(platform), allow_breaking=named)
    assert [row.id for row in plan.to_break] == [platform.world.static[1]]
    report = versori.delete(".", all_ids(platform), allow_breaking=named, yes=True)
    assert platform.deleted == {platform.world.static[1], *platform.world.free}
    assert outcome_counts(report) == {"deleted": 6, "in_use": 3}
    assert platform.sends(platform.world.dynamic[0]) == 0


@pytest.mark.parametrize("breaking", [[ULID_1], ULID_1, True, pd.Series([ULID_1, ULID_2])])
def test_allow_breaking_is_rejected_with_a_plan(platform: HostilePlatform, breaking: Any) -> None:
    plan = versori.plan(".", platform.world.free)
    with pytest.raises(PlanError, match="allow_breaking cannot be changed when a plan is executed"):
        versori.delete(".", plan, yes=True, allow_breaking=breaking)
    assert platform.deletes == []


# Executing a plan.


def test_a_plan_sends_nothing_and_is_executed_only_once(platform: HostilePlatform) -> None:
    plan = versori.plan(".", all_ids(platform))
    assert platform.deletes == []
    first = versori.delete(".", plan, yes=True)
    assert outcome_counts(first) == {"deleted": 5, "in_use": 4}
    requests = len(platform.requests)
    second = versori.delete(".", plan, yes=True)
    assert second.rows == first.rows
    assert second.run == first.run == plan.id
    assert len(platform.requests) == requests


def test_an_executed_plan_returns_its_report_without_asking_and_whatever_its_size(
    platform: HostilePlatform, type_at_terminal: TypeText
) -> None:
    plan = versori.plan(".", platform.world.free)
    versori.delete(".", plan, yes=True)
    stdin = type_at_terminal("delete 5\n")
    assert outcome_counts(versori.delete(".", plan, max=1)) == {"deleted": 5}
    assert stdin.read() == "delete 5\n"


def test_a_stopped_plan_that_is_executed_again_raises_its_error_again(platform: HostilePlatform) -> None:
    plan = versori.plan(".", platform.world.free)
    platform.dead_token_after(2)
    with pytest.raises(RunStoppedError) as first:
        versori.delete(".", plan, yes=True, workers=1)
    platform.dead_token_after(FOREVER)
    requests = len(platform.requests)
    with pytest.raises(RunStoppedError) as second:
        versori.delete(".", plan, yes=True)
    assert second.value.report.rows == first.value.report.rows
    assert second.value.report.run == plan.id
    assert f"%versori_resume {plan.id}" in str(second.value)
    assert len(platform.requests) == requests


def test_a_plan_whose_run_was_interrupted_raises_an_error_that_says_how_to_resume(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    plan = versori.plan(".", platform.world.free)
    journal = Journal.create(tmp_path / "runs", plan)
    assert journal is not None
    journal.record_sends((platform.world.free[0], 1))
    journal.close()  # without an end, as after kill -9
    with pytest.raises(RunStoppedError, match="The run was interrupted") as caught:
        versori.delete(".", plan, yes=True)
    assert f"%versori_resume {plan.id}" in str(caught.value)
    assert outcome_counts(caught.value.report) == {"unknown": 1, "not_attempted": 4}
    assert platform.deletes == []


def test_a_plan_that_is_being_executed_is_not_executed_again(platform: HostilePlatform, tmp_path: Path) -> None:
    plan = versori.plan(".", platform.world.free)
    journal = Journal.create(tmp_path / "runs", plan)
    assert journal is not None
    with pytest.raises(JournalError, match="is already running in this or another kernel"):
        versori.delete(".", plan, yes=True)
    journal.close()
    assert platform.deletes == []


def test_a_row_whose_fourth_user_changed_since_the_plan_is_kept(platform: HostilePlatform) -> None:
    row = platform.world.free[0]
    with platform.lock:
        for environment in platform.world.environments[:3]:
            platform.world.link(row, environment.id)
    plan = versori.plan(".", [row], allow_breaking=[row])
    with platform.lock:
        platform.world.link(row, platform.world.environments[3].id)
    assert outcome_counts(versori.delete(".", plan, yes=True)) == {"changed": 1}
    assert platform.deletes == []


def test_the_rows_of_an_older_plan_are_checked_again(platform: HostilePlatform) -> None:
    plan = versori.plan(".", platform.world.free)
    with platform.lock:
        platform.world.activate(platform.world.free[0])
        platform.world.remove(platform.world.free[1])
        added = platform.world.add("late")
    report = versori.delete(".", plan, yes=True)
    assert outcome_counts(report) == {"deleted": 3, "changed": 1, "already_gone": 1}
    assert added not in platform.deleted
    assert "it is in use now" in report.frame.set_index("id").loc[platform.world.free[0], "message"]


def test_a_plan_of_another_organisation_or_server_is_rejected(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = versori.plan(".", platform.world.free)
    requests = len(platform.requests)
    for name, value in (("ORGANISATION", ULID_2), ("SERVER", "http://127.0.0.1:1")):
        with monkeypatch.context() as environment:
            environment.setenv(f"VERSORI_{name}", value)
            with pytest.raises(PlanError, match="The plan is for organisation"):
                versori.delete(".", plan, yes=True)
    assert len(platform.requests) == requests


def test_plan_fails_if_a_connection_cannot_be_read(platform: HostilePlatform) -> None:
    platform.on("GET", "/connections/", error(403, message="not yours"), times=FOREVER)
    with pytest.raises(PlatformError, match="not yours"):
        versori.plan(".", platform.world.free)
    platform.reset(world(free=5))
    platform.on("GET", "/connections/", answer(404, "<html>"), times=FOREVER)
    with pytest.raises(NotFoundError):
        versori.plan(".", platform.world.free)


def test_connections_with_unknown_usage_are_kept_even_if_they_are_allowed_to_break(platform: HostilePlatform) -> None:
    platform.on("GET", "/activations", error(403, message="not yours"), times=2)
    plan = versori.plan(".", all_ids(platform), allow_breaking=all_ids(platform))
    assert plan.counts["in_use"] == 9
    assert all("its usage is known" in row.reason for row in plan.rows)
    platform.on("GET", "/projects$", error(403, message="not yours"), times=FOREVER)
    report = versori.delete(".", all_ids(platform), yes=True)
    assert outcome_counts(report) == {"in_use": 9}
    assert platform.deletes == []


# Protection.


def test_protected_connections_are_never_sent(
    platform: HostilePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *others = platform.world.free
    file = tmp_path / "protect.txt"
    file.write_text(f"# mine\n{first}\nname: {platform.world.connections[second].name}\n")
    assert versori.plan(".", platform.world.free, protect=file).counts["protected"] == 2
    assert versori.plan(".", platform.world.free, protect=str(file)).counts["protected"] == 2
    monkeypatch.setenv("VERSORI_PROTECT", str(file))
    report = versori.delete(".", platform.world.free, yes=True)
    assert outcome_counts(report) == {"deleted": 3, "protected": 2}
    assert platform.deleted == set(others)


def test_rules_that_match_no_connection_are_named_in_the_plan(platform: HostilePlatform, tmp_path: Path) -> None:
    file = tmp_path / "protect.txt"
    file.write_text("system: Shopfy\nname: connection *\n")
    plan = versori.plan(".", platform.world.free[:2], protect=file)
    assert plan.unmatched_rules == ("system: Shopfy",)
    for shown in (plan.to_text(), plan.to_html(), plan.to_markdown()):
        assert "1 protection rule matches no connection of the organisation" in shown
    file.write_text("system: Shop # the shop\n")
    with pytest.raises(ArgumentError, match="A line with a rule cannot contain a comment"):
        versori.plan(".", platform.world.free[:2], protect=file)


def test_a_plan_is_executed_with_the_rules_that_its_file_contains_now(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    first, second, *_ = platform.world.free
    file = tmp_path / "protect.txt"
    file.write_text(f"{ULID_1}\n")
    plan = versori.plan(".", platform.world.free, protect=file)
    file.write_text(f"{first}\n{second}\n")
    report = versori.delete(".", plan, yes=True)  # without naming the file again
    assert outcome_counts(report) == {"deleted": 3, "protected": 2}
    assert not platform.deleted & {first, second}


def test_a_rule_with_a_comment_that_was_added_after_the_plan_deletes_nothing(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    file = tmp_path / "protect.txt"
    file.write_text("")
    plan = versori.plan(".", platform.world.free, protect=file)
    file.write_text("name: connection 00001 # keep\n")
    with pytest.raises(ArgumentError, match="cannot contain a comment"):
        versori.delete(".", plan, yes=True)
    assert platform.deletes == []


def test_a_plan_keeps_the_rules_that_it_was_made_with(platform: HostilePlatform, tmp_path: Path) -> None:
    name = "renamed-later"
    file = tmp_path / "protect.txt"
    file.write_text(f"name: {name}\n")
    plan = versori.plan(".", platform.world.free, protect=file)
    file.write_text("")
    with platform.lock:
        platform.world.connections[platform.world.free[0]].name = name
    report = versori.delete(".", plan, yes=True)
    assert outcome_counts(report) == {"deleted": 4, "protected": 1}


def test_a_plan_whose_protection_file_is_gone_is_not_executed(platform: HostilePlatform, tmp_path: Path) -> None:
    file = tmp_path / "protect.txt"
    file.write_text(ULID_1)
    plan = versori.plan(".", platform.world.free, protect=file)
    file.unlink()
    with pytest.raises(ArgumentError, match="cannot be read"):
        versori.delete(".", plan, yes=True)
    assert platform.deletes == []


def test_a_rule_that_was_added_after_the_plan_protects_too(platform: HostilePlatform, tmp_path: Path) -> None:
    plan = versori.plan(".", platform.world.free)
    (tmp_path / "protect.txt").write_text(platform.world.free[0])
    report = versori.delete(".", plan, yes=True, protect=tmp_path / "protect.txt")
    assert outcome_counts(report) == {"deleted": 4, "protected": 1}
    assert platform.world.free[0] not in platform.deleted


@pytest.mark.parametrize("protect", ["", " ", 5, 0, False, "/no/such/file", "."])
def test_an_invalid_protect_argument_is_rejected(platform: HostilePlatform, protect: Any) -> None:
    for function in (versori.plan, versori.delete):
        with pytest.raises(ArgumentError):
            function(".", platform.world.free, protect=protect)
    plan = versori.plan(".", platform.world.free)
    with pytest.raises(ArgumentError):
        versori.delete(".", plan, yes=True, protect=protect)
    assert platform.deletes == []
    assert versori.runs().empty
