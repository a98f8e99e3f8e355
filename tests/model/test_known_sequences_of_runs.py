"""Sequences about usage, runs and journals that once deleted or reported what nobody agreed to."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

import pytest
from model.changes import change_connection
from model.sequences import check, delete, deleted, last_run
from model.world import Event

import versori_magics as versori
from versori_magics.errors import JournalError, PlanError, RunStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.form_machine import FormMachine

# Usage.


def test_a_fourth_user_that_is_replaced_keeps_the_row(begin: Callable[..., FormMachine]) -> None:
    machine = begin(environments=5)
    known = machine.make_plan(("shared",), "list", True, "none", "calm")
    assert known is not None
    machine.change("shared", "gets another last user")
    machine.execute_plan(known, "True", "none")
    assert deleted(machine) == set()


def test_usage_that_is_only_partly_known_cannot_be_broken(begin: Callable[..., FormMachine]) -> None:
    machine = begin(environments=5)
    delete(machine, "shared", may_break=True, weather="three environments fail")
    assert deleted(machine) == set()


@pytest.mark.parametrize("weather", ["no projects", "the projects fail", "one list of activations fails"])
def test_unknown_usage_counts_as_in_use(begin: Callable[..., FormMachine], weather: str) -> None:
    machine = begin()
    delete(machine, "unused 1", "static", may_break=True, weather=weather)
    assert deleted(machine) == set()


def test_an_activation_that_does_not_list_its_connections_still_uses_them(
    begin: Callable[..., FormMachine],
) -> None:
    machine = begin(manner="activations without connections")
    machine.change("unused 1", "is activated")
    delete(machine, "unused 1", "dynamic")
    assert deleted(machine) == set()


def test_what_the_activation_of_the_static_user_names_is_in_use(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    machine.site.named_by_static_user = frozenset({machine.site.ids["unused 1"]})
    delete(machine, "unused 1", "unused 2")
    assert deleted(machine) == {"unused 2"}


def test_null_is_an_empty_list(begin: Callable[..., FormMachine]) -> None:
    machine = begin(manner="null for an empty list")
    delete(machine, "unused 1")
    assert deleted(machine) == {"unused 1"}


def test_a_list_has_the_dynamic_connections_that_only_an_activation_shows(
    begin: Callable[..., FormMachine],
) -> None:
    machine = begin(manner="dynamic ones only by end user")
    machine.list_connections("calm")
    check(machine)


def test_ids_in_lower_case_are_the_same_ids(begin: Callable[..., FormMachine]) -> None:
    machine = begin(manner="ids in lower case")
    machine.list_connections("calm")
    frame = versori.connections(".", project="Order sync")
    assert {machine.site.labels[id_] for id_ in frame["id"]} >= {"static", "shared", "dynamic"}


def test_a_connection_that_is_linked_during_a_long_run_is_kept(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    site = machine.site
    agreement = machine.agreement(("unused 1", "unused 2", "unused 3"), False, None)

    def pass_and_link() -> None:
        machine.world.pending_seconds = 360.0
        change_connection(site, "is linked", site.ids["unused 3"])

    machine.world.begin("calm", Event(1, "after", pass_and_link))
    machine.world.is_calm = False
    machine.person.delete(
        agreement,
        lambda: machine.person.call(versori.delete, ".", list(agreement.selected), yes=True, workers=1),
        agreed=True,
    )
    assert deleted(machine) == {"unused 1", "unused 2"}


# Runs and journals.


def test_a_stopped_plan_that_is_executed_again_raises_its_error_again(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    known = machine.make_plan(("unused 1", "unused 2", "unused 3"), "list", False, "none", "calm")
    assert known is not None
    machine.execute_plan(known, "True", "none", meanwhile="stop")
    machine.execute_plan(known, "True", "none")
    with pytest.raises(RunStoppedError) as caught:
        versori.delete(".", known.plan, yes=True)
    assert caught.value.report is not None
    assert len(caught.value.report.rows) == 3


def test_a_plan_that_is_under_way_cannot_be_executed_again(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    known = machine.make_plan(("unused 1", "unused 2", "unused 3"), "list", False, "none", "calm")
    assert known is not None
    machine.execute_plan(known, "True", "none", meanwhile="again")
    assert deleted(machine) == {"unused 1", "unused 2", "unused 3"}


@pytest.mark.parametrize("word", [b'"deleted"', b'"sent"', b'"outcome"', b'"planned"', b'"header"', b'"delete"'])
@pytest.mark.parametrize("which", ["first", "last"])
@pytest.mark.parametrize("meanwhile", ["nothing", "kill after"])
def test_no_flipped_byte_hides_what_was_deleted(
    begin: Callable[..., FormMachine], word: bytes, which: str, meanwhile: str
) -> None:
    machine = begin()
    known = machine.make_plan(("unused 1", "unused 2"), "list", False, "none", "calm")
    assert known is not None
    machine.execute_plan(known, "True", "none", meanwhile=meanwhile, at=2)
    path = machine.person.journals / f"{last_run(machine)}.jsonl"
    content = bytearray(path.read_bytes())
    if word not in content:
        pytest.skip(f"no journal of this version contains {word!r}")
    content[(content.index(word) if which == "first" else content.rindex(word)) + 1] ^= 1
    path.write_bytes(content)
    known.agreement.is_damaged = True
    machine.execute_plan(known, "True", "none")
    machine.resume_run(last_run(machine), "True", "none")
    machine.list_runs()
    check(machine)


@pytest.mark.parametrize("percent", [0, 50, 99])
@pytest.mark.parametrize("damage", ["a row is added", "a line is lost", "the header is another run's"])
def test_a_damaged_journal_deletes_nothing_else(begin: Callable[..., FormMachine], damage: str, percent: int) -> None:
    machine = begin()
    delete(machine, "unused 3", "static")
    delete(machine, "unused 1", "unused 2", meanwhile="kill after")
    machine.damage(damage, percent)
    machine.resume_run(last_run(machine), "True", "none")
    assert deleted(machine) <= {"unused 1", "unused 2", "unused 3"}


def test_an_empty_journal_that_was_left_over_is_no_report(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    known = machine.make_plan(("unused 1", "unused 2"), "list", False, "none", "calm")
    assert known is not None
    machine.person.journals.mkdir(exist_ok=True)
    (machine.person.journals / f"{known.plan.id}.jsonl").touch()
    machine.execute_plan(known, "True", "none")
    check(machine)


def test_nothing_is_sent_without_a_journal(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    delete(machine, "unused 1", "unused 2", "unused 3", meanwhile="the journals vanish")
    assert deleted(machine) == {"unused 1"}


def test_a_run_is_resumed_once_at_a_time_even_without_its_lock_file(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    delete(machine, "unused 1", "unused 2", "unused 3", meanwhile="kill after")
    run = last_run(machine)
    errors: list[BaseException] = []

    def resume_elsewhere() -> None:
        for lock in machine.person.journals.glob("*.lock"):
            lock.unlink()
        try:
            versori.resume(run, yes=True)
        except JournalError as error:
            errors.append(error)

    machine.world.begin("calm", Event(1, "after", resume_elsewhere))
    versori_resume = lambda: machine.person.call(versori.resume, run, yes=True, workers=1)  # noqa: E731
    machine.person.delete(machine.person.runs[run], versori_resume, agreed=True)
    assert len(errors) == 1


def test_a_relative_folder_of_journals_is_refused(
    begin: Callable[..., FormMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = begin()
    monkeypatch.chdir(machine.folder)
    monkeypatch.setenv("VERSORI_JOURNAL", "runs")
    delete(machine, "unused 1")
    assert deleted(machine) == set()


def test_a_deletion_that_answers_500_is_looked_up(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    delete(machine, "unused 1", weather="done, but answers 500")
    assert deleted(machine) == {"unused 1"}


# What held before, and must go on to hold.


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations("ABC", 2)))
def test_a_plan_is_executed_only_where_it_was_made(begin: Callable[..., FormMachine], first: str, second: str) -> None:
    machine = begin()
    machine.connect(first)
    known = machine.make_plan(("unused 1",), "list", False, "none", "calm")
    assert known is not None
    machine.connect(second)
    with pytest.raises(PlanError):
        versori.delete(".", known.plan, yes=True)
    assert deleted(machine, first) == deleted(machine, second) == set()


def test_a_folder_of_journals_that_vanished_is_made_again(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    delete(machine, "unused 1")
    shutil.rmtree(machine.person.journals)
    delete(machine, "unused 2")
    assert deleted(machine) == {"unused 1", "unused 2"}
