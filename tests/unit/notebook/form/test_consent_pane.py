"""The pane for consent: what it shows, and the consent that it passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets
import pytest
from support.cleanup_examples import make_usage

from versori_magics.cleanup.consent import Consent
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.errors import ConsentError
from versori_magics.notebook.form.consent_pane import MAX_BREAK_OFFERS, ConsentPane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from versori_magics.inventory.usage import UsageKind

ORGANISATION = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def make_id(number: int) -> str:
    return f"01{number:024}"


def make_plan(*verdicts: Verdict, breaking: int = 0, kind: UsageKind = "static") -> Plan:
    """Return a plan with one row for each verdict; the first `breaking` ones are in use."""
    rows = tuple(
        PlanRow(
            make_id(n),
            verdict,
            f"name {n}",
            usage=make_usage(kind if n < breaking or verdict == Verdict.IN_USE else "unused"),
        )
        for n, verdict in enumerate(verdicts)
    )
    return Plan("01ARZ3NDEKTSV4RRFFQ69G5FAV", "https://server", ORGANISATION, "", rows)


class Form:
    """Records what the pane calls."""

    def __init__(self) -> None:
        self.agreements: list[tuple[Plan, Consent]] = []
        self.breaking: list[Sequence[str]] = []
        self.pane = ConsentPane(
            lambda *agreement: self.agreements.append(agreement), self.breaking.append, lambda: None
        )

    def type(self, words: str) -> None:
        self.pane._typed.value = words

    @property
    def can_delete(self) -> bool:
        return not self.pane._delete_button.disabled

    @property
    def checkboxes(self) -> list[ipywidgets.Checkbox]:
        children = self.pane._break_offers.children
        return [child for child in children if isinstance(child, ipywidgets.Checkbox)]


@pytest.fixture
def form() -> Form:
    return Form()


def test_the_required_words_pass_on_the_consent_to_exactly_the_shown_plan(form: Form) -> None:
    plan = make_plan(Verdict.DELETE, Verdict.DELETE, Verdict.PROTECTED)
    form.pane.show(plan)
    assert form.pane._instruction.value == "To delete, type: delete 2"
    form.type("delete 2")
    assert form.can_delete
    form.pane._delete_button.click()
    assert form.agreements == [(plan, Consent(plan.id, plan.digest, in_advance=False))]
    assert not form.can_delete  # a second click must do nothing
    form.agreements[0][1].check(plan)
    with pytest.raises(ConsentError, match="The consent is for another plan"):
        form.agreements[0][1].check(make_plan(Verdict.DELETE, Verdict.DELETE))


@pytest.mark.parametrize("words", ["", "y", "delete", "delete 3", "2", "delete 2 break 1", "break 2"])
def test_other_words_enable_nothing_and_pass_on_nothing(form: Form, words: str) -> None:
    form.pane.show(make_plan(Verdict.DELETE, Verdict.DELETE))
    form.type(words)
    assert not form.can_delete
    form.pane._delete_button.click()
    assert form.agreements == []


def test_words_that_were_typed_for_another_plan_are_removed(form: Form) -> None:
    form.pane.show(make_plan(Verdict.DELETE, Verdict.DELETE))
    form.type("delete 2")
    second = make_plan(Verdict.DELETE, Verdict.DELETE, Verdict.IN_USE)
    form.pane.show(second)
    assert not form.can_delete
    assert form.pane._typed.value == ""
    form.pane._delete_button.click()
    assert form.agreements == []
    form.type("delete 2")
    form.pane._delete_button.click()
    assert form.agreements == [(second, Consent(second.id, second.digest, in_advance=False))]


def test_a_hidden_plan_cannot_be_agreed_to(form: Form) -> None:
    form.pane.show(make_plan(Verdict.DELETE))
    form.type("y")
    form.pane.hide()
    form.type("y")
    form.pane._delete_button.click()
    assert not form.can_delete
    assert form.agreements == []


def test_a_plan_that_deletes_nothing_asks_for_nothing(form: Form) -> None:
    form.pane.show(make_plan(Verdict.IN_USE))
    assert form.pane._question.value == "This plan deletes nothing."
    assert form.pane._instruction.value == ""
    assert form.pane._typed.disabled
    for words in ("y", "delete 0", "break 0"):
        form.type(words)
        assert not form.can_delete


def test_rows_in_use_are_offered_to_break_and_each_tick_makes_the_plan_again(form: Form) -> None:
    form.pane.show(make_plan(Verdict.DELETE, Verdict.DELETE, Verdict.IN_USE, Verdict.PROTECTED, breaking=1))
    assert form.pane._instruction.value == "To delete, type: delete 2 break 1"
    assert [(box.connection_id, box.value) for box in form.checkboxes] == [(make_id(0), True), (make_id(2), False)]
    form.checkboxes[1].value = True
    form.checkboxes[0].value = False
    assert form.breaking == [[make_id(0), make_id(2)], [make_id(2)]]


def test_rows_that_the_platform_would_refuse_are_not_offered_to_break(form: Form) -> None:
    form.pane.show(make_plan(Verdict.IN_USE, Verdict.IN_USE, kind="dynamic"))
    assert form.pane._break_offers.children == ()


def test_rows_whose_usage_is_unknown_are_not_offered_to_break(form: Form) -> None:
    form.pane.show(make_plan(Verdict.IN_USE, Verdict.IN_USE, kind="unknown"))
    assert form.pane._break_offers.children == ()


def test_the_plan_of_a_resumed_run_offers_nothing_to_break(form: Form) -> None:
    form.pane.show(make_plan(Verdict.DELETE, breaking=1), offer_breaking=False)
    assert form.pane._break_offers.children == ()


def test_more_rows_than_can_be_ticked_are_counted(form: Form) -> None:
    form.pane.show(make_plan(*[Verdict.IN_USE] * (MAX_BREAK_OFFERS + 3)))
    assert len(form.checkboxes) == MAX_BREAK_OFFERS
    assert form.pane._break_offers.children[-1].value == "… and 3 more: use %versori_delete … --break"
