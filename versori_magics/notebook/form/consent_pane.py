"""The pane for consent: the plan, the rows that may be broken, and the words to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from versori_magics.cleanup.consent import required_words, typed_consent
from versori_magics.cleanup.plan import Verdict
from versori_magics.notebook.form import widgets
from versori_magics.presentation.html import plan_html
from versori_magics.presentation.wording import NOTHING_TO_DELETE, deletion_sentence
from versori_magics.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from versori_magics.cleanup.consent import Consent
    from versori_magics.cleanup.plan import Plan, PlanRow

MORE_HINT = "all in the form's .plan.frame"
MAX_BREAK_OFFERS = 50  # checkboxes; to break more, use the magic


class ConsentPane:
    """Shows a plan and takes the same typed consent as the magic.

    Parameters
    ----------
    agree : callable
        (plan, consent) -> None. Executes the plan.
    replan : callable
        (ids that may break) -> None. Makes the plan again.
    go_back : callable
        () -> None. Discards the plan.
    """

    def __init__(
        self,
        agree: Callable[[Plan, Consent], None],
        replan: Callable[[Sequence[str]], None],
        go_back: Callable[[], None],
    ) -> None:
        self._agree = agree
        self._replan = replan
        self._plan: Plan | None = None
        self._plan_area = widgets.html_area("plan")
        self._break_offers = ipywidgets.VBox([])
        self._question = widgets.text_line("question")
        self._instruction = widgets.text_line("words")
        self._typed = ipywidgets.Text(placeholder="type it here", layout=ipywidgets.Layout(width="16em"))
        self._typed.add_class("vs-consent")
        self._typed.observe(self._on_typing, "value")
        self._delete_button = widgets.button("Delete", "delete", self._on_delete, style="danger", enabled=False)
        self._back_button = widgets.button("Back", "back", go_back)
        answer = ipywidgets.HBox([self._typed, self._delete_button, self._back_button])
        self.box = ipywidgets.VBox([self._plan_area, self._break_offers, self._question, self._instruction, answer])
        self.box.layout.display = "none"

    def show(self, plan: Plan, *, offer_breaking: bool = True) -> None:
        """Show a plan; `offer_breaking` also offers to break each row in use."""
        was_hidden = self.box.layout.display == "none"
        self._plan = plan
        self._plan_area.value = plan_html(plan, MORE_HINT)
        self._typed.value = ""
        self._delete_button.disabled = True
        if plan.to_delete:
            self._question.value = deletion_sentence(plan)
            self._instruction.value = f"To delete, type: {required_words(plan)}"
        else:
            self._question.value, self._instruction.value = NOTHING_TO_DELETE, ""
        self._typed.disabled = not plan.to_delete
        self._break_offers.children = self._offer_breaking(plan) if offer_breaking else ()
        self.box.layout.display = ""
        if was_hidden:  # it may be below the visible part of the page
            (self._typed if plan.to_delete else self._back_button).focus()

    def hide(self) -> None:
        """Hide the pane and discard the plan."""
        self._plan = None
        self._typed.value = ""
        self.box.layout.display = "none"

    def _offer_breaking(self, plan: Plan) -> tuple[ipywidgets.Widget, ...]:
        """Return a checkbox for each static row in use: no other may be broken."""
        rows = [row for row in plan.rows if row.breaking or (row.verdict == Verdict.IN_USE and row.kind == "static")]
        if not rows:
            return ()
        heading = _break_heading(len(rows))
        checkboxes = [self._break_checkbox(row) for row in rows[:MAX_BREAK_OFFERS]]
        hidden = len(rows) - len(checkboxes)
        more = [widgets.text_line("more", f"… and {hidden:,} more: use %versori_delete … --break")] if hidden else []
        return (widgets.text_line("offer", heading), *checkboxes, *more)

    def _break_checkbox(self, row: PlanRow) -> ipywidgets.Checkbox:
        label = f"break {one_line(row.name, 60)}: {one_line(row.used_by, 160)}"
        checkbox = ipywidgets.Checkbox(value=row.breaking, description=label, indent=False)
        checkbox.layout.width = "auto"
        checkbox.add_class("vs-break")
        checkbox.connection_id = row.id
        checkbox.observe(self._on_ticking, "value")
        return checkbox

    def _on_ticking(self, _change: object) -> None:
        checkboxes = [child for child in self._break_offers.children if isinstance(child, ipywidgets.Checkbox)]
        self._replan([checkbox.connection_id for checkbox in checkboxes if checkbox.value])

    def _on_typing(self, _change: object) -> None:
        self._delete_button.disabled = self._plan is None or typed_consent(self._plan, self._typed.value) is None

    def _on_delete(self) -> None:
        plan = self._plan
        consent = typed_consent(plan, self._typed.value) if plan else None
        if plan and consent:
            self._delete_button.disabled = True  # a second click must do nothing
            self._agree(plan, consent)


def _break_heading(rows: int) -> str:
    if rows == 1:
        return "1 connection is in use and will be kept, unless you tick it and agree to break it."
    return f"{rows:,} connections are in use and will be kept, unless you tick them and agree to break them."
