import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.deletion.making import (
    LOST,
    RUN,
    Answers,
    Timeless,
    make_engine,
    make_id,
    make_plan,
    make_row,
    refused,
    replayed,
)

from versori_magics.deletion.journal import Journal, default_folder, find, is_under_way, journals, read
from versori_magics.deletion.plan import Plan, Verdict
from versori_magics.deletion.report import Ended, Header, Outcome, Report, Sent
from versori_magics.deletion.run import Options, Platform, execute, look_again, rest_of, resume
from versori_magics.errors import JournalError

PLAN = make_plan(
    *(make_row(number) for number in range(4)), make_row(4, Verdict.IN_USE, reason="Orders / production (running)")
)


def plan_of(count: int, run: str = RUN) -> Plan:
    return make_plan(*(make_row(number) for number in range(count)), run=run)


def begin(folder: Path, plan: Plan = PLAN) -> Journal:
    journal = Journal.create(folder, plan)
    assert journal is not None
    return journal


def path_of(folder: Path, run: str = RUN) -> Path:
    return folder / f"{run}.jsonl"


def a_run(folder: Path) -> bytes:
    """Give the journal of a run in which something of everything happened."""
    answers = Answers(
        {make_id(1): [LOST, None], make_id(2): [refused(400, "no", details="why")], make_id(3): [LOST] * 4}
    )
    engine = make_engine(folder, PLAN, answers)
    engine.run(PLAN.to_delete)
    return path_of(folder).read_bytes()


# Whose it is, and what is in it.


def test_a_journal_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        begin(tmp_path / "a" / "runs").close()
    finally:
        os.umask(before)
    folder = tmp_path / "a" / "runs"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_it_begins_with_the_plan_and_every_row_as_it_was_seen(tmp_path: Path) -> None:
    plan = make_plan(make_row(1, used_by="Orders", updated_at="then"), make_row(2), breaking=(make_id(1),))
    begin(tmp_path, plan).close()
    header, *rows = [json.loads(line) for line in path_of(tmp_path).read_bytes().splitlines()]
    assert header["record"] == "header"
    assert (header["run"], header["digest"], header["rows"]) == (RUN, plan.digest, 2)
    assert (header["server"], header["organisation"]) == (plan.server, plan.organisation)
    assert header["breaking"] == [make_id(1)]
    assert [row["row"]["id"] for row in rows] == [make_id(1), make_id(2)]
    assert rows[0]["row"]["used_by"] == "Orders"


def test_a_plan_has_one_journal_and_a_second_one_is_not_begun(tmp_path: Path) -> None:
    begin(tmp_path).close()
    before = path_of(tmp_path).read_bytes()
    assert Journal.create(tmp_path, PLAN) is None
    assert path_of(tmp_path).read_bytes() == before
    begin(tmp_path, plan_of(1, make_id(1))).close()


def test_where_journals_are_kept_can_be_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.setenv("VERSORI_JOURNAL", "~/elsewhere")
    assert default_folder() == Path.home() / "elsewhere"
    monkeypatch.delenv("VERSORI_JOURNAL")
    assert default_folder().name == "runs"
    assert "versori_magics" in str(default_folder())


def test_journals_are_found_by_run_and_listed_newest_first(tmp_path: Path) -> None:
    for run in (make_id(1), make_id(3), make_id(2)):
        begin(tmp_path, plan_of(1, run)).close()
    assert [path.stem for path in journals(tmp_path)] == [make_id(3), make_id(2), make_id(1)]
    assert find(tmp_path, make_id(2).lower()) == path_of(tmp_path, make_id(2))
    for nonsense in ("", "latest", f"../{make_id(1)}", make_id(4), "*"):
        with pytest.raises(JournalError, match="There is no run"):
            find(tmp_path, nonsense)


def test_a_file_of_another_kind_or_a_newer_version_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    content = a_run(tmp_path)
    path.write_bytes(content.replace(b'"format":1', b'"format":2'))
    with pytest.raises(JournalError, match="newer version"):
        read(path)
    path.write_bytes(b"".join(content.splitlines(keepends=True)[1:]))
    with pytest.raises(JournalError, match="another kind"):
        read(path)
    with pytest.raises(JournalError, match="cannot be read"):
        read(tmp_path)


# Durable before it is sent.


def test_a_line_is_on_the_disk_before_its_delete_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of(tmp_path)
    real, durable, folder_synced = os.fsync, [0], []

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            folder_synced.append(path.exists())
        else:
            size = os.fstat(descriptor).st_size
            real(descriptor)
            durable.append(size)

    def before(key: str) -> None:
        assert folder_synced == [True]
        content = path.read_bytes()[: max(durable)]
        wanted = {"record": "sent", "id": key, "attempt": delete.sends.count(key)}
        assert any(wanted.items() <= json.loads(line).items() for line in content.splitlines())

    monkeypatch.setattr(os, "fsync", fsync)
    delete = Answers({make_id(number): [LOST, refused(500)] for number in range(0, 30, 3)})
    delete.before = before
    engine = make_engine(tmp_path, plan_of(30), delete, workers=8)
    engine.run(plan_of(30).rows)
    assert replayed(tmp_path).counts["deleted"] == 30, "an assertion inside a DELETE became an outcome"


def test_lines_of_many_threads_share_one_way_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begin(tmp_path)
    path = path_of(tmp_path)
    durable: list[int] = []
    late: list[str] = []

    def fsync(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        # The first one takes until everybody else has written, and covers nothing of that.
        while not durable and path.read_bytes().count(b'"sent"') < 32:
            time.sleep(0.001)
        durable.append(size)

    def work(number: int) -> None:
        journal.sent((make_id(number), 1))
        if f'"id":"{make_id(number)}","attempt"'.encode() not in path.read_bytes()[: max(durable)]:
            late.append(make_id(number))

    monkeypatch.setattr(os, "fsync", fsync)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert late == []
    assert len(durable) <= 2
    journal.close()
    assert sorted(record.id for record in read(path) if isinstance(record, Sent)) == list(map(make_id, range(32)))


def test_once_the_disk_failed_nothing_is_held_for_durable_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second fsync after one that failed succeeds, although the lines are lost."""
    journal = begin(tmp_path)
    real, calls = os.fsync, iter([OSError(5, "Input/output error")])

    def fsync(descriptor: int) -> None:
        for error in calls:
            raise error
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for attempt in (1, 2):
        with pytest.raises(JournalError, match="Input/output error"):
            journal.sent((make_id(1), attempt))
    journal.close()


def test_a_folder_that_cannot_be_made_durable_is_a_journal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(JournalError, match="Input/output error"):
        begin(tmp_path)


# No room, no folder, no right.


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: the write that would is cut short, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("workers", [1, 4])
def test_when_the_disk_is_full_at_any_byte_no_delete_leaves_without_its_line(tmp_path: Path, workers: int) -> None:
    plan = plan_of(5)
    begin(tmp_path / "empty", plan).close()
    low = path_of(tmp_path / "empty").stat().st_size
    make_engine(tmp_path / "whole", plan, Answers()).run(plan.rows)
    high = path_of(tmp_path / "whole").stat().st_size
    for size in range(low, high + 1, 7 if workers == 1 else 31):
        folder = tmp_path / str(size)
        path = path_of(folder)

        def before(key: str, path: Path = path) -> None:
            assert key in {record.id for record in read(path) if isinstance(record, Sent)}

        delete = Answers()
        delete.before = before
        with room(size):
            engine = make_engine(folder, plan, delete, workers=workers)
            engine.run(plan.rows)
        told, written = Report.replay(engine.journal.records), replayed(folder)
        for one, other in zip(told.rows, written.rows, strict=True):
            assert one.outcome in {Outcome.DELETED, Outcome.NOT_ATTEMPTED}
            assert (one.outcome == Outcome.DELETED) == (one.id in delete.sends)
            # The file may know less than we, and never anything else.
            assert other.outcome in {one.outcome, Outcome.UNKNOWN}
        assert written.ended or "cannot be written" in engine.stopped
        _finish(folder, plan, delete)


def _finish(folder: Path, plan: Plan, delete: Answers) -> None:
    """There is room again: the rest goes, and nothing twice."""
    gone = set(delete.sends)
    seen = {row.id: _seen(row.id) for row in plan.rows if row.id not in gone}
    told = Platform(delete, lambda *_: None, lambda ids: {key: seen[key] for key in ids if key in seen})
    report = resume(plan.id, lambda rest: look_again(rest, told.look, None), told, Report, Options(), folder)
    assert report.counts["deleted"] == len(plan.rows)
    assert len(delete.sends) == len(set(delete.sends)) == len(plan.rows)
    assert Report.replay(read(path_of(folder)), report.journal) == report


def _seen(key: str) -> Any:
    from versori_magics.platform.models import Connection
    from versori_magics.platform.survey import Seen
    from versori_magics.platform.usage import ConnectionUsage

    return Seen(Connection(id=key, name=f"connection {int(key[-6:])}"), "", ConnectionUsage("unused"))


def test_a_plan_that_found_no_room_sends_nothing_and_can_be_carried_out_later(tmp_path: Path) -> None:
    plan = plan_of(5)
    begin(tmp_path / "whole", plan).close()
    whole = path_of(tmp_path / "whole").stat().st_size
    delete = Answers()
    told = Platform(delete, lambda *_: None, lambda _: {})
    for size in [*range(0, whole, 13), whole - 1]:
        with room(size), pytest.raises(JournalError, match="cannot be written"):
            execute(plan, told, Report, Options(), stale=False, folder=tmp_path)
        assert delete.sends == []
        assert list(journals(tmp_path)) == []
    assert execute(plan, told, Report, Options(), stale=False, folder=tmp_path).counts["deleted"] == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_a_journal_error(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    os.dup2(full := os.open("/dev/full", os.O_WRONLY), journal._descriptor)
    os.close(full)
    with pytest.raises(JournalError, match="No space left on device"):
        journal.sent((make_id(1), 1))
    assert not any(isinstance(record, Sent) for record in journal.records)
    # An outcome has happened, written or not.
    with pytest.raises(JournalError):
        journal.ended(Ended(make_id(1), Outcome.DELETED))
    assert Report.replay(journal.records).counts["deleted"] == 1
    journal.close()


@pytest.mark.parametrize(
    "where", ["a file", "below a file", "/proc/nowhere", "/dev/null/runs", "a folder of that name"]
)
def test_a_folder_that_cannot_be_is_a_journal_error_and_nothing_is_sent(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    folder = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "runs"}.get(where, Path(where))
    if where == "a folder of that name":
        folder = tmp_path
        path_of(tmp_path).with_suffix(".lock").mkdir()
    delete = Answers()
    with pytest.raises(JournalError, match="cannot be written") as caught:
        execute(PLAN, Platform(delete, lambda *_: None, lambda _: {}), Report, Options(), stale=False, folder=folder)
    assert "VERSORI_JOURNAL" in caught.value.hint
    assert delete.sends == []


def test_a_run_whose_lock_cannot_be_opened_is_a_journal_error(tmp_path: Path) -> None:
    a_run(tmp_path)
    lock = path_of(tmp_path).with_suffix(".lock")
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with pytest.raises(JournalError, match="cannot be written"):
        Journal.reopen(tmp_path, RUN)
    assert not is_under_way(path_of(tmp_path))


# Cut off.


def test_a_journal_that_is_cut_at_any_byte_is_read_up_to_there_and_claims_nothing_else(tmp_path: Path) -> None:
    content = a_run(tmp_path)
    path = tmp_path / "cut.jsonl"
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        whole = []
        for line in content[:cut].split(b"\n"):
            try:
                whole.append(json.loads(line))
            except ValueError:
                break  # the line that was cut off, and nothing comes after it
        report = Report.replay(read(path))
        planned = [record["row"] for record in whole if record["record"] == "planned"]
        assert [row.id for row in report.rows] == [row["id"] for row in planned]
        for row, plan in zip(report.rows, planned, strict=True):
            story = [r for r in whole if r["record"] in {"sent", "outcome"} and r["id"] == row.id]
            if story and story[-1]["record"] == "outcome":
                assert row.outcome == story[-1]["outcome"]
            elif story:
                assert row.outcome == Outcome.UNKNOWN
                assert row.attempts == story[-1]["attempt"]
            else:
                assert row.outcome == {"delete": "not_attempted", "in_use": "in_use"}[plan["verdict"]]
        assert report.ended == (bool(whole) and whole[-1]["record"] == "end")


def test_a_plan_that_was_cut_off_is_not_resumed(tmp_path: Path) -> None:
    content = a_run(tmp_path)
    end_of_plan = content.index(b'{"record":"sent"') - 1
    for cut in range(0, end_of_plan, 11):
        path_of(tmp_path).write_bytes(content[:cut])
        with pytest.raises(JournalError, match="so nothing was sent"):
            rest_of(RUN, tmp_path)
    path_of(tmp_path).write_bytes(content[:end_of_plan])
    assert len(rest_of(RUN, tmp_path).rows) == 4


@settings(deadline=None, max_examples=60)
@given(fraction=st.floats(0, 1), again=st.floats(0, 1))
def test_a_journal_that_goes_on_after_a_torn_line_stays_readable(
    tmp_path_factory: pytest.TempPathFactory, fraction: float, again: float
) -> None:
    folder = tmp_path_factory.mktemp("run")
    content = a_run(folder)
    path = path_of(folder)
    begun = content.index(b'{"record":"sent"')
    for part in (fraction, again):
        kept = begun + round(part * (len(content) - begun))
        path.write_bytes(content[:kept])
        before = read(path)
        journal = Journal.reopen(folder, RUN)
        journal.resumed()
        journal.sent((make_id(3), 1))
        journal.ended(Ended(make_id(3), Outcome.REFUSED, 400))
        journal.end("")
        journal.close()
        after = read(path)
        assert after[: len(before)] == before
        assert len(after) == len(before) + 4
        report = Report.replay(after)
        assert report == Report.replay(journal.records)
        assert report.rows[3].outcome == Outcome.REFUSED
        assert report.ended
        content = path.read_bytes()


def test_kill_9_between_any_two_lines_leaves_a_row_that_was_sent_unknown(tmp_path: Path) -> None:
    content = a_run(tmp_path)
    lines = content.splitlines(keepends=True)
    for count in range(6, len(lines)):
        path_of(tmp_path).write_bytes(b"".join(lines[:count]))
        last = json.loads(lines[count - 1])
        if last["record"] == "sent":
            rest = rest_of(RUN, tmp_path)
            (row,) = [row for row in rest.report.rows if row.id == last["id"]]
            assert (row.outcome, row.message) == (Outcome.UNKNOWN, "sent, and no answer is recorded")
            assert row.id in {row.id for row in rest.rows}


# One at a time.


def test_of_two_threads_one_resumes_a_run_and_the_other_is_told(tmp_path: Path) -> None:
    a_run(tmp_path)
    barrier, opened, told = threading.Barrier(8), [], []

    def work() -> None:
        barrier.wait()
        try:
            opened.append(Journal.reopen(tmp_path, RUN))
        except JournalError as error:
            told.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(opened), len(told)) == (1, 7)
    assert all("is under way in this or another kernel" in text for text in told)
    assert is_under_way(path_of(tmp_path))
    opened[0].close()
    assert not is_under_way(path_of(tmp_path))
    Journal.reopen(tmp_path, RUN).close()


def test_of_two_threads_one_carries_out_a_plan(tmp_path: Path) -> None:
    delete, barrier, told = Answers(), threading.Barrier(6), []
    plan = plan_of(20)

    def work() -> None:
        barrier.wait()
        try:
            execute(
                plan, Platform(delete, lambda *_: None, lambda _: {}), Report, Options(), stale=False, folder=tmp_path
            )
        except JournalError as error:
            told.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(delete.sends) == [row.id for row in plan.rows]
    assert all("under way" in text for text in told)


HOLDER = """
import sys
from pathlib import Path
from versori_magics.deletion.journal import Journal
journal = Journal.reopen(Path(sys.argv[1]), sys.argv[2])
print("open", flush=True)
sys.stdin.read()
"""


def test_of_two_processes_one_resumes_a_run_until_it_ends_or_is_killed(tmp_path: Path) -> None:
    a_run(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(tmp_path), RUN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        assert is_under_way(path_of(tmp_path))
        with pytest.raises(JournalError, match="is under way"):
            Journal.reopen(tmp_path, RUN)
        holder.kill()
    assert not is_under_way(path_of(tmp_path))
    Journal.reopen(tmp_path, RUN).close()


def test_a_resume_whose_look_fails_sends_nothing_and_lets_go_of_the_run(tmp_path: Path) -> None:
    before = a_run(tmp_path)

    def look(_: object) -> Any:
        raise KeyboardInterrupt

    delete = Answers()
    told = Platform(delete, lambda *_: None, lambda _: {})
    with pytest.raises(KeyboardInterrupt):
        resume(RUN, look, told, Report, Options(), tmp_path)
    assert delete.sends == []
    assert path_of(tmp_path).read_bytes() == before
    assert not is_under_way(path_of(tmp_path))


def test_a_resume_sends_only_rows_of_the_plan_that_still_stand_as_planned(tmp_path: Path) -> None:
    plan = plan_of(6)
    answers = Answers({make_id(0): [LOST] * 4, make_id(1): [LOST] * 4, make_id(2): [refused(401)]})
    make_engine(tmp_path, plan, answers).run(plan.rows)
    report = replayed(tmp_path)
    assert [row.outcome for row in report.rows] == ["unknown"] * 2 + ["refused"] + ["not_attempted"] * 3
    seen = {make_id(number): _seen(make_id(number)) for number in (1, 2, 4, 5)}
    delete, asked = Answers(), []

    def look(ids: Any) -> Any:
        asked.append(tuple(ids))
        return {**{key: seen[key] for key in ids if key in seen}, make_id(77): _seen(make_id(77))}

    told = Platform(delete, lambda *_: None, look)
    done = resume(
        RUN, lambda rest: look_again(rest, told.look, None), told, Report, Options(clock=Timeless()), tmp_path
    )
    assert asked == [tuple(make_id(number) for number in range(6))]
    assert sorted(delete.sends) == [make_id(number) for number in (1, 2, 4, 5)]
    assert [row.outcome for row in done.rows] == [
        "deleted",  # sent before, gone now
        "deleted",
        "deleted",
        "already_gone",  # never sent, gone now
        "deleted",
        "deleted",
    ]
    assert done.rows[0].attempts == 4
    header = read(path_of(tmp_path))[0]
    assert isinstance(header, Header)
    assert header.rows == 6
