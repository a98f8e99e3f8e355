"""Each line of a journal is on disk before its DELETE is sent, whatever the disk does."""

import json
import os
import resource
import signal
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.cleanup_examples import (
    LOST,
    ScriptedDelete,
    ScriptedSnapshots,
    fresh_scan,
    journal_path,
    make_executor,
    make_id,
    make_plan,
    make_platform,
    make_row,
    plan_of,
    refused,
    replay,
    unchanged_snapshot,
)

from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.journal import Journal, list_journals, read_journal
from versori_magics.cleanup.plan import Plan, PlanRow, Verdict
from versori_magics.cleanup.records import Outcome, RowOutcome, RowSent
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import RunOptions, find_unfinished_run, start_run
from versori_magics.cleanup.workflow import Workflow
from versori_magics.errors import JournalError


def begin(folder: Path, plan: Plan) -> Journal:
    journal = Journal.create(folder, plan)
    assert journal is not None
    return journal


# fsync.


def test_line_is_on_disk_before_its_delete_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = journal_path(tmp_path)
    real_fsync, durable_size, folder_syncs = os.fsync, [0], list[bool]()

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            folder_syncs.append(path.exists())
        else:
            size = os.fstat(descriptor).st_size
            real_fsync(descriptor)
            durable_size.append(size)

    delete = ScriptedDelete({make_id(number): [LOST, refused(500)] for number in range(0, 30, 3)})

    def check_disk(key: str) -> None:
        assert folder_syncs == [True]
        durable = path.read_bytes()[: max(durable_size)]
        expected = {"record": "sent", "id": key, "attempt": delete.sends.count(key)}
        assert any(expected.items() <= json.loads(line).items() for line in durable.splitlines())

    delete.before_send = check_disk
    monkeypatch.setattr(os, "fsync", fsync)
    make_executor(tmp_path, plan_of(30), delete, workers=8).run(plan_of(30).rows)
    assert replay(tmp_path).counts["deleted"] == 30, "an assertion inside a DELETE became an outcome"


def test_lines_of_many_threads_share_one_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begin(tmp_path, plan_of(4))
    path = journal_path(tmp_path)
    durable_size: list[int] = []
    not_durable: list[str] = []

    def fsync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        # The first call lasts until all threads have written, but covers none of the later lines.
        while not durable_size and path.read_bytes().count(b'"sent"') < 32:
            time.sleep(0.001)
        durable_size.append(size)

    def work(number: int) -> None:
        journal.record_sends((make_id(number), 1))
        if f'"id":"{make_id(number)}","attempt"'.encode() not in path.read_bytes()[: max(durable_size)]:
            not_durable.append(make_id(number))

    monkeypatch.setattr(os, "fsync", fsync)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not_durable == []
    assert len(durable_size) <= 2
    journal.close()
    sends = [record.id for record in read_journal(path) if isinstance(record, RowSent)]
    assert sorted(sends) == list(map(make_id, range(32)))


def test_nothing_counts_as_durable_after_a_failed_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second fsync after a failed one succeeds, although the lines are lost."""
    journal = begin(tmp_path, plan_of(4))
    real_fsync, errors = os.fsync, iter([OSError(5, "Input/output error")])

    def fsync(descriptor: int) -> None:
        for error in errors:
            raise error
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for attempt in (1, 2):
        with pytest.raises(JournalError, match="Input/output error"):
            journal.record_sends((make_id(1), attempt))
    journal.close()


def test_folder_that_cannot_be_made_durable_is_a_journal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(JournalError, match="Input/output error"):
        begin(tmp_path, plan_of(4))
    assert list(list_journals(tmp_path)) == []


# A full disk.


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: the write that would is cut short, and the next one fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("workers", [1, 4])
def test_no_delete_is_sent_without_its_line_when_the_disk_is_full(tmp_path: Path, workers: int) -> None:
    plan = plan_of(5)
    begin(tmp_path / "empty", plan).close()
    smallest = journal_path(tmp_path / "empty").stat().st_size
    make_executor(tmp_path / "whole", plan, ScriptedDelete()).run(plan.rows)
    largest = journal_path(tmp_path / "whole").stat().st_size
    for size in range(smallest, largest + 1, 7 if workers == 1 else 31):
        folder = tmp_path / str(size)
        path = journal_path(folder)

        def check_journal(key: str, path: Path = path) -> None:
            assert key in {record.id for record in read_journal(path) if isinstance(record, RowSent)}

        delete = ScriptedDelete()
        delete.before_send = check_journal
        with limit_file_size(size):
            executor = make_executor(folder, plan, delete, workers=workers)
            executor.run(plan.rows)
        in_memory, on_disk = Report.replay(executor._journal.records), replay(folder)
        for row, disk_row in zip(in_memory.rows, on_disk.rows, strict=True):
            assert row.outcome in {Outcome.DELETED, Outcome.NOT_ATTEMPTED}
            assert (row.outcome == Outcome.DELETED) == (row.id in delete.sends)
            # The file may know less than the memory, but never anything else.
            assert disk_row.outcome in {row.outcome, Outcome.UNKNOWN}
        assert on_disk.ended or "could not be written" in executor.stopped
        check_resume(folder, plan, delete)


def check_resume(folder: Path, plan: Plan, delete: ScriptedDelete) -> None:
    """Resume once there is space again, and check that every row is deleted, and none twice."""
    remaining_rows = [number for number, row in enumerate(plan.rows) if row.id not in delete.sends]
    snapshots = ScriptedSnapshots(*map(unchanged_snapshot, remaining_rows))
    workflow = Workflow(make_platform(delete, snapshots=snapshots), folder)
    remaining = workflow.prepare_resume(find_unfinished_run(plan.id, folder), recheck=False)
    report = workflow.resume(remaining, consent_in_advance(remaining), RunOptions())
    assert report.counts["deleted"] == len(plan.rows)
    assert len(delete.sends) == len(set(delete.sends)) == len(plan.rows)
    assert Report.replay(read_journal(journal_path(folder)), report.journal) == report


def test_plan_whose_journal_has_no_space_sends_nothing_and_can_be_executed_later(tmp_path: Path) -> None:
    plan = plan_of(5)
    begin(tmp_path / "whole", plan).close()
    whole = journal_path(tmp_path / "whole").stat().st_size
    delete = ScriptedDelete()
    for size in [*range(0, whole, 13), whole - 1]:
        with limit_file_size(size), pytest.raises(JournalError, match="cannot be written"):
            start_run(plan, make_platform(delete), tmp_path, RunOptions(), fresh_scan())
        assert delete.sends == []
        assert list(list_journals(tmp_path)) == []
    assert start_run(plan, make_platform(delete), tmp_path, RunOptions(), fresh_scan()).counts["deleted"] == 5


def test_run_whose_first_outcomes_have_no_space_sends_nothing_and_its_plan_can_be_executed_later(
    tmp_path: Path,
) -> None:
    plan = make_plan(make_row(0), make_row(1), make_row(2, Verdict.IN_USE, reason="Orders"))
    begin(tmp_path / "whole", plan).close()
    whole = journal_path(tmp_path / "whole").stat().st_size
    delete = ScriptedDelete()

    def recheck(rows: Sequence[PlanRow]) -> tuple[list[PlanRow], list[RowOutcome]]:
        return [rows[0]], [RowOutcome(rows[1].id, Outcome.CHANGED)]

    for size in (whole, whole + 5):
        with limit_file_size(size), pytest.raises(JournalError, match="cannot be written"):
            start_run(plan, make_platform(delete), tmp_path, RunOptions(), RunOptions().usage_scan(recheck))
        assert delete.sends == []
        assert list(list_journals(tmp_path)) == []
    report = start_run(plan, make_platform(delete), tmp_path, RunOptions(), RunOptions().usage_scan(recheck))
    assert [row.outcome for row in report.rows] == ["deleted", "changed", "in_use"]


@pytest.mark.parametrize("content", [b"", b'{"record":"header","form'])
def test_leftover_of_a_journal_that_could_not_be_written_is_an_error_and_not_an_empty_report(
    tmp_path: Path, content: bytes
) -> None:
    journal_path(tmp_path).write_bytes(content)
    delete = ScriptedDelete()
    with pytest.raises(JournalError, match="does not hold its whole plan") as caught:
        start_run(plan_of(6), make_platform(delete), tmp_path, RunOptions(), fresh_scan())
    assert "create a new plan" in caught.value.hint
    assert delete.sends == []


def test_journal_whose_end_cannot_be_written_is_an_early_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcomes are known in this kernel, but perhaps not to the next one."""
    real_fsync, path = os.fsync, journal_path(tmp_path)

    def fsync(descriptor: int) -> None:
        if path.is_file() and b'"record":"end"' in path.read_bytes():
            raise OSError(5, "Input/output error")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    report = start_run(plan_of(2), make_platform(), tmp_path, RunOptions(), fresh_scan())
    assert report.counts["deleted"] == 2
    assert report.stopped == "the journal could not be written (Input/output error)"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_device_is_a_journal_error(tmp_path: Path) -> None:
    journal = begin(tmp_path, plan_of(4))
    os.dup2(full := os.open("/dev/full", os.O_WRONLY), journal._descriptor)
    os.close(full)
    with pytest.raises(JournalError, match="No space left on device"):
        journal.record_sends((make_id(1), 1))
    assert not any(isinstance(record, RowSent) for record in journal.records)
    # An outcome has happened, written or not.
    with pytest.raises(JournalError):
        journal.record_outcomes(RowOutcome(make_id(1), Outcome.DELETED))
    assert Report.replay(journal.records).counts["deleted"] == 1
    journal.close()


# A folder that cannot be used.


@pytest.mark.parametrize("folder", ["a file", "below a file", "/proc/nowhere", "/dev/null/runs"])
def test_unusable_folder_is_a_journal_error_and_nothing_is_sent(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    path = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "runs"}.get(folder, Path(folder))
    delete = ScriptedDelete()
    with pytest.raises(JournalError, match="cannot be written") as caught:
        start_run(plan_of(4), make_platform(delete), path, RunOptions(), fresh_scan())
    assert "VERSORI_JOURNAL" in caught.value.hint
    assert delete.sends == []
