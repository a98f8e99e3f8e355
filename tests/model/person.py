"""The person at the notebook: calls the functions and the magics, reads what they show, and answers what they ask."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from model.judge import judge_calm, judge_plan, judge_report
from model.lines import has_line, write_line
from model.process import CURRENT, release_locks
from model.site import TOKEN
from model.world import Died

import versori_magics as versori
from versori_magics.cleanup.plan import Plan
from versori_magics.cleanup.report import Report
from versori_magics.errors import ConsentError, RunStoppedError, VersoriError
from versori_magics.notebook.session import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell
    from model.agreements import Agreement
    from model.site import Site
    from model.world import World


@dataclass
class Ending:
    """How a call ended: with a value or an error, and what it displayed."""

    value: Any = None
    error: BaseException | None = None
    displayed: list[Any] = field(default_factory=list)

    def reports(self) -> list[Report]:
        """Return every report that a person got to see."""
        candidates = [self.value, *self.displayed, getattr(self.error, "report", None)]
        return [candidate for candidate in candidates if isinstance(candidate, Report)]


@dataclass
class Known:
    """A plan that a person keeps in a variable, and what agreeing to it allows."""

    plan: Plan
    agreement: Agreement


def right_words(plan: Plan) -> str:
    """Return the words that agree to a plan."""
    deleted = [row for row in plan.rows if row.verdict.value == "delete"]
    broken = sum(row.in_use for row in deleted)
    if len(deleted) == 1 and not broken:
        return "y"
    return f"delete {len(deleted)} break {broken}" if broken else f"delete {len(deleted)}"


class Person:
    """One person with one notebook; the kernel may die under their hands.

    Parameters
    ----------
    world : World
        Where they live.
    folder : Path
        Of this history: journals and the protection file.
    shell : InteractiveShell
        For the magics.
    uses_magics : bool
        Whether they write magics, where they can, and not calls of functions.
    """

    def __init__(self, world: World, folder: Path, shell: InteractiveShell, *, uses_magics: bool = False) -> None:
        self.world, self.shell, self.uses_magics = world, shell, uses_magics
        self.journals, self.protection = folder / "runs", folder / "protect.txt"
        self.protection.write_text("# what must stay\n", encoding="utf-8")
        self.runs: dict[str, Agreement] = {}
        self.plans: list[Known] = []
        self.frames: list[tuple[Site, pd.DataFrame]] = []
        self.forms: list[Any] = []
        self.words = right_words
        self.while_asked: Callable[[], None] = lambda: None
        self.pending: Agreement | None = None
        self.executing: Plan | None = None
        self.disk: dict[Path, bytes] = {}
        world.journals = self.journals
        CURRENT.journals.clear()
        CURRENT.world, CURRENT.displayed, CURRENT.answer_input = world, [], self._answer
        os.environ |= {"VERSORI_JOURNAL": str(self.journals), "VERSORI_TOKEN": TOKEN}
        os.environ.pop("VERSORI_PROTECT", None)
        self.connect("A")

    # The kernel.

    def connect(self, name: str) -> None:
        self.site = self.world.sites[name]
        self.run("connect", server=self.site.server, org=self.site.id)

    def die(self) -> None:
        """Be killed now: what is on disk stays as it is, and nothing is sent any more."""
        self.disk = {path: path.read_bytes() for path in self._journal_files()}  # what a later kernel will find
        self.world.is_dead = True
        self.world.tell("The kernel is killed")

    def press_stop(self) -> None:
        """Press the stop button."""
        self.world.tell("The stop button is pressed")
        signal.raise_signal(signal.SIGINT)

    def lose_journals(self) -> None:
        """Lose the folder of the journals, and with it all that could be known about earlier runs."""
        shutil.rmtree(self.journals, ignore_errors=True)
        for agreement in (*self.runs.values(), self.pending):
            if agreement is not None:
                agreement.is_damaged = agreement.is_lost = True

    def execute_again(self) -> None:
        """Execute the plan that is under way once more, as another kernel might."""
        if self.executing is None:
            return
        try:
            report = versori.delete(".", self.executing, yes=True)
        except VersoriError as error:
            self.world.tell(f"The same plan is executed again -> {type(error).__name__}")
            return
        self.world.violate("under way in silence", f"Executed while it was under way: {report.summary}")

    def restart(self) -> None:
        """Start a new kernel, which knows nothing."""
        SESSION.close()
        SESSION.connect({})
        self.world.is_dead = False
        self.plans.clear()
        self.frames.clear()
        self.forms.clear()
        self.connect(self.site.name)

    def _restore_disk(self) -> None:
        for path in self._journal_files() - self.disk.keys():
            path.unlink()
        for path, content in self.disk.items():
            path.write_bytes(content)

    def _journal_files(self) -> set[Path]:
        return set(self.journals.glob("*.jsonl")) if self.journals.exists() else set()

    # Calls.

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Ending:
        """Call a public function, and return how it ended; any error but our own is a violation."""
        CURRENT.displayed = ending = []  # type: ignore[assignment]
        result = Ending(displayed=ending)  # type: ignore[arg-type]
        try:
            result.value = function(*args, **options)
        except (VersoriError, KeyboardInterrupt) as error:
            result.error = error.with_traceback(None)
        except Died:
            result.error = Died()
        except Exception as error:  # noqa: BLE001 - the judge's business
            self.world.violate("crash", f"{type(error).__name__}: {error}")
            result.error = error.with_traceback(None)
        if self.world.is_dead:
            release_locks()
            self._restore_disk()
            self.restart()
        self.world.tell(f"   -> {_in_words(result)}")
        return result

    def run(self, verb: str, *args: Any, **options: Any) -> Ending:
        """Call a function by its name, or run the line of its magic, if there is one and this person writes magics."""
        if not (self.uses_magics and has_line(options)):
            return self.call(getattr(versori, verb), *args, **options)
        line = write_line(verb, args, options)
        self.shell.user_ns.update(line.variables)
        return self.call(self.shell.run_line_magic, f"versori_{line.magic}", line.text)

    def delete(
        self, agreement: Agreement, call: Callable[[], Ending], *, agreed: bool, is_repeated: bool = False
    ) -> Ending:
        """Make a call that may delete what this agreement allows, and judge how it ended.

        Parameters
        ----------
        agreement : Agreement
            What may be deleted, if somebody agrees.
        call : callable
            Makes the call.
        agreed : bool
            Whether the call itself says so; otherwise only what is typed can agree.
        is_repeated : bool
            Whether the plan was executed before, so that its report tells of earlier troubles.
        """
        before = self._journal_files()
        self.pending = self.world.command = agreement
        self.world.agreement = agreement if agreed else None
        try:
            ending = call()
        finally:
            was_agreed, agreement = self.world.agreement is not None, self.pending
            self.pending = self.world.agreement = self.world.command = None
            agreement.files.clear()
        for path in self._journal_files() - before:
            agreement.remember_facts()
            self.runs[path.stem] = agreement
        self._judge(ending, agreement, was_agreed=was_agreed, is_repeated=is_repeated)
        agreement.shown = agreement.shown or self.runs
        return ending

    def _judge(self, ending: Ending, agreement: Agreement, *, was_agreed: bool, is_repeated: bool) -> None:
        world = self.world
        for report in ending.reports():
            judge_report(world, report, agreement)
        if was_agreed and isinstance(ending.error, ConsentError):
            world.violate("consent refused", f"Agreed, but refused: {ending.error}")
        report = ending.value
        if isinstance(report, Report):
            if report.rows and (report.stopped or not report.ended):
                world.violate("stopped in silence", f"A report is returned although its run stopped: {report.stopped}")
            if world.is_calm and not agreement.is_damaged and not is_repeated:
                judge_calm(world, report, agreement)

    def _answer(self, prompt: str) -> str:
        """Read the plan that is shown, and answer the question."""
        agreement = self.pending
        plan = next((item for item in reversed(CURRENT.displayed) if isinstance(item, Plan)), None)
        if agreement is None or plan is None:
            self.world.violate("asked without a plan", prompt)
            return ""
        is_remainder = {row.id for row in plan.rows} < set(agreement.selected)  # of a run that is resumed
        if agreement.shown is None:
            judge_plan(self.world, plan, agreement)
        agreement.remember_facts()
        words = self.words(plan)
        self.while_asked()
        if words == right_words(plan) and plan.to_delete:
            # The sets of what was removed and arrived stay the same objects: they belong to the plan.
            agreed_ids = agreement.ids & {row.id for row in plan.to_delete}
            self.world.agreement = replace(agreement, ids=agreed_ids)
            if not is_remainder:
                self.pending = self.world.agreement
        self.world.tell(f"   asked; answers {words!r}")
        return words


def _in_words(ending: Ending) -> str:
    error, value = ending.error, ending.value
    if isinstance(error, RunStoppedError):
        return f"RunStoppedError: {error.report.summary if error.report else ''}"
    if error is not None:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if isinstance(value, Report):
        return f"report: {value.summary or 'of no rows'}"
    if isinstance(value, Plan):
        return f"plan: {value.counts}"
    return type(value).__name__
