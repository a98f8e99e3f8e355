"""Plans that are executed after their connections changed."""

from pathlib import Path

import pytest
from faults.clocks import FastClock
from faults.scenes import on_deletes, outcome_counts
from support import fault_answers as faults
from support.hostile_platform import HostilePlatform, RecordedRequest, world
from support.outcomes import count_usage_scans

import versori_magics as versori
from versori_magics.api.client import Client
from versori_magics.cleanup.consent import consent_in_advance
from versori_magics.cleanup.platform import Platform
from versori_magics.cleanup.records import Outcome
from versori_magics.cleanup.run import RunOptions
from versori_magics.cleanup.workflow import Workflow
from versori_magics.errors import VersoriError


def test_rows_that_changed_between_plan_and_execution_are_kept_with_the_reason(platform: HostilePlatform) -> None:
    built = world(free=8, static=1)
    platform.reset(built)
    renamed, touched, removed, linked, activated, *unchanged = built.free
    plan = versori.plan(".", [*built.free, *built.static], allow_breaking=built.static)
    built.connections[renamed].name += " (new)"
    built.connections[touched].updated_at = "2026-01-01T00:00:00Z"
    built.remove(removed)
    built.link(linked)
    built.activate(activated)
    built.link(built.static[0], built.environments[1].id)
    report = versori.delete(".", plan, yes=True)
    rows = {row.id: row for row in report.rows}
    assert rows[removed].outcome == Outcome.ALREADY_GONE
    for key, words in (
        (renamed, "its name"),
        (touched, "its last update"),
        (linked, "it is in use now: Orders / production"),
        (activated, "it is in use now: end user"),
        (built.static[0], "its users"),
    ):
        assert rows[key].outcome == Outcome.CHANGED
        assert words in rows[key].message
        assert platform.sends(key) == 0
    assert platform.deleted == set(unchanged)
    assert outcome_counts(report) == {"deleted": 3, "already_gone": 1, "changed": 5}


def test_a_row_that_comes_into_use_after_the_recheck_is_kept_by_the_platform(platform: HostilePlatform) -> None:
    built = platform.world

    def activate_last_row(number: int, _: RecordedRequest) -> None:
        if number == 1:
            built.activate(built.free[4])

    on_deletes(platform, activate_last_row)
    report = versori.delete(".", built.free, yes=True, workers=1)
    assert outcome_counts(report) == {"deleted": 4, "in_use": 1}
    assert report.rows[4].status == 409
    assert "in use by an end user" in report.rows[4].message


def test_if_the_recheck_fails_nothing_is_sent_and_the_plan_can_still_be_executed(
    platform: HostilePlatform,
) -> None:
    built = platform.world
    plan = versori.plan(".", built.free)
    platform.on("GET", "/connections/", faults.error(400))
    with pytest.raises(VersoriError):
        versori.delete(".", plan, yes=True)
    assert not platform.deletes
    # Now the usage cannot be found out: every row counts as in use and is kept.
    platform.on("GET", "/activations", faults.error(400))
    assert outcome_counts(versori.delete(".", plan, yes=True)) == {"changed": 5}
    assert not platform.deletes


def test_a_connection_that_is_linked_during_a_long_run_is_not_deleted(
    platform: HostilePlatform, tmp_path: Path
) -> None:
    built = world(free=8)
    platform.reset(built)
    linked = built.free[6]

    class Clock(FastClock):
        hours = 0.0

        def now(self) -> float:
            return super().now() + 3_600 * self.hours

    clock = Clock(1)

    def pause_for_hours(number: int, _: RecordedRequest) -> None:
        if number == 3:
            built.link(linked)
            clock.hours += 2  # as if a laptop had been closed

    on_deletes(platform, pause_for_hours)
    with Client(platform.url, platform.organisation, platform.token) as client:
        workflow = Workflow(Platform.of(client), tmp_path)
        plan = workflow.prepare(built.free)
        scans = count_usage_scans(platform)
        report = workflow.execute(plan, consent_in_advance(plan), RunOptions(workers=1, clock=clock), is_fresh=True)
    assert outcome_counts(report) == {"deleted": 7, "changed": 1}
    assert report.rows[6].message.startswith("kept: it is in use now: Orders")
    assert (platform.sends(linked), count_usage_scans(platform) - scans) == (0, 1)
