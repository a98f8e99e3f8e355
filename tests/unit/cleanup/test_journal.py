import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cleanup_examples import (
    LOST,
    RUN,
    ScriptedDelete,
    fresh_scan,
    journal_path,
    make_executor,
    make_id,
    make_plan,
    make_platform,
    make_row,
    make_usage,
    plan_of,
    refused,
)

from versori_magics.cleanup.journal import Journal, find_journal, is_under_way, list_journals, read_journal
from versori_magics.cleanup.journal_file import verify_content
from versori_magics.cleanup.plan import Plan, Verdict
from versori_magics.cleanup.records import Outcome, RowOutcome
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import RunOptions, find_unfinished_run, start_run
from versori_magics.errors import JournalError
from versori_magics.next_step import Action, NextStep

PLAN = make_plan(
    *(make_row(number) for number in range(4)), make_row(4, Verdict.IN_USE, reason="Orders / production (running)")
)


def begin(folder: Path, plan: Plan = PLAN) -> Journal:
    journal = Journal.create(folder, plan)
    assert journal is not None
    return journal


def write_example(folder: Path) -> bytes:
    """Write the journal of a run with many different outcomes, and return its content."""
    delete = ScriptedDelete(
        {make_id(1): [LOST, None], make_id(2): [refused(400, "no", details="why")], make_id(3): [LOST] * 4}
    )
    make_executor(folder, PLAN, delete).run(PLAN.to_delete)
    return journal_path(folder).read_bytes()


# Files.


def test_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "runs"
    umask = os.umask(0)
    try:
        begin(folder).close()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_journal_begins_with_the_plan_and_every_planned_row(tmp_path: Path) -> None:
    plan = make_plan(make_row(1, usage=make_usage("static"), updated_at="then"), make_row(2), breaking=(make_id(1),))
    begin(tmp_path, plan).close()
    header, *rows = [json.loads(line) for line in journal_path(tmp_path).read_bytes().splitlines()]
    assert header["record"] == "header"
    assert (header["run"], header["digest"], header["ids"]) == (RUN, plan.digest, [make_id(1), make_id(2)])
    assert (header["server"], header["organisation"]) == (plan.server, plan.organisation)
    assert header["breaking"] == [make_id(1)]
    assert [row["row"]["id"] for row in rows] == [make_id(1), make_id(2)]
    assert rows[0]["row"]["usage"]["uses"][0]["environment_id"] == "E1"


def test_journal_says_who_agreed_and_how_and_which_rules_protected(tmp_path: Path) -> None:
    plan = make_plan(make_row(1), protection=("name: *live*", make_id(9)))
    journal = Journal.create(tmp_path, plan, "typed by anna")
    assert journal is not None
    journal.record_resume("in advance by ben")
    journal.close()
    header, _, resumed = [json.loads(line) for line in journal_path(tmp_path).read_bytes().splitlines()]
    assert (header["agreed"], header["protection"]) == ("typed by anna", ["name: *live*", make_id(9)])
    assert resumed["agreed"] == "in advance by ben"


def test_plan_has_only_one_journal(tmp_path: Path) -> None:
    begin(tmp_path).close()
    before = journal_path(tmp_path).read_bytes()
    assert Journal.create(tmp_path, PLAN) is None
    assert journal_path(tmp_path).read_bytes() == before
    begin(tmp_path, plan_of(1, make_id(1))).close()


def test_journals_are_found_by_run_and_listed_newest_first(tmp_path: Path) -> None:
    for run in (make_id(1), make_id(3), make_id(2)):
        begin(tmp_path, plan_of(1, run)).close()
    assert [path.stem for path in list_journals(tmp_path)] == [make_id(3), make_id(2), make_id(1)]
    assert find_journal(tmp_path, make_id(2).lower()) == journal_path(tmp_path, make_id(2))
    assert list(list_journals(tmp_path / "missing")) == []


def test_repr_of_a_journal_names_its_file(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    assert repr(journal) == f"Journal({str(journal_path(tmp_path))!r}, 6 records)"
    journal.close()


@pytest.mark.parametrize("run", ["", "latest", f"../{make_id(1)}", make_id(4), "*"])
def test_unknown_run_is_an_error(tmp_path: Path, run: str) -> None:
    begin(tmp_path, plan_of(1, make_id(1))).close()
    for use in (find_journal, Journal.reopen):
        with pytest.raises(JournalError, match="There is no run") as caught:
            use(tmp_path / "runs", run)
        assert caught.value.next_step == NextStep(Action.FIND_RUNS)
        with pytest.raises(JournalError, match="There is no run"):
            use(tmp_path, run)


def test_file_of_another_type_or_version_is_not_read(tmp_path: Path) -> None:
    path = journal_path(tmp_path)
    content = write_example(tmp_path)
    path.write_bytes(content.replace(b'"format":2', b'"format":3'))
    with pytest.raises(JournalError, match="newer version"):
        read_journal(path)
    path.write_bytes(content.replace(b'"format":2', b'"format":1'))
    with pytest.raises(JournalError, match="earlier version of versori_magics"):
        read_journal(path)
    path.write_bytes(b"".join(content.splitlines(keepends=True)[1:]))
    with pytest.raises(JournalError, match="is not a journal"):
        read_journal(path)
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path)


# Journals that were cut off.


def test_journal_that_is_cut_off_at_any_byte_is_read_up_to_there(tmp_path: Path) -> None:
    content = write_example(tmp_path)
    end_of_plan = content.index(b'{"record":"sent"') - 1
    for cut in range(end_of_plan, len(content) + 1):
        complete = []
        for line in content[:cut].split(b"\n"):
            try:
                complete.append(json.loads(line))
            except ValueError:
                break  # the line that was cut off is the last one
        report = Report.replay(verify_content(content[:cut], journal_path(tmp_path)).records)
        planned = [record["row"] for record in complete if record["record"] == "planned"]
        assert [row.id for row in report.rows] == [row["id"] for row in planned]
        for row, planned_row in zip(report.rows, planned, strict=True):
            own = [record for record in complete if record["record"] in {"sent", "outcome"} and record["id"] == row.id]
            if own and own[-1]["record"] == "outcome":
                assert row.outcome == own[-1]["outcome"]
            elif own:
                assert row.outcome == Outcome.UNKNOWN
                assert row.attempts == own[-1]["attempt"]
            else:
                assert row.outcome == {"delete": "not_attempted", "in_use": "in_use"}[planned_row["verdict"]]
        assert report.ended == (complete[-1]["record"] == "end")
        assert report.damage == ""


@settings(deadline=None, max_examples=60)
@given(first_cut=st.floats(0, 1), second_cut=st.floats(0, 1))
def test_journal_that_continues_after_a_torn_line_stays_readable(
    tmp_path_factory: pytest.TempPathFactory, first_cut: float, second_cut: float
) -> None:
    folder = tmp_path_factory.mktemp("run")
    content = write_example(folder)
    path = journal_path(folder)
    end_of_plan = content.index(b'{"record":"sent"')
    for cut in (first_cut, second_cut):
        path.write_bytes(content[: end_of_plan + round(cut * (len(content) - end_of_plan))])
        before = read_journal(path)
        journal = Journal.reopen(folder, RUN)
        journal.record_resume()
        journal.record_sends((make_id(3), 1))
        journal.record_outcomes(RowOutcome(make_id(3), Outcome.REFUSED, 400))
        journal.record_end("")
        journal.close()
        after = read_journal(path)
        assert after[: len(before)] == before
        assert len(after) == len(before) + 4
        report = Report.replay(after)
        assert report == Report.replay(journal.records)
        assert report.rows[3].outcome == Outcome.REFUSED
        assert report.ended
        content = path.read_bytes()


def test_row_that_was_sent_before_kill_9_is_unknown_and_can_be_resumed(tmp_path: Path) -> None:
    lines = write_example(tmp_path).splitlines(keepends=True)
    for count in range(6, len(lines)):
        journal_path(tmp_path).write_bytes(b"".join(lines[:count]))
        last = json.loads(lines[count - 1])
        if last["record"] == "sent":
            unfinished = find_unfinished_run(RUN, tmp_path)
            (row,) = [row for row in unfinished.report.rows if row.id == last["id"]]
            assert (row.outcome, row.message) == (Outcome.UNKNOWN, "sent, but no response is recorded")
            assert row.id in {row.id for row in unfinished.rows}


# One kernel at a time.


def test_run_that_ended_is_not_running_and_leaves_only_its_journal(tmp_path: Path) -> None:
    write_example(tmp_path)
    assert list(tmp_path.iterdir()) == [journal_path(tmp_path)]
    assert not is_under_way(journal_path(tmp_path))
    assert not is_under_way(tmp_path / "missing.jsonl")


def test_one_of_many_threads_reopens_a_run_and_the_others_get_an_error(tmp_path: Path) -> None:
    write_example(tmp_path)
    barrier, opened, messages = threading.Barrier(8), list[Journal](), list[str]()

    def work() -> None:
        barrier.wait()
        try:
            opened.append(Journal.reopen(tmp_path, RUN))
        except JournalError as error:
            messages.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(opened), len(messages)) == (1, 7)
    assert all("is already running in this or another kernel" in message for message in messages)
    assert is_under_way(journal_path(tmp_path))
    opened[0].close()
    assert not is_under_way(journal_path(tmp_path))
    Journal.reopen(tmp_path, RUN).close()


HOLDER = """
import sys
from pathlib import Path
from versori_magics.cleanup.journal import Journal
journal = Journal.reopen(Path(sys.argv[1]), sys.argv[2])
print("open", flush=True)
sys.stdin.read()
"""


def test_process_holds_a_run_until_it_is_killed(tmp_path: Path) -> None:
    write_example(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(tmp_path), RUN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        assert is_under_way(journal_path(tmp_path))
        with pytest.raises(JournalError, match="is already running"):
            Journal.reopen(tmp_path, RUN)
        holder.kill()
    assert not is_under_way(journal_path(tmp_path))
    Journal.reopen(tmp_path, RUN).close()


def test_journal_that_cannot_be_read_is_released(tmp_path: Path) -> None:
    content = write_example(tmp_path)
    journal_path(tmp_path).write_bytes(content.replace(b'"format":2', b'"format":3'))
    with pytest.raises(JournalError, match="newer version"):
        Journal.reopen(tmp_path, RUN)
    assert not is_under_way(journal_path(tmp_path))


def test_no_other_file_can_let_a_second_kernel_in(tmp_path: Path) -> None:
    write_example(tmp_path)
    journal = Journal.reopen(tmp_path, RUN)
    for path in tmp_path.iterdir():
        if path != journal.path:
            path.unlink()
    with pytest.raises(JournalError, match="is already running"):
        Journal.reopen(tmp_path, RUN)
    journal.close()


def test_file_system_without_locks_is_a_journal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    write_example(tmp_path)
    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(JournalError, match="cannot be written: No locks available"):
        Journal.reopen(tmp_path, RUN)
    with pytest.raises(JournalError, match="cannot be written: No locks available"):
        begin(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


# A journal that disappears.


def remove_file(path: Path) -> None:
    path.unlink()


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def replace_file(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


@pytest.mark.parametrize("disappear", [remove_file, remove_folder, move_folder, replace_file])
def test_run_stops_before_the_next_send_if_its_journal_is_removed(
    tmp_path: Path, disappear: Callable[[Path], None]
) -> None:
    path = journal_path(tmp_path / "runs")
    plan = plan_of(9)
    delete = ScriptedDelete()

    def remove_at_third(_: str) -> None:
        if len(delete.sends) == 3:
            disappear(path)

    delete.before_send = remove_at_third
    executor = make_executor(tmp_path / "runs", plan, delete)
    executor.run(plan.rows)
    assert delete.sends == [make_id(number) for number in range(3)]
    assert executor.stopped == "the journal could not be written (it was removed or replaced during the run)"
    report = Report.replay(executor._journal.records)
    assert [row.outcome for row in report.rows] == ["deleted"] * 3 + ["not_attempted"] * 6


def test_journal_that_is_removed_during_the_last_row_is_an_early_end(tmp_path: Path) -> None:
    plan = plan_of(2)
    delete = ScriptedDelete()
    delete.before_send = lambda key: journal_path(tmp_path).unlink() if key == make_id(1) else None
    report = start_run(plan, make_platform(delete), tmp_path, RunOptions(), fresh_scan())
    assert report.counts["deleted"] == 2
    assert not report.ended
    assert report.stopped == "the journal could not be written (it was removed or replaced during the run)"
