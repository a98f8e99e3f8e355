"""Sequences about consent, the form and protection that once deleted what nobody agreed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from model.form_machine import click, find
from model.selections import YES
from model.sequences import delete, deleted, last_run, protect

import versori_magics as versori

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.form_machine import FormMachine

FALSE_CONSENTS = [consent for consent in YES if consent != "True"]
ONE_SHOT = ["generator", "iterator", "reversed", "map"]


# Consent.


@pytest.mark.parametrize("consent", FALSE_CONSENTS)
@pytest.mark.parametrize("magic", [False, True])
def test_only_a_real_true_is_consent(begin: Callable[..., FormMachine], consent: str, magic: bool) -> None:
    machine = begin(uses_magics=magic)
    delete(machine, "unused 1", "unused 2", consent=consent)
    assert deleted(machine) == set()


@pytest.mark.parametrize("consent", FALSE_CONSENTS)
def test_only_a_real_true_is_consent_to_a_resume(begin: Callable[..., FormMachine], consent: str) -> None:
    machine = begin()
    delete(machine, "unused 1", "unused 2", meanwhile="kill after")
    machine.resume_run(last_run(machine), consent, "none")
    assert deleted(machine) == {"unused 1"}


@pytest.mark.parametrize("names", [("unused 1", "static"), ("static",), ("unused 1", "unused 2", "shared", "static")])
def test_the_words_count_all_rows_and_those_in_use(begin: Callable[..., FormMachine], names: tuple[str, ...]) -> None:
    machine = begin()
    delete(machine, *names, may_break=True, consent="only the number in use")
    assert deleted(machine) == set()
    delete(machine, *names, may_break=True, consent="the right words")
    assert deleted(machine) == set(names)


@pytest.mark.parametrize("form", ONE_SHOT)
@pytest.mark.parametrize("consent", ["True", "the right words"])
def test_a_one_shot_selection_is_read_once(begin: Callable[..., FormMachine], form: str, consent: str) -> None:
    machine = begin()
    delete(machine, "unused 1", "unused 2", form=form, consent=consent)
    assert deleted(machine) == {"unused 1", "unused 2"}


# The form.


def test_the_form_deletes_on_the_server_that_it_shows(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    machine.open_form("none")
    machine.connect("B")
    machine.preview_single("unused 1")
    machine.agree_in_form("the right words", "calm", "nothing", 1)
    assert deleted(machine, "B") == set()
    assert deleted(machine, "A") <= {"unused 1"}


def test_a_selection_that_changes_after_the_preview_withdraws_the_consent(
    begin: Callable[..., FormMachine],
) -> None:
    machine = begin()
    machine.open_form("none")
    machine.select_in_form(["unused 1", "unused 2", "unused 3"])
    machine.preview("calm")
    machine.select_in_form(["unused 1"])
    machine.agree_in_form("the right words", "calm", "nothing", 1)
    assert deleted(machine) == set()


def test_connecting_elsewhere_does_not_disturb_the_run_of_a_form(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    machine.open_form("none")
    machine.select_in_form(["unused 1", "unused 2", "unused 3"])
    machine.preview("calm")
    machine.agree_in_form("the right words", "calm", "connect elsewhere", 1)
    assert deleted(machine) == {"unused 1", "unused 2", "unused 3"}
    machine.select_in_form(["unused 4"])
    machine.preview("calm")
    machine.agree_in_form("the right words", "calm", "nothing", 1)
    assert "unused 4" in deleted(machine)


def test_the_form_refuses_more_rows_than_its_maximum(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    form = versori.form(".", max=2)  # type: ignore[call-arg]  # mypy checks this once the option exists
    form.selection = [machine.site.ids[name] for name in ("unused 1", "unused 2", "unused 3")]
    click(form, "preview")
    assert form.plan is None
    assert "2" in find(form, "error").value


def test_a_protection_file_protects_in_the_form_on_a_platform_with_lower_case_ids(
    begin: Callable[..., FormMachine],
) -> None:
    machine = begin(manner="ids in lower case")
    protect(machine, machine.site.ids["unused 1"])
    machine.open_form("environment")
    machine.select_in_form(["unused 1", "unused 2"])
    machine.preview("calm")
    machine.agree_in_form("the right words", "calm", "nothing", 1)
    assert deleted(machine) == {"unused 2"}


# Protection.


def test_a_resume_keeps_what_is_protected_by_now(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    delete(machine, "unused 1", "unused 2", "unused 3", protection="argument", meanwhile="kill after")
    protect(machine, "name: Trial*")
    machine.resume_run(last_run(machine), "True", "none")
    assert deleted(machine) == {"unused 1", "unused 2"}


def test_a_resume_can_be_given_a_protection_file(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    delete(machine, "unused 1", "unused 2", "unused 3", meanwhile="kill after")
    protect(machine, "name: Trial*")
    machine.resume_run(last_run(machine), "True", "argument")
    assert deleted(machine) == {"unused 1", "unused 2"}


def test_a_plan_keeps_what_its_file_protects_when_it_is_executed(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    known = machine.make_plan(("unused 1", "unused 3"), "list", False, "argument", "calm")
    assert known is not None
    protect(machine, "name: Trial*")
    machine.execute_plan(known, "True", "none")
    assert deleted(machine) == {"unused 1"}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("name: Shop #12", "unused 1"),
        ("NAME: CAFE\N{COMBINING ACUTE ACCENT} *", "unused 2"),
        ("name: trial ?", "unused 3"),
    ],
)
def test_a_name_is_protected_however_it_is_written(begin: Callable[..., FormMachine], line: str, kept: str) -> None:
    machine = begin()
    protect(machine, line)
    delete(machine, "unused 1", "unused 2", "unused 3", protection="argument")
    assert deleted(machine) == {"unused 1", "unused 2", "unused 3"} - {kept}


def test_an_old_comment_is_refused_at_a_later_look_too(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    known = machine.make_plan(("unused 1", "unused 3"), "list", False, "argument", "calm")
    assert known is not None
    protect(machine, "name: Trial 3 # the customer asked for it")
    machine.execute_plan(known, "True", "argument")
    assert deleted(machine) == set()


def test_an_old_comment_at_the_end_of_a_rule_is_refused(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    protect(machine, "name: Trial 3 # the customer asked for it")
    delete(machine, "unused 1", "unused 3", protection="argument")
    assert deleted(machine) == set()


def test_a_rule_that_matches_nothing_is_named(begin: Callable[..., FormMachine]) -> None:
    machine = begin()
    protect(machine, "system: Shopfy")
    known = machine.make_plan(("unused 1",), "list", False, "argument", "calm")
    assert known is not None
    assert "Shopfy" in known.plan._repr_mimebundle_()["text/plain"]
