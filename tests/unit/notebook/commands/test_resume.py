"""resume: finishing a run that was stopped or cut off."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.hostile_platform import FOREVER, HostilePlatform, error, world
from support.outcomes import count_usage_scans, outcome_by_id, outcome_counts

import versori_magics as versori
from versori_magics.cleanup.journal import Journal
from versori_magics.errors import ArgumentError, ConsentError, JournalError, PlanError, PlatformError, RunStoppedError

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TypeText = Callable[[str], io.StringIO]


@pytest.fixture
def stopped_run(platform: HostilePlatform) -> str:
    """Return the id of a run that ended early, with 10 of 30 rows deleted."""
    platform.reset(world(free=30))
    platform.dead_token_after(10)
    with pytest.raises(RunStoppedError) as caught:
        versori.delete(".", platform.world.free, yes=True)
    platform.dead_token_after(FOREVER)
    return str(caught.value.report.run)


def remaining_ids(platform: HostilePlatform) -> list[str]:
    return [key for key in platform.world.free if key not in platform.deleted]


# Consent.


def test_a_person_is_asked_again_for_the_remaining_rows(
    platform: HostilePlatform, stopped_run: str, type_at_terminal: TypeText
) -> None:
    sent = len(platform.deletes)
    for typed in ("y", "delete 30", "", "yes"):
        type_at_terminal(typed + "\n")
        with pytest.raises(ConsentError):
            versori.resume(stopped_run)
    assert len(platform.deletes) == sent
    type_at_terminal("delete 20\n")
    assert outcome_counts(versori.resume(stopped_run)) == {"deleted": 30}
    assert platform.deleted == set(platform.world.free)


@pytest.mark.parametrize(("options", "scans"), [({"yes": True}, 1), ({}, 2)])
def test_usage_is_read_once_and_again_only_after_a_person_was_asked(
    platform: HostilePlatform, stopped_run: str, type_at_terminal: TypeText, options: dict[str, bool], scans: int
) -> None:
    before = count_usage_scans(platform)
    type_at_terminal("delete 20\n")
    assert outcome_counts(versori.resume(stopped_run, **options)) == {"deleted": 30}
    assert count_usage_scans(platform) - before == scans


def test_rows_that_are_gone_or_changed_are_not_asked_for(
    platform: HostilePlatform, stopped_run: str, type_at_terminal: TypeText, capsys: pytest.CaptureFixture[str]
) -> None:
    removed, linked, *others = remaining_ids(platform)
    with platform.lock:
        platform.world.remove(removed)
        platform.world.link(linked)
    type_at_terminal("delete 18\n")
    report = versori.resume(stopped_run)
    assert outcome_counts(report) == {"deleted": 28, "already_gone": 1, "changed": 1}
    assert outcome_by_id(report)[linked] == "changed"
    assert "Delete 18 of 18 selected connections" in capsys.readouterr().out
    assert set(others) <= platform.deleted


def test_nobody_is_asked_if_no_row_may_be_deleted_any_more(
    platform: HostilePlatform, stopped_run: str, type_at_terminal: TypeText
) -> None:
    sent = len(platform.deletes)
    with platform.lock:
        for key in remaining_ids(platform):
            platform.world.link(key)
    stdin = type_at_terminal("y\n")
    assert outcome_counts(versori.resume(stopped_run)) == {"deleted": 10, "changed": 20}
    assert stdin.read() == "y\n"
    assert len(platform.deletes) == sent


def test_a_row_that_nobody_agreed_to_is_not_sent_even_if_it_becomes_unused(
    platform: HostilePlatform, stopped_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = remaining_ids(platform)[0]
    with platform.lock:
        platform.world.link(linked)

    class SlowPerson(io.StringIO):
        def readline(self, *_: Any) -> str:
            with platform.lock:
                for links in platform.world.links.values():
                    links.pop(linked, None)
            return "delete 19\n"

    monkeypatch.setattr("sys.stdin", SlowPerson())
    with pytest.raises(RunStoppedError, match="could not be deleted when the plan was made, but can be now") as caught:
        versori.resume(stopped_run)
    assert stopped_run in caught.value.hint
    assert platform.deleted == set(platform.world.free) - {linked}
    assert platform.sends(linked) <= 1  # once at most, in the first run, with an expired token


def test_a_row_that_changes_while_a_person_decides_is_kept(
    platform: HostilePlatform, stopped_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = remaining_ids(platform)[0]

    class SlowPerson(io.StringIO):
        def readline(self, *_: Any) -> str:
            with platform.lock:
                platform.world.link(linked)
            return "delete 20\n"

    monkeypatch.setattr("sys.stdin", SlowPerson())
    assert outcome_counts(versori.resume(stopped_run)) == {"deleted": 29, "changed": 1}
    assert linked not in platform.deleted


# Runs that are not resumed.


def test_a_finished_run_is_shown_again_and_sends_nothing(platform: HostilePlatform) -> None:
    report = versori.delete(".", list(platform.world.connections), yes=True)
    requests = len(platform.requests)
    assert outcome_counts(versori.resume(report.run.lower())) == outcome_counts(report)
    assert len(platform.requests) == requests


@pytest.mark.parametrize("options", [{}, {"yes": True}])
def test_a_run_that_another_kernel_executes_is_not_resumed_and_nobody_is_asked(
    platform: HostilePlatform,
    stopped_run: str,
    tmp_path: Path,
    type_at_terminal: TypeText,
    options: dict[str, bool],
) -> None:
    requests = len(platform.requests)
    stdin = type_at_terminal("delete 20\n")
    journal = Journal.reopen(tmp_path / "runs", stopped_run)
    with pytest.raises(JournalError, match=f"The run {stopped_run} is already running in this or another kernel"):
        versori.resume(stopped_run, **options)
    assert len(platform.requests) == requests
    assert stdin.read() == "delete 20\n"
    journal.close()
    type_at_terminal("delete 20\n")
    assert outcome_counts(versori.resume(stopped_run, **options)) == {"deleted": 30}


def test_a_run_that_another_kernel_resumes_while_a_person_decides_is_not_resumed_twice(
    platform: HostilePlatform, stopped_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = len(platform.deletes)
    journals = []

    class SlowPerson(io.StringIO):
        def readline(self, *_: Any) -> str:
            journals.append(Journal.reopen(tmp_path / "runs", stopped_run))
            return "delete 20\n"

    monkeypatch.setattr("sys.stdin", SlowPerson())
    with pytest.raises(JournalError, match="is already running in this or another kernel"):
        versori.resume(stopped_run)
    assert len(platform.deletes) == sent
    journals[0].close()


@pytest.mark.parametrize("run", ["", "x", f"{ULID} --yes", None, 5, [ULID], "../" + ULID, pd.Series([ULID])])
def test_anything_but_a_run_id_is_rejected(platform: HostilePlatform, run: Any) -> None:
    with pytest.raises(ArgumentError, match="A run is named by its id"):
        versori.resume(run, yes=True)


def test_an_unknown_run_is_an_error_that_names_the_folder(platform: HostilePlatform, tmp_path: Path) -> None:
    with pytest.raises(JournalError) as caught:
        versori.resume(ULID, yes=True)
    assert f"There is no run '{ULID}' in {tmp_path / 'runs'}" in str(caught.value)


def test_a_run_of_another_server_is_not_resumed_on_this_one(
    platform: HostilePlatform, stopped_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = len(platform.requests)
    monkeypatch.setenv("VERSORI_SERVER", "http://127.0.0.1:1")
    with pytest.raises(PlanError) as caught:
        versori.resume(stopped_run, yes=True)
    assert f"%versori_connect --server {platform.url}" in str(caught.value)
    assert len(platform.requests) == requests


def test_a_run_of_another_organisation_is_resumed_in_its_own(
    platform: HostilePlatform, stopped_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSORI_ORGANISATION", ULID)
    assert outcome_counts(versori.resume(stopped_run, yes=True)) == {"deleted": 30}


# Which rows are checked again.


def test_rows_that_were_protected_since_are_kept(
    platform: HostilePlatform, stopped_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected = remaining_ids(platform)[0]
    (tmp_path / "protect.txt").write_text(protected)
    monkeypatch.setenv("VERSORI_PROTECT", str(tmp_path / "protect.txt"))
    assert outcome_counts(versori.resume(stopped_run, yes=True)) == {"deleted": 29, "protected": 1}
    assert protected not in platform.deleted


@pytest.fixture
def protection_file(tmp_path: Path) -> Path:
    file = tmp_path / "protect.txt"
    file.write_text(f"name: not-yet\n{ULID}\n")
    return file


@pytest.fixture
def stopped_run_with_rules(platform: HostilePlatform, protection_file: Path) -> str:
    """Return the id of a run that ended early, with 10 of 30 rows deleted, and whose plan has a protection file."""
    platform.reset(world(free=30))
    platform.dead_token_after(10)
    with pytest.raises(RunStoppedError) as caught:
        versori.delete(".", platform.world.free, yes=True, protect=protection_file)
    platform.dead_token_after(FOREVER)
    return str(caught.value.report.run)


def test_the_rules_that_the_plans_file_contains_now_protect_without_naming_it_again(
    platform: HostilePlatform, stopped_run_with_rules: str, protection_file: Path
) -> None:
    first, second, *_ = remaining_ids(platform)
    protection_file.write_text(f"{first}\n{second}\n")
    report = versori.resume(stopped_run_with_rules, yes=True)
    assert outcome_counts(report) == {"deleted": 28, "protected": 2}
    assert not platform.deleted & {first, second}


def test_the_rules_that_the_plan_was_made_with_protect_even_if_its_file_lost_them(
    platform: HostilePlatform, stopped_run_with_rules: str, protection_file: Path
) -> None:
    row = remaining_ids(platform)[0]
    protection_file.write_text("")
    with platform.lock:
        platform.world.connections[row].name = "not-yet"
    assert outcome_counts(versori.resume(stopped_run_with_rules, yes=True)) == {"deleted": 29, "protected": 1}


def test_another_protection_file_protects_besides_the_plans_own(
    platform: HostilePlatform, stopped_run_with_rules: str, protection_file: Path, tmp_path: Path
) -> None:
    first, second, *_ = remaining_ids(platform)
    protection_file.write_text(first)
    (tmp_path / "other.txt").write_text(second)
    report = versori.resume(stopped_run_with_rules, yes=True, protect=tmp_path / "other.txt")
    assert outcome_counts(report) == {"deleted": 28, "protected": 2}


def test_a_run_whose_protection_file_is_gone_is_not_resumed(
    platform: HostilePlatform, stopped_run_with_rules: str, protection_file: Path
) -> None:
    protection_file.unlink()
    sent = len(platform.deletes)
    with pytest.raises(ArgumentError, match=r"The protection file .* cannot be read"):
        versori.resume(stopped_run_with_rules, yes=True)
    assert len(platform.deletes) == sent


@pytest.mark.parametrize("options", [{}, {"yes": True}])
def test_a_run_whose_rows_cannot_be_checked_sends_nothing_and_can_be_resumed_later(
    platform: HostilePlatform, stopped_run: str, type_at_terminal: TypeText, options: dict[str, bool]
) -> None:
    sent = len(platform.deletes)
    type_at_terminal("delete 20\n")
    platform.on("GET", "/connections/", error(403, message="not yours"), times=20)
    with pytest.raises(PlatformError, match="not yours"):
        versori.resume(stopped_run, **options)
    assert len(platform.deletes) == sent
    platform.reset(platform.world)
    assert outcome_counts(versori.resume(stopped_run, yes=True)) == {"deleted": 30}
