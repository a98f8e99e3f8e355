"""runs: the list of runs, read from their journals."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hostile_platform import SECRET, HostilePlatform

import versori_magics as versori
from versori_magics.cleanup.journal import Journal
from versori_magics.cleanup.report import Report


def test_without_any_run_the_list_is_empty_and_no_folder_is_created(tmp_path: Path) -> None:
    frame = versori.runs()
    assert frame.empty
    assert list(frame)[:6] == ["run", "started", "state", "server", "organisation", "planned"]
    assert not (tmp_path / "runs").exists()


def test_runs_are_listed_with_their_counts_the_newest_first(platform: HostilePlatform) -> None:
    first = versori.delete(".", platform.world.free[0], yes=True)
    second = versori.delete(".", [*platform.world.free[1:3], *platform.world.static], yes=True)
    frame = versori.runs()
    assert list(frame["run"]) == [second.run, first.run]
    assert list(frame["state"]) == ["finished", "finished"]
    assert list(frame["planned"]) == [4, 1]
    assert list(frame["deleted"]) == [2, 1]
    assert list(frame["in_use"]) == [2, 0]
    assert set(frame["server"]) == {platform.url}
    assert Path(frame["journal"][0]).is_file()
    assert frame["started"].notna().all()


def test_a_run_that_was_cut_off_at_any_byte_is_interrupted(platform: HostilePlatform) -> None:
    report = versori.delete(".", platform.world.free, yes=True)
    path = Path(report.journal)
    content = path.read_bytes()
    states = set()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        (row,) = versori.runs().to_dict("records")
        assert row["run"] == report.run
        states.add(row["state"])
    assert states == {"interrupted"}
    path.write_bytes(content)
    assert versori.runs()["state"].tolist() == ["finished"]


@pytest.fixture
def running(platform: HostilePlatform, tmp_path: Path) -> Iterator[Report]:
    """Return a finished run whose journal another kernel has reopened."""
    report = versori.delete(".", platform.world.free[0], yes=True)
    journal = Journal.reopen(tmp_path / "runs", report.run)
    yield report
    journal.close()


def test_a_run_that_another_kernel_executes_is_running(running: Report) -> None:
    assert dict(zip(versori.runs()["run"], versori.runs()["state"], strict=True)) == {running.run: "running"}


def test_a_journal_of_a_newer_version_is_listed_as_unreadable_and_hides_no_other_run(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    report = versori.delete(".", platform.world.free[0], yes=True)
    header = json.loads(Path(report.journal).read_text().splitlines()[0])
    (tmp_path / "runs" / "01ZZZZZZZZZZZZZZZZZZZZZZZZ.jsonl").write_text(json.dumps({**header, "format": 99}))
    frame = versori.runs()
    assert dict(zip(frame["run"], frame["state"], strict=True)) == {
        "01ZZZZZZZZZZZZZZZZZZZZZZZZ": "unreadable",
        report.run: "finished",
    }


def test_a_damaged_journal_says_what_is_wrong_with_it(platform: HostilePlatform) -> None:
    report = versori.delete(".", platform.world.free, yes=True)
    content = Path(report.journal).read_bytes()
    first, second, rest = content.split(b"\n", 2)
    Path(report.journal).write_bytes(content.replace(b'"outcome":"deleted"', b'"outcome":"Deleted"', 1))
    (row,) = versori.runs().to_dict("records")
    assert (row["state"], row["unknown"]) == ("damaged", 1)
    assert row["damage"].startswith("The journal is damaged: 1 line changed, lost or added.")
    assert "The journal is damaged" in versori.resume(report.run, yes=True).to_text()
    Path(report.journal).write_bytes(b"\n".join([first[:-1], second, rest]))
    (row,) = versori.runs().to_dict("records")
    assert (row["run"], row["state"], row["planned"]) == (report.run, "unreadable", 0)
    assert "is damaged" in row["damage"]
    Path(report.journal).write_bytes(content)
    assert versori.runs()["damage"].tolist() == [""]


def test_a_journal_that_cannot_be_read_is_listed_as_unreadable(platform: HostilePlatform) -> None:
    report = versori.delete(".", platform.world.free[0], yes=True)
    Path(report.journal).unlink()
    Path(report.journal).mkdir()  # unreadable even for root
    assert versori.runs()["state"].tolist() == ["unreadable"]


def test_only_its_owner_can_read_a_journal_and_it_contains_no_secret(platform: HostilePlatform) -> None:
    report = versori.delete(".", platform.world.free, yes=True)
    assert Path(report.journal).stat().st_mode & 0o777 == 0o600
    text = Path(report.journal).read_text()
    assert platform.token not in text
    assert SECRET not in text
