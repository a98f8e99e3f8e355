"""The pane for consent: the plan, what may break, and the words to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from versori_magics.deletion.plan import Verdict
from versori_magics.notebook.form import parts
from versori_magics.notebook.prompts import what_goes
from versori_magics.text import number_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from versori_magics.notebook.shown import DeletionPlan

MOST_BREAKING = 50  # offered one by one; whoever has to break more uses the magic


class ConsentPane:
    """Shows a plan and takes the same typed consent as the magic.

    Parameters
    ----------
    agree : callable
        (plan) -> None: carries it out.
    judge_anew : callable
        (ids that may break) -> None: makes the plan anew.
    leave : callable
        () -> None: forgets the plan.
    """

    def __init__(
        self,
        agree: Callable[[DeletionPlan], None],
        judge_anew: Callable[[Sequence[str]], None],
        leave: Callable[[], None],
    ) -> None:
        self._agree = agree
        self._judge_anew = judge_anew
        self._plan: DeletionPlan | None = None
        self._page = parts.page("plan")
        self._breaking = widgets.VBox([])
        self._question = parts.line("question")
        self._words = parts.line("words")
        self._typed = widgets.Text(placeholder="type it here", layout=widgets.Layout(width="16em"))
        self._typed.add_class("vs-consent")
        self._typed.observe(self._check, "value")
        self._go = parts.button("Delete", "delete", self._clicked, style="danger", enabled=False)
        self._back = parts.button("Back", "back", leave)
        answer = widgets.HBox([self._typed, self._go, self._back])
        self.box = widgets.VBox([self._page, self._breaking, self._question, self._words, answer])
        self.box.layout.display = "none"

    def show(self, plan: DeletionPlan, *, may_break: bool = True) -> None:
        """Show a plan; `may_break`: also offer the rows in use, one by one."""
        appears = self.box.layout.display == "none"
        self._plan = plan
        self._page.value = plan._repr_mimebundle_()["text/html"]
        self._typed.value = ""
        self._go.disabled = True
        if plan.to_delete:
            self._question.value = what_goes(plan)
            self._words.value = f"To do it, type: {plan.consent}"
        else:
            self._question.value, self._words.value = "Nothing of this would go.", ""
        self._typed.disabled = not plan.to_delete
        self._breaking.children = self._offers(plan) if may_break else ()
        self.box.layout.display = ""
        if appears:  # it may stand below what the window shows
            (self._typed if plan.to_delete else self._back).focus()

    def hide(self) -> None:
        """Show nothing; the plan is forgotten."""
        self._plan = None
        self._typed.value = ""
        self.box.layout.display = "none"

    def _offers(self, plan: DeletionPlan) -> tuple[widgets.Widget, ...]:
        """Return a checkbox a row that is in use, if its deletion would not be refused anyway."""
        rows = [row for row in plan.rows if row.breaking or (row.verdict == Verdict.IN_USE and row.kind != "dynamic")]
        if not rows:
            return ()
        boxes = []
        for row in rows[:MOST_BREAKING]:
            text = f"break {one_line(row.name, 60)}: {one_line(row.used_by, 160)}"
            box = widgets.Checkbox(value=row.breaking, description=text, indent=False)
            box.layout.width = "auto"
            box.add_class("vs-break")
            box.connection_id = row.id
            box.observe(self._ticked, "value")
            boxes.append(box)
        more = len(rows) - len(boxes)
        head = f"{number_of(len(rows), 'row')} in use: kept, unless you tick it and agree to break it."
        tail = [parts.line("more", f"… and {more:,} more: use %versori_delete … --break")] if more else []
        return (parts.line("offer", head), *boxes, *tail)

    def _ticked(self, _change: object) -> None:
        boxes = [box for box in self._breaking.children if isinstance(box, widgets.Checkbox)]
        self._judge_anew([box.connection_id for box in boxes if box.value])

    def _check(self, _change: object) -> None:
        self._go.disabled = self._plan is None or not self._plan.is_consent(self._typed.value)

    def _clicked(self) -> None:
        plan = self._plan
        if plan is not None and plan.is_consent(self._typed.value):
            self._go.disabled = True  # a second click must find nothing to do
            self._agree(plan)
