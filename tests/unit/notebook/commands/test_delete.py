"""delete: its limits, the consent of a person, and the report."""

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.hostile_platform import FOREVER, HostilePlatform, drop_after, error, world
from support.outcomes import count_usage_scans, outcome_by_id, outcome_counts

import versori_magics as versori
from versori_magics.errors import (
    ArgumentError,
    ConsentError,
    JournalError,
    PlanError,
    RunStoppedError,
    UnfinishedError,
    VersoriError,
)

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TypeText = Callable[[str], io.StringIO]


def all_ids(platform: HostilePlatform) -> list[str]:
    return list(platform.world.connections)


# Size and speed.


@pytest.mark.parametrize(("rows", "limit"), [(101, None), (6, 5), (2, 1)])
def test_a_selection_larger_than_the_limit_is_refused_as_a_whole(
    platform: HostilePlatform, rows: int, limit: int | None
) -> None:
    platform.reset(world(free=rows))
    options = {} if limit is None else {"max": limit}
    with pytest.raises(PlanError, match=f"{rows} connections are selected; the maximum is {limit or 100}"):
        versori.delete(".", platform.world.free, yes=True, **options)
    assert platform.requests == []
    plan = versori.plan(".", platform.world.free)
    with pytest.raises(PlanError, match=f"the maximum is {limit or 100}"):
        versori.delete(".", plan, yes=True, **options)
    assert platform.deletes == []
    assert outcome_counts(versori.delete(".", plan, yes=True, max=rows)) == {"deleted": rows}


@pytest.mark.parametrize("value", [0, -1, 33, 1.5, "8", True, None, float("inf")])
def test_workers_is_a_whole_number_from_1_to_32(platform: HostilePlatform, value: Any) -> None:
    with pytest.raises(ArgumentError, match="workers must be a whole number from 1 to 32"):
        versori.delete(".", platform.world.free, yes=True, workers=value)
    with pytest.raises(ArgumentError, match="workers must be a whole number from 1 to 32"):
        versori.resume(ULID, workers=value)
    assert platform.requests == []


@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, None])
def test_max_is_a_whole_number_from_1_up(platform: HostilePlatform, value: Any) -> None:
    with pytest.raises(ArgumentError, match="max must be a whole number of at least 1"):
        versori.delete(".", platform.world.free, yes=True, max=value)
    assert platform.requests == []


@pytest.mark.parametrize("workers", [1, 3, 32])
def test_there_are_never_more_concurrent_requests_than_workers(platform: HostilePlatform, workers: int) -> None:
    platform.reset(world(free=64), latency=0.02)
    plan = versori.plan(".", platform.world.free)
    platform.reset(world(free=64), latency=0.02)
    report = versori.delete(".", [row.id for row in plan.rows], yes=True, workers=workers)
    assert outcome_counts(report) == {"deleted": 64}
    times = sorted(request.at for request in platform.deletes)
    assert all(times[n + workers] - times[n] >= 0.015 for n in range(64 - workers))


# Consent.


@pytest.mark.parametrize(
    "yes",
    ["False", "no", "0", "", "yes", 0, 1, [0], [], None, math.nan, np.bool_(True), pd.Series([True]), object()],
)
def test_only_true_is_consent_in_advance(platform: HostilePlatform, yes: Any) -> None:
    for send in (
        lambda: versori.delete(".", platform.world.free, yes=yes),
        lambda: versori.resume(ULID, yes=yes),
    ):
        with pytest.raises(ArgumentError, match=r"yes must be True or False, not .*\. Nothing was sent"):
            send()
    assert platform.requests == []


def test_unused_connections_are_deleted_after_the_required_words(
    platform: HostilePlatform, type_at_terminal: TypeText, capsys: pytest.CaptureFixture[str]
) -> None:
    type_at_terminal("delete 5\n")
    report = versori.delete(".", all_ids(platform))
    assert outcome_counts(report) == {"deleted": 5, "in_use": 4}
    assert platform.deleted == set(platform.world.free)
    assert report.frame["outcome"].value_counts().to_dict() == {"deleted": 5, "in_use": 4}
    output = capsys.readouterr().out
    assert output.index("Plan for 9 connections") < output.index("Delete 5 of 9 selected connections")


def test_other_words_send_nothing_and_leave_the_plan_to_be_executed(
    platform: HostilePlatform, type_at_terminal: TypeText
) -> None:
    plan = versori.plan(".", platform.world.free)
    type_at_terminal("delete 4\n")
    with pytest.raises(ConsentError, match="so nothing was sent"):
        versori.delete(".", plan)
    assert platform.deletes == []
    assert versori.runs().empty
    type_at_terminal("delete 5\n")
    assert outcome_counts(versori.delete(".", plan)) == {"deleted": 5}


def test_nobody_is_asked_about_a_plan_that_deletes_nothing(
    platform: HostilePlatform, type_at_terminal: TypeText
) -> None:
    stdin = type_at_terminal("y\n")
    report = versori.delete(".", [*platform.world.static, *platform.world.dynamic, ULID])
    assert outcome_counts(report) == {"in_use": 4, "already_gone": 1}
    assert stdin.read() == "y\n"
    assert platform.deletes == []


def test_connections_that_change_while_a_person_decides_are_kept(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked, renamed, removed, *others = platform.world.free

    class SlowPerson(io.StringIO):
        def readline(self, *_: Any) -> str:
            with platform.lock:
                platform.world.link(linked)
                platform.world.connections[renamed].name = "another name"
                platform.world.remove(removed)
            return "delete 5\n"

    monkeypatch.setattr("sys.stdin", SlowPerson())
    report = versori.delete(".", platform.world.free)
    assert outcome_by_id(report) == {
        linked: "changed",
        renamed: "changed",
        removed: "already_gone",
        **dict.fromkeys(others, "deleted"),
    }
    assert platform.deleted == set(others)


@pytest.mark.parametrize(
    ("planned_before", "options", "scans"), [(False, {"yes": True}, 1), (False, {}, 2), (True, {"yes": True}, 2)]
)
def test_usage_is_read_again_only_if_time_has_passed_since_the_plan(
    platform: HostilePlatform,
    type_at_terminal: TypeText,
    options: dict[str, bool],
    scans: int,
    *,
    planned_before: bool,
) -> None:
    type_at_terminal("delete 5\n")
    selection = versori.plan(".", platform.world.free) if planned_before else platform.world.free
    assert outcome_counts(versori.delete(".", selection, **options)) == {"deleted": 5}
    assert count_usage_scans(platform) == scans


# The report.


def test_each_refused_row_contains_everything_that_the_platform_answered(platform: HostilePlatform) -> None:
    first, second, *_ = platform.world.free
    fields = [{"field": "a[0].b", "message": "is wrong"}]
    platform.on("DELETE", first, error(400, "400123", "no\x1b[31m<b>", fields, "the details"))
    platform.on("DELETE", second, error(409, "409001", "in use"))
    report = versori.delete(".", platform.world.free, yes=True)
    rows = report.frame.set_index("id")
    assert rows.loc[first, ["outcome", "status", "code", "attempts"]].tolist() == ["refused", 400, "400123", 1]
    assert rows.loc[first, "message"] == "no\\x1b[31m<b>"
    assert rows.loc[first, "fields"] == fields
    assert rows.loc[first, "details"] == "the details"
    assert rows.loc[second, "outcome"] == "in_use"
    assert outcome_counts(report) == {"deleted": 3, "refused": 1, "in_use": 1}
    with pytest.raises(UnfinishedError) as caught:
        report.raise_for_unfinished()
    assert caught.value.message == "Some rows were not deleted."
    assert "3 deleted" in caught.value.particulars()
    assert "1 refused" in caught.value.particulars()


def test_a_report_without_unfinished_rows_raises_nothing(platform: HostilePlatform) -> None:
    versori.delete(".", all_ids(platform), yes=True).raise_for_unfinished()


def test_rows_whose_answers_are_lost_are_sent_again_and_end_as_deleted(platform: HostilePlatform) -> None:
    platform.on("DELETE", "", drop_after(), times=5)
    report = versori.delete(".", platform.world.free, yes=True)
    assert outcome_counts(report) == {"deleted": 5}
    assert report.frame["attempts"].sum() == 10


def test_an_expired_token_stops_the_run_with_an_error_that_says_how_to_resume(
    platform: HostilePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.reset(world(free=60))
    platform.dead_token_after(20)
    with pytest.raises(RunStoppedError) as caught:
        versori.delete(".", platform.world.free, yes=True)
    report = caught.value.report
    assert caught.value.lines() == [
        "The run ended early: the platform no longer accepts the token (401): renew it before you resume.",
        caught.value.particulars(),
        f"To finish the run: %versori_resume {report.run}",
    ]
    assert caught.value.particulars().startswith("60 rows: 20 deleted, ")
    assert sum(report.counts.values()) == 60
    assert report.counts["deleted"] == 20
    assert len(platform.deletes) < 20 + 2 * 8
    assert "Report on 60 connections" in capsys.readouterr().out  # it is shown before the error is raised
    platform.dead_token_after(FOREVER)
    assert outcome_counts(versori.resume(report.run, yes=True)) == {"deleted": 60}


def test_nothing_is_sent_without_a_journal(
    platform: HostilePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "file" / "runs"))
    with pytest.raises(JournalError) as caught:
        versori.delete(".", platform.world.free, yes=True)
    assert "Nothing is deleted without a journal" in str(caught.value)
    assert platform.deletes == []


def test_no_error_has_a_chain_that_could_show_more_than_its_lines(platform: HostilePlatform, tmp_path: Path) -> None:
    platform.on("GET", "/connections/", error(403, message="not yours"), times=FOREVER)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / f"{ULID}.jsonl").mkdir()
    failing_calls: list[Callable[[], Any]] = [
        lambda: versori.plan(".", platform.world.free),
        lambda: versori.delete(".", platform.world.free, max=1),
        lambda: versori.delete(".", "x"),
        lambda: versori.resume(ULID),
        lambda: versori.resume("x"),
        lambda: versori.connection(".", ULID),
        lambda: versori.connections(".", system="nosuch"),
        lambda: versori.connect(server="nowhere"),
        lambda: versori.plan(".", platform.world.free, protect="/no/such"),
        lambda: versori.sandbox("stop"),
    ]
    for call in failing_calls:
        with pytest.raises(VersoriError) as caught:
            call()
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert 1 <= len(caught.value._render_traceback_()) <= 3
        json.dumps(caught.value.lines())
