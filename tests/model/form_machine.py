"""The state machine of the form: what a person can select, tick, type and click, beside functions and magics."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from model.agreements import Agreement
from model.judge import judge_calm, judge_plan
from model.machine import Machine, labels, meanwhiles, often, positions, weathers
from model.organisations import LABELS
from model.person import right_words
from model.process import CURRENT
from model.selections import WORDS
from model.world import Event

import versori_magics as versori

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model.site import Site

    from versori_magics.notebook.form.form import Form

words = often("the right words", WORDS)


def find_all(widget: Any, name: str) -> Iterator[Any]:
    """Yield the widgets with a CSS class, which is how a page finds them too."""
    if f"vs-{name}" in getattr(widget, "_dom_classes", ()):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from find_all(child, name)


def find(form: Form, name: str) -> Any:
    return next(find_all(form.box, name))


def click(form: Form, name: str) -> bool:
    """Click a button, unless it is disabled."""
    button = find(form, name)
    if not button.disabled:
        button.click()
    return not button.disabled


@dataclass
class Opened:
    """A form that somebody opened, and what agreeing to its plan would allow."""

    form: Form
    site: Site
    agreement: Agreement | None = None
    selection: frozenset[str] | None = None
    """The selection that the plan was made from; None for the page of a single connection and for a retry."""


def _is_open(machine: Machine) -> bool:
    return bool(getattr(machine, "person", None) and machine.person.forms)


class FormMachine(Machine):
    """One history with a form."""

    def teardown(self) -> None:
        ipywidgets.Widget.close_all()
        super().teardown()

    def event(self, meanwhile: str, at: int) -> Event | None:
        if meanwhile == "cancel":
            opened = self.person.forms[-1]
            return Event(at, "after", lambda: click(opened.form, "cancel"))
        return super().event(meanwhile, at)

    @property
    def opened(self) -> Opened:
        opened: Opened = self.person.forms[-1]
        return opened

    def _plan_of(self, act: Callable[[], object], agreement: Agreement, selection: frozenset[str] | None) -> None:
        """Do what makes a plan, and judge the plan."""
        opened = self.opened
        before = opened.form.plan
        self.person.call(act)
        plan = opened.form.plan
        if plan is None or plan is before:
            return
        judge_plan(self.world, plan, agreement)
        agreement.remember_facts()
        agreement.ids &= {row.id for row in plan.to_delete}
        opened.agreement, opened.selection = agreement, selection

    def _new_agreement(self, ids: Sequence[str], breaking: frozenset[str] = frozenset()) -> Agreement:
        path = self.person.protection if os.environ.get("VERSORI_PROTECT") else None
        return Agreement(self.opened.site, frozenset(ids), breaking, path, selected=tuple(ids))

    # Rules.

    @precondition(lambda self: hasattr(self, "person") and len(self.person.forms) < 1)
    @rule(protection=st.sampled_from(["none", "environment"]))
    def open_form(self, protection: str) -> None:
        self.use_protection(protection)
        self.begin_command(f"form(), {protection=}")
        ending = self.person.call(versori.form, ".")
        if ending.value is not None:
            self.person.forms.append(Opened(ending.value, self.site))

    @precondition(_is_open)
    @rule(names=labels)
    def select_in_form(self, names: Sequence[str]) -> None:
        site = self.opened.site
        ids = [site.ids[name] for name in names if site.exists(site.ids[name])]
        self.begin_command(f"the form's selection = {names}")
        self.person.call(setattr, self.opened.form, "selection", ids)

    @precondition(_is_open)
    @rule(weather=weathers)
    def preview(self, weather: str) -> None:
        ids = tuple(self.opened.form.table.selection)
        self.begin_command("click on the preview", weather)
        self._plan_of(lambda: click(self.opened.form, "preview"), self._new_agreement(ids), frozenset(ids))

    @precondition(_is_open)
    @rule(number=st.integers(0, 2))
    def tick_break(self, number: int) -> None:
        opened = self.opened
        offers = list(find_all(opened.form.box, "break"))
        if opened.form.plan is None or not offers or opened.agreement is None:
            return
        offer = offers[number % len(offers)]
        self.begin_command(f"tick 'break {opened.site.labels[offer.connection_id]}'")
        ticked = {item.connection_id for item in offers if item.value is not (item is offer)}
        agreement = self._new_agreement(opened.agreement.selected, frozenset(ticked))
        self._plan_of(lambda: setattr(offer, "value", not offer.value), agreement, opened.selection)

    @precondition(_is_open)
    @rule(name=st.sampled_from(LABELS))
    def preview_single(self, name: str) -> None:
        form, connection = self.opened.form, self.opened.site.ids[name]
        self.begin_command(f"the single page: {name}")
        self.person.call(setattr, find(form, "connection"), "value", "")
        self.person.call(setattr, find(form, "connection"), "value", connection)
        self._plan_of(lambda: click(form, "preview-one"), self._new_agreement([connection]), None)

    @precondition(_is_open)
    @rule(
        typed=words,
        weather=weathers,
        meanwhile=st.one_of(st.sampled_from(["connect elsewhere", "cancel"]), meanwhiles),
        at=positions,
    )
    def agree_in_form(self, typed: str, weather: str, meanwhile: str, at: int) -> None:
        opened = self.opened
        form, agreement = opened.form, opened.agreement
        if form.plan is None or agreement is None:
            return
        answer = WORDS[typed](form.plan)
        is_same = opened.selection is None or set(form.table.selection) == opened.selection
        self.begin_command(f"type {answer!r} and click on delete", weather, meanwhile, at)
        before = form.report

        def act() -> None:
            find(form, "consent").value = answer
            click(form, "delete")
            if form.report is not None and form.report is not before:
                CURRENT.displayed.append(form.report)

        agreed = is_same and answer == right_words(form.plan)
        self.person.delete(agreement, lambda: self.person.call(act), agreed=agreed)
        if self.world.is_calm and form.report is not None and form.report is not before:
            judge_calm(self.world, form.report, agreement)

    @precondition(_is_open)
    @rule(button=st.sampled_from(["back", "refresh"]))
    def click_other(self, button: str) -> None:
        self.begin_command(f"click on {button}")
        self.person.call(click, self.opened.form, button)

    @precondition(_is_open)
    @rule()
    def retry_in_form(self) -> None:
        opened = self.opened
        report = opened.form.report
        if report is None or report.run not in self.person.runs:
            return
        agreement = self.person.runs[report.run]
        self.begin_command("click on retry")
        before = opened.form.plan

        def act() -> None:
            click(opened.form, "retry")
            if opened.form.report is not None and opened.form.report is not report:
                CURRENT.displayed.append(opened.form.report)

        self.person.delete(agreement, lambda: self.person.call(act), agreed=False)
        if opened.form.plan is not before:
            opened.agreement, opened.selection = agreement, None

    @rule(
        names=labels,
        others=labels,
        single=st.booleans(),
        between=st.sampled_from(["nothing", "select others", "connect to B", "connect to C"]),
        meanwhile=st.sampled_from(["nothing", "connect elsewhere", "connect elsewhere", "cancel", "link"]),
    )
    def select_preview_change_agree(
        self, names: Sequence[str], others: Sequence[str], single: bool, between: str, meanwhile: str
    ) -> None:
        """The whole way through the form, with a change before or after the preview."""
        if not self.person.forms:
            self.open_form("none")
        if not self.person.forms:
            return
        if between.startswith("connect"):
            self.connect(between[-1])
        if single:
            self.preview_single(names[0])
        else:
            self.select_in_form(names)
            self.preview("calm")
        if between == "select others":
            self.select_in_form(others)
        self.agree_in_form("the right words", "calm", meanwhile, 1)
