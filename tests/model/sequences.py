"""What the fixed sequences of commands have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.form_machine import FormMachine


def check(machine: FormMachine) -> None:
    """Fail if a promise was broken since the last check."""
    violations = machine.world.violations[:]
    try:
        machine.nothing_was_broken()
    finally:
        machine.world.violations = machine.world.violations[len(violations) :]


def delete(machine: FormMachine, *names: str, **options: Any) -> None:
    """Delete as a person does, on a calm day, if nothing else is said."""
    usual = {
        "form": "list",
        "consent": "True",
        "may_break": False,
        "protection": "none",
        "weather": "calm",
        "meanwhile": "nothing",
        "at": 1,
    }
    machine.delete(names=names, **{**usual, **options})


def deleted(machine: FormMachine, site: str = "A") -> set[str]:
    check(machine)
    place = machine.world.sites[site]
    return {label for label, id_ in place.ids.items() if not place.exists(id_)}


def protect(machine: FormMachine, line: str) -> None:
    machine.person.protection.write_text(f"{line}\n", encoding="utf-8")


def last_run(machine: FormMachine) -> str:
    return list(machine.person.runs)[-1]
