"""A damaged journal never says that less happened than did: such rows are unknown, or the journal is an error."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cleanup_examples import (
    RUN,
    ScriptedDelete,
    WorkflowExample,
    fresh_scan,
    journal_path,
    make_id,
    make_ids,
    make_plan,
    make_platform,
    make_row,
    outcomes_of,
    plan_of,
)

from versori_magics.cleanup.journal import Journal, read_journal
from versori_magics.cleanup.journal_file import verify_content
from versori_magics.cleanup.journal_lines import Chain
from versori_magics.cleanup.plan import Plan, Verdict
from versori_magics.cleanup.records import Outcome, RowOutcome, RowPlanned, RowSent, find_header
from versori_magics.cleanup.report import Report
from versori_magics.cleanup.run import RunOptions, find_unfinished_run, start_run
from versori_magics.errors import JournalError

OTHER_RUN = make_id(777)
PLAN = make_plan(*(make_row(number) for number in range(5)), make_row(5, Verdict.IN_USE, reason="Orders"))
# What a damaged journal may say of each row, all of them after a history in which row 3 was sent last.
TRUTHS = (
    {Outcome.DELETED, Outcome.UNKNOWN},
    {Outcome.DELETED, Outcome.UNKNOWN},
    {Outcome.REFUSED, Outcome.UNKNOWN},
    {Outcome.UNKNOWN},
    {Outcome.NOT_ATTEMPTED, Outcome.UNKNOWN},
    {Outcome.IN_USE, Outcome.UNKNOWN},
)


def write_example(folder: Path, run: str = RUN) -> bytes:
    """Write the journal of a run that was resumed and then killed, and return its content."""
    journal = Journal.create(folder, Plan(run, PLAN.server, PLAN.organisation, PLAN.created_at, PLAN.rows))
    assert journal is not None
    journal.record_sends((make_id(0), 1))
    journal.record_outcomes(RowOutcome(make_id(0), Outcome.DELETED, 204, attempts=1))
    journal.record_sends((make_id(1), 1))
    journal.record_sends((make_id(2), 1))
    journal.record_outcomes(RowOutcome(make_id(2), Outcome.REFUSED, 401, attempts=1))
    journal.record_end("the token expired")
    journal.record_resume()
    journal.record_outcomes(RowOutcome(make_id(1), Outcome.DELETED, attempts=1))
    journal.record_sends((make_id(2), 1))
    journal.record_outcomes(RowOutcome(make_id(2), Outcome.REFUSED, 400, attempts=1))
    journal.record_sends((make_id(3), 1))
    journal.close()
    return journal_path(folder, run).read_bytes()


def judge(path: Path, content: bytes) -> bool:
    """Read damaged content, check that it claims nothing that is not true, and return whether it could be read."""
    try:
        report = Report.replay(verify_content(content, path).records)
    except JournalError:
        return False
    assert [row.id for row in report.rows] == [row.id for row in PLAN.rows]
    for row, truth in zip(report.rows, TRUTHS, strict=True):
        assert row.outcome in truth, (row, content)
    assert not report.ended
    assert report.damage
    return True


def flips(content: bytes) -> Iterator[bytes]:
    for position, byte in enumerate(content):
        others = {byte ^ 1} if position % 6 else {byte ^ 1, byte ^ 0x80, ord("\n"), ord("0"), 0}
        for other in others - {byte}:
            yield content[:position] + bytes([other]) + content[position + 1 :]


def test_one_changed_byte_anywhere_never_makes_a_journal_claim_less_than_happened(tmp_path: Path) -> None:
    content = write_example(tmp_path)
    end_of_header = content.index(b"\n")
    readable = [judge(journal_path(tmp_path), damaged) for damaged in flips(content)]
    assert readable.count(False) <= 5 * end_of_header, "only a damaged header is an error"
    assert readable.count(True) >= len(content) - end_of_header


def test_one_missing_byte_never_makes_a_journal_claim_less_than_happened(tmp_path: Path) -> None:
    content = write_example(tmp_path)
    for position in range(0, len(content) - 1, 3):
        judge(journal_path(tmp_path), content[:position] + content[position + 1 :])


def rearrangements(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of a journal with some of them removed, repeated or moved, but never cut off at the end."""
    for first in range(len(lines) - 1):
        for count in (1, 2, 3):
            if first + count < len(lines):
                yield lines[:first] + lines[first + count :]
            yield lines[: first + count] + lines[first : first + count] + lines[first + count :]
            yield lines + lines[first : first + count]
        yield [*lines[:first], lines[first + 1], lines[first], *lines[first + 2 :]]
        yield [*lines[:first], *lines[first + 1 :], lines[first]]


def test_lines_that_are_removed_repeated_or_moved_never_make_a_journal_claim_less(tmp_path: Path) -> None:
    lines = write_example(tmp_path).splitlines(keepends=True)
    for damaged in rearrangements(lines):
        judge(journal_path(tmp_path), b"".join(damaged))


def test_lines_of_another_run_are_not_read(tmp_path: Path) -> None:
    lines = write_example(tmp_path).splitlines(keepends=True)
    others = write_example(tmp_path, OTHER_RUN).splitlines(keepends=True)
    for position in range(1, len(lines) + 1):
        for first in range(len(others)):
            for count in (1, 2, len(others)):
                added = others[first : first + count]
                judge(journal_path(tmp_path), b"".join([*lines[:position], *added, *lines[position:]]))
                if position + count < len(lines):
                    judge(journal_path(tmp_path), b"".join([*lines[:position], *added, *lines[position + count :]]))


def test_journal_of_another_run_is_an_error_that_names_that_run(tmp_path: Path) -> None:
    journal_path(tmp_path).write_bytes(write_example(tmp_path, OTHER_RUN))
    for use in (
        lambda: read_journal(journal_path(tmp_path)),
        lambda: find_unfinished_run(RUN, tmp_path),
        lambda: Journal.reopen(tmp_path, RUN),
        lambda: start_run(PLAN, make_platform(), tmp_path, RunOptions(), fresh_scan()),
    ):
        with pytest.raises(JournalError, match=f"is that of the run {OTHER_RUN}"):
            use()
    content = write_example(tmp_path / "intact")
    other_header = write_example(tmp_path / "other", OTHER_RUN).splitlines(keepends=True)[0]
    journal_path(tmp_path).write_bytes(other_header + content[content.index(b"\n") + 1 :])
    with pytest.raises(JournalError, match=f"is that of the run {OTHER_RUN}"):
        read_journal(journal_path(tmp_path))


def test_plan_that_does_not_match_its_digest_is_an_error(tmp_path: Path) -> None:
    """Somebody who knows the format wrote other rows."""
    write_example(tmp_path)
    header = find_header(read_journal(journal_path(tmp_path)))
    assert header is not None
    rows = [RowPlanned(make_row(number)) for number in range(6)]  # the last one was in use
    forged = Chain(RUN).seal(header, *rows)
    journal_path(tmp_path).write_bytes(forged)
    with pytest.raises(JournalError, match="does not hold the plan that was agreed to"):
        read_journal(journal_path(tmp_path))


# A file that was cut off.


def test_journal_that_is_cut_off_within_its_plan_never_calls_a_row_not_attempted(tmp_path: Path) -> None:
    content = write_example(tmp_path)
    path = journal_path(tmp_path)
    for cut in range(content.index(b'{"record":"sent"') - 1):
        report = Report.replay(verify_content(content[:cut], path).records)
        assert {row.outcome for row in report.rows} <= {Outcome.UNKNOWN, Outcome.IN_USE}
        assert len(report.rows) in {0, 6}
        assert report.damage.startswith("The journal does not hold its whole plan")
        assert not report.ended
        if cut % 40 == 0:
            path.write_bytes(content[:cut])
            with pytest.raises(JournalError, match="does not hold its whole plan"):
                find_unfinished_run(RUN, tmp_path)


def test_journal_that_ends_in_zeros_is_damaged_and_not_torn(tmp_path: Path) -> None:
    """Some file systems leave zeros where a power cut prevented a write."""
    content = write_example(tmp_path)
    for size in (1, 30, 700):
        judge(journal_path(tmp_path), content[:-size] + bytes(size))


# Continuing.


def damaged_journals(folder: Path) -> Iterator[tuple[str, bytes]]:
    content = write_example(folder)
    lines = content.splitlines(keepends=True)
    for number in range(len(PLAN.rows) + 1, len(lines)):
        middle = len(lines[number]) // 2
        changed = lines[number][:middle] + b"?" + lines[number][middle + 1 :]
        yield f"line {number} is changed", b"".join([*lines[:number], changed, *lines[number + 1 :]])
        if number < len(lines) - 1:
            yield f"line {number} is removed", b"".join([*lines[:number], *lines[number + 1 :]])
    yield "the last line end is changed", content[:-1] + b"?"
    yield "a line is added", content + b'{"record":"end","time":"","stopped":""}\n'


def test_damage_is_still_known_after_the_run_continues(tmp_path: Path) -> None:
    path = journal_path(tmp_path)
    for name, content in damaged_journals(tmp_path / "intact"):
        path.write_bytes(content)
        for _ in range(2):
            journal = Journal.reopen(tmp_path, RUN)
            journal.record_resume()
            journal.close()
            assert judge(path, path.read_bytes()), name
            assert Report.replay(journal.records) == Report.replay(read_journal(path)), name


def test_resume_of_a_damaged_journal_asks_the_platform_about_every_unknown_row_and_sends_only_planned_rows(
    tmp_path: Path,
) -> None:
    for name, content in damaged_journals(tmp_path / "intact"):
        folder = tmp_path / name
        folder.mkdir()
        example = WorkflowExample(folder, (2, 4, 77))
        example.journal_folder.mkdir()
        added = Chain(OTHER_RUN).seal(RowPlanned(make_row(77)), RowSent(make_id(77), 1, ""))
        journal_path(example.journal_folder).write_bytes(content + added)
        unfinished = find_unfinished_run(RUN, example.journal_folder)
        assert {make_id(3), make_id(4)} <= {row.id for row in unfinished.rows} <= set(make_ids(*range(5)))
        report = example.resume(example.workflow.prepare_resume(unfinished))
        assert set(example.snapshots.calls[-1]) == {row.id for row in unfinished.rows}
        assert set(example.delete.sends) <= set(make_ids(2, 4))
        assert outcomes_of(report)[:2] == ["deleted", "deleted"]
        assert outcomes_of(report)[3:] == ["deleted", "deleted", "in_use"]
        assert report.ended
        assert report.damage


def test_gone_row_of_a_damaged_journal_says_that_somebody_else_may_have_deleted_it(tmp_path: Path) -> None:
    example = WorkflowExample(tmp_path, range(4))
    lines = write_example(example.journal_folder).splitlines(keepends=True)
    journal_path(example.journal_folder).write_bytes(b"".join([*lines[:7], *lines[8:]]))
    report = example.resume(example.workflow.prepare_resume(find_unfinished_run(RUN, example.journal_folder)))
    assert (report.rows[4].outcome, report.rows[4].message) == (
        Outcome.DELETED,
        "the connection no longer exists; the journal is damaged, so somebody else may have deleted it",
    )


# Executing the plan again.


def test_damaged_journal_of_a_finished_run_returns_unknown_rows_and_says_so(tmp_path: Path) -> None:
    start_run(plan_of(3), make_platform(), tmp_path, RunOptions(), fresh_scan())
    content = journal_path(tmp_path).read_bytes()
    journal_path(tmp_path).write_bytes(content.replace(b'"outcome":"deleted"', b'"outcome":"Deleted"', 1))
    delete = ScriptedDelete()
    report = start_run(plan_of(3), make_platform(delete), tmp_path, RunOptions(), fresh_scan())
    assert outcomes_of(report) == ["unknown", "deleted", "deleted"]
    assert report.damage.startswith("The journal is damaged: 1 line changed, lost or added.")
    assert delete.sends == []
