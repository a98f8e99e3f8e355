"""The form without a page: its handlers are called as a click calls them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.hostile_platform import FOREVER, HostilePlatform, error, world
from support.outcomes import count_usage_scans, outcome_counts

import versori_magics as versori
from versori_magics.cleanup.journal import Journal
from versori_magics.errors import ArgumentError, SelectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from versori_magics.notebook.form.form import Form

OTHER_ORGANISATION = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def lenient_platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostilePlatform]:
    """Return a platform that also answers requests for other organisations, with 404."""
    with HostilePlatform(strict=False) as platform:
        platform.reset(world(free=3))
        for name, value in platform.env().items():
            monkeypatch.setenv(name, value)
        yield platform


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def wait_until_idle(form: Form) -> None:
    wait_until(lambda: not form._jobs.is_busy and not form._status.value)


def open_form() -> Form:
    form = versori.form(".")
    wait_until_idle(form)
    return form


def preview(form: Form, ids: Sequence[str]) -> None:
    form.selection = ids
    form._preview_button.click()
    wait_until_idle(form)


def agree(form: Form, words: str) -> None:
    form._consent._typed.value = words
    assert not form._consent._delete_button.disabled
    form._consent._delete_button.click()
    wait_until_idle(form)


def retry(form: Form) -> None:
    assert not form._run._retry_button.disabled
    form._run._retry_button.click()
    wait_until_idle(form)


def is_shown(pane: object) -> bool:
    return pane.box.layout.display != "none"  # type: ignore[attr-defined]


def is_shown_error(form: Form, text: str) -> bool:
    return text in form._error.value


# Select, review, agree.


def test_a_selection_is_reviewed_and_deleted_after_the_required_words(platform: HostilePlatform) -> None:
    form = open_form()
    preview(form, [*platform.world.free, *platform.world.static])
    assert form.plan is not None
    assert form.plan.counts == {"delete": 5, "in_use": 2, "protected": 0, "not_found": 0}
    assert platform.deletes == []
    agree(form, "delete 5")
    assert form.report is not None
    assert outcome_counts(form.report) == {"deleted": 5, "in_use": 2}
    assert form.report.run == form.plan.id
    assert platform.deleted == set(platform.world.free)
    assert set(form.table.selection) == set(platform.world.static)
    assert count_usage_scans(platform) == 3  # the list, the plan, and the recheck after the consent


def test_ticking_a_row_in_use_makes_a_plan_that_breaks_it(platform: HostilePlatform) -> None:
    form = open_form()
    static = platform.world.static[0]
    preview(form, [platform.world.free[0], static])
    form._replan([static])
    wait_until_idle(form)
    assert form.plan is not None
    assert form.plan.breaking == (static,)
    assert form._consent._instruction.value == "To delete, type: delete 2 break 1"
    agree(form, "delete 2 break 1")
    assert platform.deleted == {platform.world.free[0], static}


def test_a_consent_to_another_plan_deletes_nothing(platform: HostilePlatform) -> None:
    form = open_form()
    preview(form, platform.world.free[:1])
    form._consent._typed.value = "y"
    agreements: list[tuple[object, object]] = []
    form._consent._agree = lambda *agreement: agreements.append(agreement)
    form._consent._delete_button.click()
    ((_, consent_to_first),) = agreements
    preview(form, platform.world.free[1:2])
    assert form.plan is not None
    form._on_agreement(form.plan, consent_to_first)  # type: ignore[arg-type]
    wait_until_idle(form)
    assert is_shown_error(form, "The consent is for another plan, so nothing was sent.")
    assert platform.deletes == []
    assert versori.runs().empty


def test_a_row_that_is_linked_while_a_person_decides_is_kept(platform: HostilePlatform) -> None:
    form = open_form()
    preview(form, platform.world.free)
    with platform.lock:
        platform.world.link(platform.world.free[0])
    agree(form, "delete 5")
    assert form.report is not None
    assert outcome_counts(form.report) == {"deleted": 4, "changed": 1}


def test_back_hides_the_plan_and_deletes_nothing(platform: HostilePlatform) -> None:
    form = open_form()
    preview(form, platform.world.free)
    assert is_shown(form._consent)
    form._consent._back_button.click()
    assert not is_shown(form._consent)
    assert not is_shown(form._run)
    assert platform.deletes == []


def test_ids_that_are_not_in_the_table_cannot_be_selected(platform: HostilePlatform) -> None:
    form = open_form()
    with pytest.raises(SelectionError, match="1 selected id is not in the table"):
        form.selection = [OTHER_ORGANISATION]
    with pytest.raises(SelectionError, match="a string of 1 character"):
        form.selection = ["x"]
    assert form.selection.empty


@pytest.mark.parametrize("change", ["untick", "tick another", "clear"])
def test_a_change_of_the_selection_withdraws_the_plan(platform: HostilePlatform, change: str) -> None:
    first, second, third, *_ = platform.world.free
    form = open_form()
    preview(form, [first, second])
    form._consent._typed.value = "delete 2"
    form.selection = {"untick": [first], "tick another": [first, second, third], "clear": []}[change]
    assert not is_shown(form._consent)
    assert form.plan is None
    assert is_shown_error(form, "The selection has changed since the preview")
    form._consent._delete_button.click()
    wait_until_idle(form)
    assert platform.deletes == []
    preview(form, [first])
    agree(form, "y")
    assert platform.deleted == {first}


def test_a_selection_that_changes_while_its_plan_is_made_withdraws_the_plan(platform: HostilePlatform) -> None:
    first, second, *_ = platform.world.free
    form = open_form()
    form.selection = [first, second]
    platform.latency = 0.05
    form._preview_button.click()
    platform.wait_for(lambda: platform.in_flight)
    form.selection = [first]
    wait_until_idle(form)
    assert not is_shown(form._consent)
    assert form.plan is None


def test_typing_another_id_withdraws_the_plan_of_the_first(platform: HostilePlatform) -> None:
    first, second, *_ = platform.world.free
    form = open_form()
    form._single.connection.value = first
    wait_until_idle(form)
    form._single._preview_button.click()
    wait_until_idle(form)
    assert is_shown(form._consent)
    form._single.connection.value = second
    assert not is_shown(form._consent)
    wait_until_idle(form)
    form._consent._delete_button.click()
    wait_until_idle(form)
    assert platform.deletes == []


def test_more_rows_than_the_maximum_are_refused_as_a_whole(platform: HostilePlatform) -> None:
    form = versori.form(".", max=4)
    wait_until_idle(form)
    preview(form, platform.world.free)
    assert is_shown_error(form, "5 connections are selected; the maximum is 4. Nothing was sent.")
    assert not is_shown(form._consent)
    preview(form, platform.world.free[:4])
    agree(form, "delete 4")
    assert len(platform.deleted) == 4
    with pytest.raises(ArgumentError, match="max must be a whole number"):
        versori.form(".", max=0)


# The server and the client.


def test_a_form_stays_on_its_server_after_another_one_is_connected(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = platform.world.free
    with HostilePlatform(world(free=5)) as other:
        form = open_form()
        monkeypatch.setenv("VERSORI_SERVER", other.url)
        versori.connect(server=other.url, org=other.organisation)
        form._single.connection.value = first
        wait_until_idle(form)
        form._single._preview_button.click()
        wait_until_idle(form)
        agree(form, "y")
        preview(form, [second])
        agree(form, "y")
        assert platform.deleted == {first, second}
        assert other.requests == []
        form._client.close()


def test_connecting_again_during_a_run_does_not_disturb_it(platform: HostilePlatform) -> None:
    platform.reset(world(free=40), latency=0.02)
    form = open_form()
    preview(form, platform.world.free)
    form._consent._typed.value = "delete 40"
    form._consent._delete_button.click()
    platform.wait_for(lambda: len(platform.deleted) > 5)
    versori.connect(server="https://elsewhere.example", org=OTHER_ORGANISATION)
    wait_until_idle(form)
    assert form.report is not None
    assert outcome_counts(form.report) == {"deleted": 40}
    form.refresh()
    wait_until_idle(form)
    assert form.frame is not None
    assert form.frame.empty
    form._client.close()


# Retry.


@pytest.fixture
def stopped_form(platform: HostilePlatform) -> Form:
    """Return a form whose run ended early, with 10 of 30 rows deleted."""
    platform.reset(world(free=30))
    platform.dead_token_after(10)
    form = open_form()
    preview(form, platform.world.free)
    agree(form, "delete 30")
    platform.dead_token_after(FOREVER)
    assert form.report is not None
    assert form.report.counts["deleted"] == 10
    return form


def remaining_ids(platform: HostilePlatform) -> list[str]:
    return [key for key in platform.world.free if key not in platform.deleted]


def test_the_result_of_a_stopped_run_begins_with_the_reason(stopped_form: Form) -> None:
    report = stopped_form.report
    assert report is not None
    assert report.stopped
    result = stopped_form._run._result.value
    assert result.startswith(f"The run ended early: {report.stopped}. {report.summary}. ")


def test_retry_asks_for_consent_to_the_remaining_rows_and_finishes_the_run(
    platform: HostilePlatform, stopped_form: Form
) -> None:
    form = stopped_form
    assert form.report is not None
    run, sent, scans = form.report.run, len(platform.deletes), count_usage_scans(platform)
    retry(form)
    assert form.plan is not None
    assert form.plan.id == run
    assert {row.id for row in form.plan.rows} == set(remaining_ids(platform))
    assert form._consent._instruction.value == "To delete, type: delete 20"
    assert form._consent._break_offers.children == ()
    assert not is_shown(form._run)
    assert len(platform.deletes) == sent
    agree(form, "delete 20")
    assert form.report.run == run
    assert outcome_counts(form.report) == {"deleted": 30}
    assert platform.deleted == set(platform.world.free)
    assert count_usage_scans(platform) - scans == 2  # before the consent, and after it
    assert form._run._retry_button.disabled
    assert versori.runs()["run"].tolist() == [run]


def test_retry_sends_no_row_that_changed_before_or_after_the_consent(
    platform: HostilePlatform, stopped_form: Form
) -> None:
    form = stopped_form
    before, after, *_ = remaining_ids(platform)
    with platform.lock:
        platform.world.link(before)
    retry(form)
    assert form._consent._instruction.value == "To delete, type: delete 19"
    with platform.lock:
        platform.world.link(after)
    agree(form, "delete 19")
    assert form.report is not None
    assert outcome_counts(form.report) == {"deleted": 28, "changed": 2}
    assert not platform.deleted & {before, after}


def test_retry_without_a_row_to_delete_only_records_the_outcomes(platform: HostilePlatform, stopped_form: Form) -> None:
    form = stopped_form
    sent = len(platform.deletes)
    with platform.lock:
        for key in remaining_ids(platform):
            platform.world.link(key)
    retry(form)
    assert not is_shown(form._consent)
    assert form.report is not None
    assert outcome_counts(form.report) == {"deleted": 10, "changed": 20}
    assert len(platform.deletes) == sent


def test_back_from_a_retry_shows_the_last_run_so_that_it_can_be_retried(
    platform: HostilePlatform, stopped_form: Form
) -> None:
    form = stopped_form
    retry(form)
    form._consent._back_button.click()
    assert not is_shown(form._consent)
    assert is_shown(form._run)
    retry(form)
    agree(form, "delete 20")
    assert form.report is not None
    assert outcome_counts(form.report) == {"deleted": 30}


def test_retry_of_a_run_that_another_kernel_executes_says_how_to_see_its_state(
    platform: HostilePlatform, stopped_form: Form, tmp_path: Path
) -> None:
    form = stopped_form
    assert form.report is not None
    requests = len(platform.requests)
    journal = Journal.reopen(tmp_path / "runs", form.report.run)
    retry(form)
    assert is_shown_error(form, "is already running in this or another kernel")
    assert is_shown_error(form, "%versori_runs")
    assert is_shown(form._run)
    assert len(platform.requests) == requests
    journal.close()


def test_retry_resumes_the_run_in_its_own_organisation_after_another_one_was_looked_at(
    lenient_platform: HostilePlatform,
) -> None:
    free = list(lenient_platform.world.free)
    lenient_platform.on("DELETE", free[0], error(403, message="not you"))
    form = open_form()
    preview(form, free)
    agree(form, "delete 3")
    assert form.report is not None
    assert form.report.counts["refused"] == 1
    form._preview_one(OTHER_ORGANISATION, free[1])
    wait_until_idle(form)
    form._retry()
    wait_until_idle(form)
    assert form.plan is not None
    assert [row.id for row in form.plan.rows] == [free[0]]
    agree(form, "y")
    assert form.report.counts["deleted"] == 3
    assert lenient_platform.deleted == set(free)
