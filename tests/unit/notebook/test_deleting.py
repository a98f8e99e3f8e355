"""Plan, delete, resume, as functions: against a platform on a real socket."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from faults.hostile import FOREVER, HostilePlatform, answer, drop_after, error, world

import versori_magics as versori
from versori_magics.errors import (
    ArgumentError,
    ConsentError,
    JournalError,
    NotFoundError,
    PlanError,
    PlatformError,
    RunStoppedError,
    SelectionError,
    UnfinishedError,
    VersoriError,
)

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TWO = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
Types = Callable[[str], io.StringIO]


def outcomes(report: Any) -> dict[str, int]:
    return {name: count for name, count in report.counts.items() if count}


def everything(platform: HostilePlatform) -> list[str]:
    return list(platform.world.connections)


# Selections.


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (None, "The selection is None"),
        ("", "The selection is blank"),
        ("  ", "The selection is blank"),
        ("x", "a text of 1 characters"),
        (f"{ONE} --yes", "a text of 32 characters"),
        (f"{ONE},{TWO}", "a text of 53 characters"),
        ("../../projects/x", "a text of 16 characters"),
        (ONE[:-1], "a text of 25 characters"),
        (b"01ARZ3NDEKTSV4RRFFQ69G5FAV", "a bytes"),
        (True, "the bool True"),
        (3, "the int 3"),
        (3.5, "the float 3.5"),
        ({ONE: TWO}, "a dict"),
        ([ONE, ""], "Item 2 of the selection is blank"),
        ([ONE, None], "Item 2 of the selection is None"),
        ([ONE, float("nan")], "Item 2 of the selection is the float nan"),
        ([3.5], "the float 3.5"),
        ([[ONE]], "Item 1 of the selection is a list"),
        ([b"x"], "a bytes"),
        (pd.Series([ONE, None]), "Item 2 of the selection is"),
        (pd.Series([1.0, 2.0]), "the float 1.0"),
        (pd.Series([ONE, pd.NA], dtype="string"), "Item 2 of the selection is a NAType"),
        (pd.Series([ONE, 5], dtype=object), "the int 5"),
        (pd.DataFrame({"name": [ONE]}), "not one column 'id'"),
        (pd.DataFrame([[ONE, TWO]], columns=["id", "id"]), "not one column 'id'"),
        (pd.DataFrame({"id": [ONE, float("nan")]}), "Item 2 of the selection is"),
        (pd.DataFrame({"id": [1.5]}), "the float 1.5"),
        (pd.DataFrame({"id": [ONE], "organisation_id": [TWO]}), f"is of organisation {TWO}"),
        (pd.DataFrame({"id": [ONE], "organisation_id": [None]}), "is of organisation"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "delete"])
def test_what_is_not_surely_an_id_is_an_error_before_any_request(
    platform: HostilePlatform, verb: str, selection: Any, says: str
) -> None:
    options = {"yes": True} if verb == "delete" else {}
    with pytest.raises(SelectionError) as caught:
        getattr(versori, verb)(".", selection, **options)
    assert says in str(caught.value)
    assert platform.requests == []


@pytest.mark.parametrize("here", [("https://elsewhere.example", None), (None, TWO)])
@pytest.mark.parametrize(
    "pick", [lambda df: df, lambda df: df["id"], lambda df: df.head(2), lambda df: df[df["in_use"]]]
)
def test_a_selection_from_elsewhere_is_refused(
    platform: HostilePlatform, here: tuple[str | None, str | None], pick: Callable[[pd.DataFrame], Any]
) -> None:
    frame = versori.connections(".", usage=True)
    for name, value in zip(("server", "organisation"), here, strict=True):
        frame.attrs["versori"][name] = value or frame.attrs["versori"][name]
    asked = len(platform.requests)
    with pytest.raises(SelectionError, match="The selection is of"):
        versori.delete(".", pick(frame), yes=True)
    assert len(platform.requests) == asked


def test_every_form_of_selection_gives_the_same_plan(platform: HostilePlatform) -> None:
    frame = versori.connections(".", usage=True)
    chosen = everything(platform)
    for selection in (
        frame,
        frame["id"],
        chosen,
        tuple(chosen),
        (id_ for id_ in chosen),
        pd.Index(chosen),
        frame["id"].to_numpy(),
        [id_.lower() for id_ in chosen],
        chosen + chosen,
        frame[["id"]],
    ):
        made = versori.plan(".", selection)
        assert [row.id for row in made.rows] == chosen
        assert made.counts == {"delete": 5, "in_use": 4, "protected": 0, "not_found": 0}
    assert set(versori.plan(".", set(chosen)).frame["id"]) == set(chosen)


def test_an_empty_selection_sends_nothing_and_asks_nobody(platform: HostilePlatform, types: Types) -> None:
    left = types("y\n")
    for selection in ([], (), pd.Series([], dtype=str), pd.DataFrame({"id": []})):
        report = versori.delete(".", selection)
        assert outcomes(report) == {}
        assert report.frame.empty
        assert repr(report).startswith("Report: 0 planned: nothing")
        assert versori.plan(".", selection).rows == ()
    assert left.read() == "y\n"
    assert platform.requests == []
    assert versori.runs().empty


# Breaking.


@pytest.mark.parametrize(
    "breaking", [True, False, 1, None, {ONE: 1}, pd.Series([ONE]), pd.DataFrame({"id": [ONE]}), pd.Index([ONE])]
)
def test_what_may_break_is_named_by_explicit_ids_and_nothing_else(platform: HostilePlatform, breaking: Any) -> None:
    for verb in (versori.plan, versori.delete):
        with pytest.raises(SelectionError, match="allow_breaking takes explicit ids"):
            verb(".", everything(platform), allow_breaking=breaking)
    assert platform.requests == []


@pytest.mark.parametrize("breaking", [["x"], [""], [None], "x", f"{ONE} {TWO}"])
def test_what_may_break_must_be_ids(platform: HostilePlatform, breaking: Any) -> None:
    with pytest.raises(SelectionError):
        versori.delete(".", everything(platform), allow_breaking=breaking, yes=True)
    assert platform.requests == []


def test_an_id_that_may_break_but_is_not_selected_is_an_error(platform: HostilePlatform) -> None:
    static = platform.world.static[0]
    with pytest.raises(PlanError, match=f"{static} may break, but it is not selected"):
        versori.delete(".", platform.world.free, allow_breaking=[static], yes=True)
    assert platform.requests == []


def test_only_the_named_static_ones_break_and_dynamic_ones_never(platform: HostilePlatform) -> None:
    named = [platform.world.static[1], platform.world.dynamic[0]]
    made = versori.plan(".", everything(platform), allow_breaking=named)
    assert [row.id for row in made.to_break] == [platform.world.static[1]]
    report = versori.delete(".", everything(platform), allow_breaking=named, yes=True)
    assert platform.deleted == {platform.world.static[1], *platform.world.free}
    assert outcomes(report) == {"deleted": 6, "in_use": 3}
    assert platform.sends(platform.world.dynamic[0]) == 0


# Size and speed.


@pytest.mark.parametrize(("rows", "most"), [(101, None), (6, 5), (2, 1)])
def test_more_rows_than_the_limit_are_refused_whole(platform: HostilePlatform, rows: int, most: int | None) -> None:
    platform.reset(world(free=rows))
    options = {} if most is None else {"max": most}
    with pytest.raises(PlanError, match=f"{rows} connections are selected, and {most or 100} at most"):
        versori.delete(".", platform.world.free, yes=True, **options)
    assert platform.requests == []
    made = versori.plan(".", platform.world.free)
    with pytest.raises(PlanError, match="at most"):
        versori.delete(".", made, yes=True, **options)
    assert platform.deletes == []
    assert outcomes(versori.delete(".", made, yes=True, max=rows)) == {"deleted": rows}


@pytest.mark.parametrize("value", [0, -1, 33, 1.5, "8", True, None, float("inf")])
def test_workers_are_a_whole_number_from_1_to_32(platform: HostilePlatform, value: Any) -> None:
    with pytest.raises(ArgumentError, match="workers takes a whole number from 1 to 32"):
        versori.delete(".", platform.world.free, yes=True, workers=value)
    with pytest.raises(ArgumentError, match="workers takes a whole number from 1 to 32"):
        versori.resume(ONE, workers=value)
    assert platform.requests == []


@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, None])
def test_the_limit_is_a_whole_number_from_1_up(platform: HostilePlatform, value: Any) -> None:
    with pytest.raises(ArgumentError, match="max takes a whole number from 1 up"):
        versori.delete(".", platform.world.free, yes=True, max=value)
    assert platform.requests == []


@pytest.mark.parametrize("workers", [1, 3, 32])
def test_so_many_requests_are_under_way_and_never_more(platform: HostilePlatform, workers: int) -> None:
    platform.reset(world(free=64), latency=0.02)
    made = versori.plan(".", platform.world.free)
    platform.reset(world(free=64), latency=0.02)
    report = versori.delete(".", [row.id for row in made.rows], yes=True, workers=workers)
    assert outcomes(report) == {"deleted": 64}
    times = sorted(request.at for request in platform.deletes)
    assert all(times[n + workers] - times[n] >= 0.015 for n in range(64 - workers))


# Consent, as a function.


def test_what_is_free_goes_after_the_right_answer_and_nothing_before(platform: HostilePlatform, types: Types) -> None:
    types("delete 5\n")
    report = versori.delete(".", everything(platform))
    assert outcomes(report) == {"deleted": 5, "in_use": 4}
    assert platform.deleted == set(platform.world.free)
    assert report.frame["outcome"].value_counts().to_dict() == {"deleted": 5, "in_use": 4}


def test_where_nothing_would_go_nobody_is_asked(platform: HostilePlatform, types: Types) -> None:
    left = types("y\n")
    report = versori.delete(".", [*platform.world.static, *platform.world.dynamic, ONE])
    assert outcomes(report) == {"in_use": 4, "already_gone": 1}
    assert left.read() == "y\n"
    assert platform.deletes == []


def test_what_changes_while_a_person_thinks_is_kept(platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    linked, renamed, removed, *rest = platform.world.free

    class Slow(io.StringIO):
        def readline(self, *_: Any) -> str:
            with platform.lock:
                platform.world.link(linked)
                platform.world.connections[renamed].name = "another name"
                platform.world.remove(removed)
            return "delete 5\n"

    monkeypatch.setattr("sys.stdin", Slow())
    report = versori.delete(".", platform.world.free)
    assert dict(zip(report.frame["id"], report.frame["outcome"], strict=True)) == {
        linked: "changed",
        renamed: "changed",
        removed: "already_gone",
        **dict.fromkeys(rest, "deleted"),
    }
    assert platform.deleted == set(rest)


# Plans.


def test_a_plan_sends_nothing_and_can_be_carried_out_once(platform: HostilePlatform) -> None:
    made = versori.plan(".", everything(platform))
    assert platform.deletes == []
    first = versori.delete(".", made, yes=True)
    assert outcomes(first) == {"deleted": 5, "in_use": 4}
    asked = len(platform.requests)
    again = versori.delete(".", made, yes=True)
    assert again.rows == first.rows
    assert again.run == first.run == made.id
    assert len(platform.requests) == asked


def test_a_plan_that_is_carried_out_later_is_looked_at_again(platform: HostilePlatform) -> None:
    made = versori.plan(".", platform.world.free)
    with platform.lock:
        platform.world.activate(platform.world.free[0])
        platform.world.remove(platform.world.free[1])
        late = platform.world.add("late")
    report = versori.delete(".", made, yes=True)
    assert outcomes(report) == {"deleted": 3, "changed": 1, "already_gone": 1}
    assert late not in platform.deleted
    assert "it is in use now" in report.frame.set_index("id").loc[platform.world.free[0], "message"]


def test_a_plan_of_another_organisation_or_server_is_refused(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = versori.plan(".", platform.world.free)
    asked = len(platform.requests)
    for name, value in (("ORGANISATION", TWO), ("SERVER", "http://127.0.0.1:1")):
        with monkeypatch.context() as patch:
            patch.setenv(f"VERSORI_{name}", value)
            with pytest.raises(PlanError, match="The plan is for organisation"):
                versori.delete(".", made, yes=True)
    assert len(platform.requests) == asked


@pytest.mark.parametrize("breaking", [[ONE], ONE, True, pd.Series([ONE, TWO])])
def test_what_may_break_is_told_to_the_plan_and_not_to_its_execution(platform: HostilePlatform, breaking: Any) -> None:
    made = versori.plan(".", platform.world.free)
    with pytest.raises(PlanError, match="A plan says itself what may break"):
        versori.delete(".", made, yes=True, allow_breaking=breaking)
    assert platform.deletes == []


def test_what_cannot_be_looked_up_makes_no_plan(platform: HostilePlatform) -> None:
    platform.on("GET", "/connections/", error(403, message="not yours"), times=FOREVER)
    with pytest.raises(PlatformError, match="not yours"):
        versori.plan(".", platform.world.free)
    platform.reset(world(free=5))
    platform.on("GET", "/connections/", answer(404, "<html>"), times=FOREVER)
    with pytest.raises(NotFoundError):
        versori.plan(".", platform.world.free)


def test_usage_that_cannot_be_learned_keeps_everything(platform: HostilePlatform) -> None:
    platform.on("GET", "/projects$", error(403, message="not yours"), times=FOREVER)
    report = versori.delete(".", everything(platform), yes=True)
    assert outcomes(report) == {"in_use": 9}
    assert platform.deletes == []


# Protection.


def test_what_is_protected_is_never_sent(
    platform: HostilePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *rest = platform.world.free
    file = tmp_path / "protect.txt"
    file.write_text(f"{first}  # mine\nname: {platform.world.connections[second].name}\n")
    assert versori.plan(".", platform.world.free, protect=file).counts["protected"] == 2
    assert versori.plan(".", platform.world.free, protect=str(file)).counts["protected"] == 2
    monkeypatch.setenv("VERSORI_PROTECT", str(file))
    report = versori.delete(".", platform.world.free, yes=True)
    assert outcomes(report) == {"deleted": 3, "protected": 2}
    assert platform.deleted == set(rest)


@pytest.mark.parametrize("protect", ["", " ", 5, 0, False, "/no/such/file", "."])
def test_a_protection_that_is_none_is_an_error_and_not_no_protection(platform: HostilePlatform, protect: Any) -> None:
    for verb in (versori.plan, versori.delete):
        with pytest.raises(ArgumentError):
            verb(".", platform.world.free, protect=protect)
    assert platform.deletes == []


# Reports.


def test_each_refusal_stands_in_its_row_with_all_that_the_platform_said(platform: HostilePlatform) -> None:
    one, two, *_ = platform.world.free
    fields = [{"field": "a[0].b", "message": "is wrong"}]
    platform.on("DELETE", one, error(400, "400123", "no\x1b[31m<b>", fields, "the details"))
    platform.on("DELETE", two, error(409, "409001", "in use"))
    report = versori.delete(".", platform.world.free, yes=True)
    rows = report.frame.set_index("id")
    assert rows.loc[one, ["outcome", "status", "code", "attempts"]].tolist() == ["refused", 400, "400123", 1]
    assert rows.loc[one, "message"] == "no\\x1b[31m<b>"
    assert rows.loc[one, "fields"] == fields
    assert rows.loc[one, "details"] == "the details"
    assert rows.loc[two, "outcome"] == "in_use"
    assert outcomes(report) == {"deleted": 3, "refused": 1, "in_use": 1}
    with pytest.raises(UnfinishedError, match="Not everything went: 1 refused"):
        report.raise_for_unfinished()


def test_a_report_of_what_went_raises_nothing(platform: HostilePlatform) -> None:
    versori.delete(".", everything(platform), yes=True).raise_for_unfinished()


def test_a_lost_answer_is_asked_again_and_ends_as_deleted(platform: HostilePlatform) -> None:
    platform.on("DELETE", "", drop_after(), times=5)
    report = versori.delete(".", platform.world.free, yes=True)
    assert outcomes(report) == {"deleted": 5}
    assert report.frame["attempts"].sum() == 10


def test_a_token_that_dies_stops_the_run_and_the_error_says_how_to_go_on(
    platform: HostilePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.reset(world(free=60))
    platform.dead_token_after(20)
    with pytest.raises(RunStoppedError) as caught:
        versori.delete(".", platform.world.free, yes=True)
    report = caught.value.report
    assert caught.value.lines() == [
        f"The run ended early: the platform no longer accepts the token (401). Of 60: {shown(report)}.",
        f"Go on with: %versori_resume {report.run}",
    ]
    assert sum(report.counts.values()) == 60
    assert report.counts["deleted"] == 20
    assert len(platform.deletes) < 20 + 2 * 8
    assert "Report: 60 planned" in capsys.readouterr().out  # shown, then raised
    platform.dead_token_after(FOREVER)
    assert outcomes(versori.resume(report.run, yes=True)) == {"deleted": 60}


def shown(report: Any) -> str:
    return " · ".join(f"{count} {name}" for name, count in outcomes(report).items())


# Resume.


def stopped(platform: HostilePlatform) -> str:
    """Give the id of a run that ended early, with 10 of 30 rows deleted."""
    platform.reset(world(free=30))
    platform.dead_token_after(10)
    with pytest.raises(RunStoppedError) as caught:
        versori.delete(".", platform.world.free, yes=True)
    platform.dead_token_after(FOREVER)
    return str(caught.value.report.run)


def test_to_resume_is_to_be_asked_anew_for_what_is_left(platform: HostilePlatform, types: Types) -> None:
    run = stopped(platform)
    sent = len(platform.deletes)
    for typed in ("y", "delete 30", "", "yes"):
        types(typed + "\n")
        with pytest.raises(ConsentError):
            versori.resume(run)
    assert len(platform.deletes) == sent
    types("delete 20\n")
    assert outcomes(versori.resume(run)) == {"deleted": 30}
    assert platform.deleted == set(platform.world.free)


def test_a_run_that_is_finished_is_shown_again_and_sends_nothing(platform: HostilePlatform) -> None:
    report = versori.delete(".", everything(platform), yes=True)
    asked = len(platform.requests)
    assert outcomes(versori.resume(report.run.lower())) == outcomes(report)
    assert len(platform.requests) == asked


@pytest.mark.parametrize("run", ["", "x", f"{ONE} --yes", None, 5, [ONE], "../" + ONE, pd.Series([ONE])])
def test_what_is_no_run_id_is_refused(platform: HostilePlatform, run: Any) -> None:
    with pytest.raises(ArgumentError, match="A run is named by its id"):
        versori.resume(run, yes=True)


def test_an_unknown_run_is_refused_with_where_it_was_looked_for(platform: HostilePlatform, tmp_path: Path) -> None:
    with pytest.raises(JournalError) as caught:
        versori.resume(ONE, yes=True)
    assert f"There is no run '{ONE}' in {tmp_path / 'runs'}" in str(caught.value)


def test_a_run_of_another_server_is_not_resumed_here(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped(platform)
    asked = len(platform.requests)
    monkeypatch.setenv("VERSORI_SERVER", "http://127.0.0.1:1")
    with pytest.raises(PlanError) as caught:
        versori.resume(run, yes=True)
    assert f"%versori_connect --server {platform.url}" in str(caught.value)
    assert len(platform.requests) == asked


def test_what_came_under_protection_since_is_kept(
    platform: HostilePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped(platform)
    left = next(id_ for id_ in platform.world.free if id_ not in platform.deleted)
    (tmp_path / "protect.txt").write_text(left)
    monkeypatch.setenv("VERSORI_PROTECT", str(tmp_path / "protect.txt"))
    assert outcomes(versori.resume(run, yes=True)) == {"deleted": 29, "protected": 1}
    assert left not in platform.deleted


def test_without_a_journal_nothing_is_sent(
    platform: HostilePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "file" / "runs"))
    with pytest.raises(JournalError) as caught:
        versori.delete(".", platform.world.free, yes=True)
    assert "Without a journal nothing is deleted" in str(caught.value)
    assert platform.deletes == []


def test_an_error_keeps_no_chain_that_would_show_more_than_its_lines(platform: HostilePlatform) -> None:
    platform.on("GET", "/connections/", error(403, message="not yours"), times=FOREVER)
    failures: list[Callable[[], Any]] = [
        lambda: versori.plan(".", platform.world.free),
        lambda: versori.delete(".", "x"),
        lambda: versori.resume(ONE),
        lambda: versori.connections(".", system="nosuch"),
        lambda: versori.connect(server="nowhere"),
        lambda: versori.plan(".", platform.world.free, protect="/no/such"),
    ]
    for failing in failures:
        with pytest.raises(VersoriError) as caught:
            failing()
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert 1 <= len(caught.value._render_traceback_()) <= 3
        json.dumps(caught.value.lines())
