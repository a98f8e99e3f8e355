"""The state machine: what a person can do with functions and magics, in any order, on two servers with faults."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pandas as pd
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from model.changes import CHANGES, RULES
from model.damage import DAMAGES
from model.history import History
from model.judge import judge_frame
from model.organisations import LABELS
from model.selections import FORMS, WORDS, YES
from model.weather import MANNERS, WEATHERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def often(usual: str, values: Iterable[str]) -> st.SearchStrategy[str]:
    """Draw the usual value half of the time; in one draw, because drawing takes a third of the time."""
    others = [value for value in values if value != usual]
    return st.sampled_from([usual] * len(others) + others)


labels = st.sampled_from([names for size in range(1, 6) for names in combinations(LABELS, size)])
forms = often("list", list(FORMS))
weathers = often("calm", list(WEATHERS))
consents = often("True", [*YES, *WORDS])
protections = st.sampled_from(["none", "argument", "environment"])
edits = st.sampled_from([*(f"protect {how}" for how in RULES), *CHANGES])
meanwhiles = often(
    "nothing",
    ["stop", "kill before", "kill after", "kill torn", "six minutes", "link", "again", "the journals vanish"],
)
"""What happens during a command, at its n-th DELETE."""
positions = st.integers(1, 3)


class Machine(History):
    """One history with functions, or with magics."""

    @initialize(environments=st.sampled_from([2, 2, 5]), manner=often("plain", list(MANNERS)))
    def begin(self, environments: int, manner: str) -> None:
        self.start(environments, manner)

    # Rules.

    @rule(name=st.sampled_from("ABC"))
    def connect(self, name: str) -> None:
        self.world.tell(f"connect to {name}")
        self.person.connect(name)

    @precondition(lambda self: getattr(self, "seldom", 0) < 1)
    @rule(weather=weathers)
    def list_connections(self, weather: str) -> None:
        self.seldom += 1
        self.begin_command("connections(usage=True)", weather)
        ending = self.person.run("connections", ".", usage=True)
        if isinstance(ending.value, pd.DataFrame):
            judge_frame(self.world, self.site, ending.value)
            self.person.frames.append((self.site, ending.value))

    @rule(names=labels, form=forms, may_break=st.booleans(), protection=protections, weather=weathers)
    def plan(self, names: Sequence[str], form: str, may_break: bool, protection: str, weather: str) -> None:
        self.make_plan(names, form, may_break, protection, weather)

    @rule(
        names=labels,
        form=forms,
        consent=consents,
        may_break=st.booleans(),
        protection=protections,
        weather=weathers,
        meanwhile=meanwhiles,
        at=positions,
    )
    def delete(
        self,
        names: Sequence[str],
        form: str,
        consent: str,
        may_break: bool,
        protection: str,
        weather: str,
        meanwhile: str,
        at: int,
    ) -> None:
        options, path = self.use_protection(protection)
        agreement = self.agreement(names, may_break, path)
        agreed, yes = self.agree(consent)
        self.begin_command(
            f"delete({names} as {form}, {consent=}, {may_break=}, {protection=})", weather, meanwhile, at
        )
        selection, breaking = FORMS[form](list(agreement.selected)), sorted(agreement.breaking)
        self.person.delete(
            agreement,
            lambda: self.person.run("delete", ".", selection, yes=yes, allow_breaking=breaking, workers=2, **options),
            agreed=agreed,
        )

    @precondition(lambda self: hasattr(self, "person") and self.person.frames)
    @rule(names=labels, column=st.booleans(), meanwhile=meanwhiles)
    def delete_listed(self, names: Sequence[str], column: bool, meanwhile: str) -> None:
        """Delete rows of a list, which is perhaps from another server or organisation."""
        site, frame = self.person.frames[-1]
        rows = frame[frame["id"].isin([site.ids[name] for name in names])]
        agreement = self.agreement(names, False, self.use_protection("none")[1])
        agreement.selected = tuple(rows["id"])
        agreement.ids = frozenset(agreement.selected)
        self.begin_command(f"delete({names} of a list of {site}, {column=})", "calm", meanwhile)
        selection = rows["id"] if column else rows
        self.person.delete(
            agreement, lambda: self.person.run("delete", ".", selection, yes=True), agreed=site is self.site
        )

    @precondition(lambda self: hasattr(self, "person") and self.person.plans)
    @rule(
        number=st.integers(0, 3),
        consent=consents,
        protection=protections,
        weather=weathers,
        meanwhile=meanwhiles,
        at=positions,
    )
    def execute(self, number: int, consent: str, protection: str, weather: str, meanwhile: str, at: int) -> None:
        known = self.person.plans[-1 - number % len(self.person.plans)]
        self.execute_plan(known, consent, protection, weather, meanwhile, at)

    @precondition(lambda self: hasattr(self, "person") and self.person.runs)
    @rule(
        number=st.integers(0, 3),
        consent=consents,
        protection=protections,
        weather=weathers,
        meanwhile=meanwhiles,
        at=positions,
    )
    def resume(self, number: int, consent: str, protection: str, weather: str, meanwhile: str, at: int) -> None:
        runs = list(self.person.runs)
        self.resume_run(runs[-1 - number % len(runs)], consent, protection, weather, meanwhile, at)

    @rule(name=st.sampled_from(LABELS), edit=edits)
    def change(self, name: str, edit: str) -> None:
        self.edit(edit, self.site.ids[name])

    @rule(seconds=st.sampled_from([100, 301, 3600]))
    def wait(self, seconds: int) -> None:
        self.world.tell(f"{seconds} s pass")
        self.world.pass_time(seconds)

    @rule()
    def restart(self) -> None:
        self.world.tell("the kernel is restarted")
        self.person.restart()

    @rule()
    def empty_protection(self) -> None:
        self.world.tell("the protection file is emptied")
        self.person.protection.write_text("")

    @precondition(lambda self: getattr(self, "seldom", 0) < 1)
    @rule()
    def list_runs(self) -> None:
        self.seldom += 1
        self.world.tell("runs()")
        ending = self.person.run("runs")
        listed = {} if ending.value is None else dict(zip(ending.value["run"], ending.value["state"], strict=True))
        existing = {path.stem for path in self.person.journals.glob("*.jsonl")}
        if listed.keys() != existing:
            self.world.violate("rows of the runs", f"{len(listed)} runs are listed for {len(existing)}.")
        if "running" in listed.values():
            self.world.violate("left running", "A run is called running, but nothing runs.")

    @precondition(lambda self: hasattr(self, "person") and self.person.runs)
    @rule(damage=st.sampled_from(sorted(DAMAGES)), percent=st.integers(0, 99))
    def damage(self, damage: str, percent: int) -> None:
        self.damage_journal(list(self.person.runs)[-1], damage, percent)

    # What seldom comes about by chance.

    @rule(
        names=labels,
        may_break=st.booleans(),
        protection=protections,
        edit=edits,
        again=protections,
        number=st.integers(0, 4),
        while_asked=st.booleans(),
    )
    def plan_edit_execute(
        self,
        names: Sequence[str],
        may_break: bool,
        protection: str,
        edit: str,
        again: str,
        number: int,
        while_asked: bool,
    ) -> None:
        """Make a plan, change one of its rows or protect it, and execute the plan."""
        known = self.make_plan(names, "list", may_break, protection, "calm")
        if known is None or not known.plan.to_delete:
            return
        target = known.plan.to_delete[number % len(known.plan.to_delete)].id
        if target == self.site.ids["shared"] and edit in {"is renamed", "is touched", "is linked"}:
            edit = "gets another last user"  # only this one has so many users, and any other can be renamed
        if while_asked:
            self.execute_plan(known, "the right words", again, while_asked=lambda: self.edit(edit, target))
        else:
            self.edit(edit, target)
            self.execute_plan(known, "True", again)

    @rule(
        names=labels,
        at=positions,
        meanwhile=st.sampled_from(["stop", "again", "the journals vanish"]),
        damage=often("nothing", DAMAGES),
        percent=st.integers(0, 99),
    )
    def execute_twice(self, names: Sequence[str], at: int, meanwhile: str, damage: str, percent: int) -> None:
        """Execute a plan, perhaps damage its journal, and execute it again."""
        known = self.make_plan(names, "list", False, "none", "calm")
        if known is None:
            return
        self.execute_plan(known, "True", "none", meanwhile=meanwhile, at=at)
        if damage != "nothing":
            self.damage_journal(known.plan.id, damage, percent)
        self.execute_plan(known, "True", "none")

    @rule(
        names=labels,
        protection=protections,
        at=positions,
        meanwhile=st.sampled_from(["kill before", "kill after", "stop"]),
        edit=edits,
        again=protections,
        number=st.integers(0, 4),
    )
    def die_edit_resume(
        self, names: Sequence[str], protection: str, at: int, meanwhile: str, edit: str, again: str, number: int
    ) -> None:
        """Let a run die or stop, change or protect one of its unfinished rows, and resume."""
        before = set(self.person.runs)
        self.delete(names, "list", "True", False, protection, "calm", meanwhile, at)
        for run in self.person.runs.keys() - before:
            agreement = self.person.runs[run]
            if left := [id_ for id_ in agreement.selected if id_ not in agreement.removed]:
                self.edit(edit, left[number % len(left)])
            self.resume_run(run, "True", again)
