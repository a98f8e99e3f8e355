"""What the rules of the state machines have in common: a world, a person, and the longer commands."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis.stateful import RuleBasedStateMachine, invariant
from model.agreements import Agreement
from model.changes import CHANGES, RULES, change_connection
from model.damage import DAMAGES
from model.judge import judge_plan
from model.person import Known, Person
from model.selections import FORMS, WORDS, YES
from model.world import Event, World

from versori_magics.cleanup.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from IPython.core.interactiveshell import InteractiveShell

FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None  # memory, because journals are many and small


class History(RuleBasedStateMachine):
    """One history; `shell` and `servers` are set by whoever runs it."""

    shell: InteractiveShell
    uses_magics = False
    ignored: frozenset[str] = frozenset()
    """Kinds of violations that do not end a history."""

    def start(self, environments: int, manner: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="versori-model-", dir=FOLDER))
        self.world = self.make_world(environments, manner)
        self.world.tell(f"{environments} environments; the platform's manner: {manner}")
        self.person = Person(self.world, self.folder, self.shell, uses_magics=self.uses_magics)
        self.seldom = 0  # calls that return a DataFrame, which take as long as ten others

    def make_world(self, environments: int, manner: str) -> World:
        return World(environments, manner)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    @invariant()
    def nothing_was_broken(self) -> None:
        world = getattr(self, "world", None)
        if world is None:
            return
        violations = [violation for violation in world.violations if violation.kind not in self.ignored]
        assert not violations, "\n".join(["", *world.story, "", *(f"{kind}: {text}" for kind, text in violations)])

    # Helpers.

    @property
    def site(self) -> Any:
        return self.person.site

    def ids(self, names: Sequence[str]) -> list[str]:
        return [self.site.ids[name] for name in names]

    def use_protection(self, protection: str) -> tuple[dict[str, Any], Path | None]:
        """Return the options that name the protection file, and the file if it is in force."""
        path = self.person.protection
        os.environ.pop("VERSORI_PROTECT", None)
        if protection == "environment":
            os.environ["VERSORI_PROTECT"] = str(path)
        options = {"protect": str(path)} if protection == "argument" else {}
        return options, (None if protection == "none" else path)

    def agree(self, consent: str) -> tuple[bool, Any]:
        """Prepare what is typed, and return whether the call agrees, and its argument `yes`."""
        self.person.words = WORDS.get(consent, lambda _: "")
        self.person.while_asked, self.person.executing = lambda: None, None
        if consent in WORDS:
            return False, False
        return consent == "True", YES[consent]

    def event(self, meanwhile: str, at: int) -> Event | None:
        person, site = self.person, self.site

        def link() -> None:
            change_connection(site, "is linked", site.ids["unused 2"])

        def six_minutes() -> None:
            self.world.pending_seconds = 360.0

        def torn() -> None:
            person.die()
            for path in person.disk:
                person.disk[path] += b'{"record":"outco'

        def connect() -> None:
            self.connect("B" if person.site.name != "B" else "C")

        happens: dict[str, tuple[str, Callable[[], None]]] = {
            "connect elsewhere": ("after", connect),
            "stop": ("after", person.press_stop),
            "kill before": ("before", person.die),
            "kill after": ("after", person.die),
            "kill torn": ("after", torn),
            "six minutes": ("after", six_minutes),
            "link": ("after", link),
            "again": ("after", person.execute_again),
            "the journals vanish": ("after", person.lose_journals),
        }
        return Event(at, *happens[meanwhile]) if meanwhile in happens else None

    def begin_command(self, sentence: str, weather: str = "calm", meanwhile: str = "nothing", at: int = 1) -> None:
        self.world.begin(weather, self.event(meanwhile, at))
        extras = [text for text, usual in ((weather, "calm"), (meanwhile, "nothing")) if text != usual]
        self.world.tell(sentence + "".join(f" [{text}]" for text in extras))
        if meanwhile not in {"nothing", "connect elsewhere"}:
            self.world.is_calm = False

    def edit(self, edit: str, connection: str) -> None:
        """Protect or change a connection of the site that the person is connected to."""
        called = self.site.labels[connection]
        if edit in CHANGES:
            if change_connection(self.site, edit, connection):
                self.world.tell(f"{called} {edit}")
            return
        line = RULES[edit.removeprefix("protect ")](self.site, connection)
        with self.person.protection.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        self.world.tell(f"{line!r} is written into the protection file")

    # Commands.

    def make_plan(
        self, names: Sequence[str], form: str, may_break: bool, protection: str, weather: str
    ) -> Known | None:
        options, path = self.use_protection(protection)
        agreement = self.agreement(names, may_break, path)
        self.begin_command(f"plan({names} as {form}, {may_break=}, {protection=})", weather)
        breaking = sorted(agreement.breaking)
        ending = self.person.run("plan", ".", FORMS[form](list(agreement.selected)), allow_breaking=breaking, **options)
        if not isinstance(ending.value, Plan):
            return None
        judge_plan(self.world, ending.value, agreement)
        agreement.remember_facts()
        agreement.ids = frozenset(row.id for row in ending.value.to_delete)
        agreement.shown = ending.value
        self.person.plans.append(Known(ending.value, agreement))
        return self.person.plans[-1]

    def agreement(self, names: Sequence[str], may_break: bool, protection: Path | None) -> Agreement:
        ids = self.ids(names)
        breaking = frozenset(self.ids([name for name in names if name in {"static", "shared", "draft"}]))
        return Agreement(
            self.site, frozenset(ids), breaking if may_break else frozenset(), protection, selected=tuple(ids)
        )

    def execute_plan(
        self,
        known: Known,
        consent: str,
        protection: str,
        weather: str = "calm",
        meanwhile: str = "nothing",
        at: int = 1,
        while_asked: Callable[[], None] = lambda: None,
    ) -> None:
        options, path = self.use_protection(protection)
        if path is not None:
            known.agreement.files.add(path)
        agreed, yes = self.agree(consent)
        self.person.while_asked, self.person.executing = while_asked, known.plan
        self.begin_command(
            f"delete(a plan of {known.agreement.site}, {consent=}, {protection=})", weather, meanwhile, at
        )
        self.person.delete(
            known.agreement,
            lambda: self.person.run("delete", ".", known.plan, yes=yes, workers=2, **options),
            agreed=agreed,
            is_repeated=known.plan.id in self.person.runs,
        )

    def resume_run(
        self, run: str, consent: str, protection: str, weather: str = "calm", meanwhile: str = "nothing", at: int = 1
    ) -> None:
        options, path = self.use_protection(protection)
        agreement = self.person.runs[run]
        if path is not None:
            agreement.files.add(path)
        agreed, yes = self.agree(consent)
        self.begin_command(f"resume(a run of {agreement.site}, {consent=}, {protection=})", weather, meanwhile, at)
        self.person.delete(
            agreement, lambda: self.person.run("resume", run, yes=yes, workers=2, **options), agreed=agreed
        )

    def damage_journal(self, run: str, damage: str, percent: int) -> None:
        """Damage the journal of a run, if it still exists."""
        path, agreement = self.person.journals / f"{run}.jsonl", self.person.runs.get(run)
        if agreement is not None and path.exists():
            self.world.tell(f"the journal is damaged: {damage} at {percent} %")
            DAMAGES[damage](path, percent, [id_ for id_ in agreement.site.labels if id_ not in agreement.selected])
            agreement.is_damaged = True
