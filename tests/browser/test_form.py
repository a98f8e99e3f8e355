"""The form as a person uses it in JupyterLab: review, agree, delete, cancel, retry."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from support.hostile_platform import HostilePlatform, World, delay, error, html, world
from support.jupyterlab import NOTEBOOK, JupyterLab, Notebook

pytest.importorskip("playwright")
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from browser.conftest import Tab
    from support.hostile_platform import Fault, RecordedRequest

NAME = "form.ipynb"
EXAMPLE_NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "form.ipynb"
FORM = ".jp-OutputArea:has(.vs-form)"  # and the record below it
SHOW_FORM = "import versori_magics as versori\nform = versori.form()\nform"
HOSTILE_NAME = "<img src=x onerror=window.__hacked=1>\x1b[31m\u202ehidden"


@pytest.fixture
def platform() -> Iterator[HostilePlatform]:
    with HostilePlatform(world(static=3, dynamic=3, free=20, seed=4)) as running:
        yield running


@pytest.fixture
def form(lab: JupyterLab, page: Page, platform: HostilePlatform) -> Notebook:
    """A notebook that shows the form, its connections listed."""
    return open_form(lab, page, platform)


def open_form(lab: JupyterLab, page: Page, platform: HostilePlatform) -> Notebook:
    lab.write(NAME, f"import os\nos.environ.update({platform.env()!r})\n%load_ext versori_magics", SHOW_FORM, "1")
    notebook = Notebook(page, lab, NAME)
    notebook.run(0)
    notebook.run(1)
    wait_for_rows(page)
    return notebook


def wait_for_rows(page: Page) -> None:
    expect(page.locator(".vs-form [role=grid] [role=row]").nth(3)).to_be_visible(timeout=30_000)
    expect(part(page, "refresh")).to_be_enabled(timeout=30_000)


def part(page: Page, name: str) -> Locator:
    """Return the part of the form with this name."""
    return page.locator(f".vs-{name}")


def click(page: Page, name: str) -> None:
    part(page, name).click()


def choose(page: Page, label: str, choice: str) -> None:
    page.locator(".vs-form label", has_text=label).locator("select").select_option(choice)


def preview(notebook: Notebook, ids: list[str]) -> None:
    notebook.execute(f"form.selection = {ids!r}")
    expect(part(notebook.page, "preview")).to_have_text(f"Preview deletion of {len(ids)}")
    click(notebook.page, "preview")
    expect(part(notebook.page, "plan")).to_contain_text(f"Plan for {len(ids)} connection")


def agree(page: Page, words: str) -> None:
    part(page, "consent").locator("input").fill(words)
    click(page, "delete")


@contextmanager
def held_deletions(platform: HostilePlatform) -> Iterator[Event]:
    """Answer no deletion before the end of the block; the event tells that the first one arrived."""
    arrived, released = Event(), Event()

    def hold(_: HostilePlatform, request: RecordedRequest) -> None:
        if request.method == "DELETE":
            arrived.set()
            released.wait(60)

    platform.control = hold
    yield arrived
    released.set()


def outcome_counts(notebook: Notebook, result: str = "Finished:") -> dict[str, int]:
    """Wait for the end of the run and return the counts that are not zero."""
    expect(part(notebook.page, "report")).to_contain_text(result, timeout=30_000)
    counts: dict[str, int] = notebook.value("{k: v for k, v in form.report.counts.items() if v}")
    return counts


def test_the_table_shows_every_connection(form: Notebook, platform: HostilePlatform) -> None:
    expect(form.page.locator(".vs-form")).to_contain_text(f"{len(platform.world.connections)} of 26 rows")
    assert form.value("form.table.errors") == []


def test_unused_connections_are_filtered_reviewed_and_deleted_in_the_form(
    form: Notebook, platform: HostilePlatform
) -> None:
    page = form.page
    choose(page, "Kind", "unused")
    page.get_by_role("button", name="Select all shown").click()
    expect(part(page, "preview")).to_have_text("Preview deletion of 20")
    click(page, "preview")
    expect(part(page, "plan")).to_contain_text("20 to delete")
    expect(part(page, "delete")).to_be_disabled()
    assert platform.deletes == []
    agree(page, "delete 20")
    assert outcome_counts(form) == {"deleted": 20}
    assert platform.deleted == set(platform.world.free)
    expect(form.output(1)).to_contain_text("Report on 20 connections: 20 deleted")


def test_only_the_required_words_enable_the_delete_button(form: Notebook, platform: HostilePlatform) -> None:
    preview(form, platform.world.free[:3])
    for typed in ("", "y", "yes", "delete", "delete 2", "delete 33", "break 3"):
        part(form.page, "consent").locator("input").fill(typed)
        form.page.wait_for_timeout(200)
        expect(part(form.page, "delete")).to_be_disabled()
    part(form.page, "consent").locator("input").fill("delete 3")
    expect(part(form.page, "delete")).to_be_enabled()
    assert platform.deletes == []


def test_connections_in_use_are_kept_and_the_plan_and_the_table_say_why(
    form: Notebook, platform: HostilePlatform
) -> None:
    ids = [platform.world.free[0], platform.world.static[0], platform.world.dynamic[0]]
    preview(form, ids)
    expect(part(form.page, "plan")).to_contain_text("the platform would refuse")
    agree(form.page, "y")
    assert outcome_counts(form) == {"deleted": 1, "in_use": 2}
    assert platform.deleted == {ids[0]}
    expect(form.page.locator("[role=grid]")).to_contain_text("in use")


def test_a_static_connection_in_use_is_deleted_only_after_its_own_tick_and_the_word_break(
    form: Notebook, platform: HostilePlatform
) -> None:
    preview(form, platform.world.static[:2])
    expect(part(form.page, "break")).to_have_count(2)
    part(form.page, "break").first.locator("input").check()
    expect(part(form.page, "words")).to_have_text("To delete, type: delete 1 break 1", timeout=10_000)
    agree(form.page, "delete 1 break 1")
    assert outcome_counts(form) == {"deleted": 1, "in_use": 1}
    assert platform.deleted == {platform.world.static[0]}


def test_an_id_is_checked_while_it_is_typed_and_looked_up_before_its_deletion_can_be_previewed(
    form: Notebook, platform: HostilePlatform
) -> None:
    page = form.page
    page.get_by_role("tab", name="Single connection").click()
    field = part(page, "connection").locator("input")
    field.fill("01ARZ3")
    expect(part(page, "connection-error")).to_contain_text("Not a ULID")
    expect(part(page, "preview-one")).to_be_disabled()
    field.fill(platform.world.dynamic[0])
    expect(part(page, "what")).to_contain_text("end user", timeout=10_000)
    expect(part(page, "connection-error")).to_have_text("")
    field.fill(platform.world.free[0])
    expect(part(page, "what")).to_contain_text("unused", timeout=10_000)
    expect(part(page, "preview-one")).to_be_enabled()
    click(page, "preview-one")
    expect(part(page, "words")).to_have_text("To delete, type: y")
    agree(page, "y")
    assert outcome_counts(form) == {"deleted": 1}


def test_the_platforms_message_about_a_field_is_shown_under_the_field(
    form: Notebook, platform: HostilePlatform
) -> None:
    page, connection = form.page, platform.world.free[0]
    refusal = error(422, "422001", "The request is not valid.", [{"field": "connection_id", "message": "is locked"}])
    platform.on("GET", connection, refusal)
    page.get_by_role("tab", name="Single connection").click()
    part(page, "connection").locator("input").fill(connection)
    expect(part(page, "connection-error")).to_contain_text("is locked", timeout=10_000)
    expect(part(page, "one-error")).to_contain_text("The request is not valid.")
    expect(part(page, "one-error")).to_contain_text("422001")


def test_cancel_stops_the_run_and_the_report_matches_the_server(form: Notebook, platform: HostilePlatform) -> None:
    preview(form, platform.world.free)
    with held_deletions(platform) as arrived:
        agree(form.page, "delete 20")
        assert arrived.wait(30)
        click(form.page, "cancel")
        expect(part(form.page, "cancel")).to_be_disabled()  # the kernel received it
    unfinished = outcome_counts(form, "Cancelled:")["not_attempted"]
    assert unfinished > 0
    assert set(form.value("[row.id for row in form.report.rows if row.outcome == 'deleted']")) == platform.deleted
    click(form.page, "retry")
    expect(part(form.page, "words")).to_have_text(f"To delete, type: delete {unfinished}", timeout=10_000)
    agree(form.page, f"delete {unfinished}")
    form.page.wait_for_function("() => !document.querySelector('.vs-report').textContent.includes('not attempted')")
    assert outcome_counts(form) == {"deleted": 20}
    assert all(platform.sends(connection) == 1 for connection in platform.world.free)


def test_a_plan_that_the_form_executed_is_not_executed_again_by_a_function(
    form: Notebook, platform: HostilePlatform
) -> None:
    preview(form, platform.world.free[:2])
    form.execute("plan = form.plan")
    agree(form.page, "delete 2")
    assert outcome_counts(form) == {"deleted": 2}
    assert form.value("versori.delete('.', plan, yes=True).run == form.report.run") is True
    assert len(platform.deletes) == 2


def test_python_can_set_and_read_the_selection(form: Notebook, platform: HostilePlatform) -> None:
    form.execute("form.selection = form.frame[form.frame.kind == 'static']")
    expect(form.page.locator(".vs-form")).to_contain_text("3 selected")
    assert sorted(form.value("form.selection.id.tolist()")) == sorted(platform.world.static)
    assert form.value("form.selection.columns[0]") == "id"


def test_an_error_while_listing_is_shown_and_the_form_stays_usable(form: Notebook, platform: HostilePlatform) -> None:
    platform.on("GET", "/connections$", error(403, "403001", "You may not list connections."))
    click(form.page, "refresh")
    expect(part(form.page, "error")).to_contain_text("You may not list connections.", timeout=10_000)
    click(form.page, "refresh")
    expect(part(form.page, "error")).to_have_text("", timeout=10_000)
    preview(form, platform.world.free[:1])


def test_one_click_shows_only_the_rows_that_were_not_deleted(form: Notebook, platform: HostilePlatform) -> None:
    platform.script[platform.world.free[0]] = [error(400, "400017", "The connection is being audited.")]
    preview(form, platform.world.free[:5])
    agree(form.page, "delete 5")
    assert outcome_counts(form) == {"deleted": 4, "refused": 1}
    choose(form.page, "Kind", "static")
    form.page.get_by_role("button", name="Not deleted only").click()
    expect(form.page.locator(".vs-form")).to_contain_text("1 of 26 rows")
    expect(form.page.locator("[role=grid]")).to_contain_text("refused")


def test_a_saved_notebook_contains_the_report_but_neither_other_rows_nor_the_token(
    form: Notebook, platform: HostilePlatform, lab: JupyterLab
) -> None:
    preview(form, platform.world.free[:2])
    agree(form.page, "delete 2")
    outcome_counts(form)
    form.save()
    saved = json.loads(lab.read(NAME))
    form_outputs = json.dumps(saved["cells"][1]["outputs"])
    assert "Report on 2 connections: 2 deleted" in form_outputs
    assert platform.world.free[0] in form_outputs
    assert platform.world.free[10] not in json.dumps(saved)
    assert platform.token not in json.dumps([saved["cells"][1:], saved["metadata"]])


def test_hostile_names_neither_run_scripts_nor_change_the_text_direction(lab: JupyterLab, page: Page) -> None:
    hostile_world: World = world(static=1, dynamic=1, free=2, seed=5)
    for connection in hostile_world.connections.values():
        connection.name = HOSTILE_NAME + connection.name
    with HostilePlatform(hostile_world) as platform:
        notebook = open_form(lab, page, platform)
        preview(notebook, list(hostile_world.connections))
        agree(page, "delete 2")
        outcome_counts(notebook)
        assert page.evaluate("() => window.__hacked") is None
        expect(page.locator(f"{NOTEBOOK} img[src='x']")).to_have_count(0)
        assert not {"\x1b", "\u202e"} & set(notebook.output(1).inner_text())


def test_a_deletion_is_sent_again_after_a_gateway_error(form: Notebook, platform: HostilePlatform) -> None:
    connection = platform.world.free[0]
    platform.script[connection] = [html(502, do=True)]
    preview(form, [connection])
    agree(form.page, "y")
    assert outcome_counts(form) == {"deleted": 1}
    assert form.value("form.report.rows[0].attempts") == 2


def test_going_back_from_a_preview_sends_nothing(form: Notebook, platform: HostilePlatform) -> None:
    preview(form, platform.world.free[:2])
    part(form.page, "consent").locator("input").fill("delete 2")
    click(form.page, "back")
    expect(part(form.page, "plan")).to_be_hidden()
    assert platform.deletes == []


def test_a_connection_that_came_into_use_after_the_preview_is_kept(form: Notebook, platform: HostilePlatform) -> None:
    preview(form, platform.world.free[:2])
    with platform.lock:
        platform.world.link(platform.world.free[0])
    agree(form.page, "delete 2")
    assert outcome_counts(form) == {"deleted": 1, "changed": 1}
    assert platform.deleted == {platform.world.free[1]}


def test_a_run_continues_when_the_tab_is_closed_and_the_reopened_notebook_shows_its_result(
    lab: JupyterLab, tab: Tab, platform: HostilePlatform
) -> None:
    notebook = open_form(lab, tab.page(), platform)
    notebook.save()
    preview(notebook, platform.world.free)
    with held_deletions(platform) as arrived:
        agree(tab.page(), "delete 20")
        assert arrived.wait(30)
        tab.page().close()
        assert len(platform.deleted) < 20  # the run was still under way
    platform.wait_for(lambda: len(platform.deleted) == 20, timeout=30)
    page = tab.page()  # a new one, in which JupyterLab is not yet open
    reopened = Notebook(page, lab, NAME)
    assert outcome_counts(reopened) == {"deleted": 20}
    reopened.save_screenshot(FORM, "form-opened-again")
    assert set(reopened.value("[row.id for row in form.report.rows if row.outcome == 'deleted']")) == platform.deleted
    expect(page.locator(".vs-form [data-tone=good]").first).to_have_text("deleted")
    assert all(platform.sends(connection) == 1 for connection in platform.world.free)


def test_failed_rows_are_retried_only_after_the_words_are_typed_again(
    form: Notebook, platform: HostilePlatform
) -> None:
    page, failing = form.page, platform.world.free[:2]

    def fail(request: RecordedRequest) -> Fault | None:
        if request.method == "DELETE" and request.ids[0] in failing:
            return error(503, "503001", "The platform is being repaired.")
        return None

    platform.decide = fail
    preview(form, platform.world.free[:5])
    agree(page, "delete 5")
    assert outcome_counts(form) == {"deleted": 3, "failed": 2}
    form.save_screenshot(".vs-form", "form-some-failed")
    sent, platform.decide = len(platform.deletes), None
    click(page, "retry")
    expect(part(page, "words")).to_have_text("To delete, type: delete 2", timeout=10_000)
    expect(part(page, "delete")).to_be_disabled()
    form.save_screenshot(".vs-form", "form-retry")
    expect(part(page, "report")).to_be_hidden()  # it is about the previous run, not about the plan that is shown
    click(page, "back")
    expect(part(page, "report")).to_contain_text("2 failed")
    click(page, "retry")
    expect(part(page, "report")).to_be_hidden()
    assert len(platform.deletes) == sent  # nothing is sent without consent
    agree(page, "delete 2")
    expect(part(page, "report")).to_contain_text("5 deleted", timeout=30_000)
    assert outcome_counts(form) == {"deleted": 5}
    assert len(platform.deletes) == sent + 2
    expect(part(page, "retry")).to_be_hidden()


def test_progress_shows_outcomes_remaining_rows_rate_and_time_left(form: Notebook, platform: HostilePlatform) -> None:
    platform.script[platform.world.free[0]] = [error(400, "400017", "The connection is being audited.")]
    preview(form, platform.world.free)
    platform.decide = lambda request: delay(1) if request.method == "DELETE" else None
    agree(form.page, "delete 20")
    line = re.compile(
        r"\d+ of 20 done \(\d+ deleted, 1 refused\) · \d+ left, \d in flight · [\d.]+ a second, \d+ s to go · [\d.]+ s"
    )
    expect(part(form.page, "progress")).to_have_text(line, timeout=30_000)
    form.save_screenshot(".vs-form", "form-progress")
    platform.decide = None
    assert outcome_counts(form) == {"deleted": 19, "refused": 1}


def test_the_page_sends_requests_to_jupyter_only(
    form: Notebook, platform: HostilePlatform, other_hosts: list[str]
) -> None:
    preview(form, platform.world.free[:2])
    agree(form.page, "delete 2")
    assert outcome_counts(form) == {"deleted": 2}
    assert other_hosts == []
    form.page.evaluate("fetch('http://127.0.0.1:9/').catch(() => null)")
    form.page.evaluate("void new WebSocket('ws://127.0.0.1:9/')")
    form.page.wait_for_timeout(500)
    assert other_hosts == ["http://127.0.0.1:9/", "ws://127.0.0.1:9/"]  # such requests are noticed
    other_hosts.clear()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_no_serious_violation_in_any_pane(
    form: Notebook, platform: HostilePlatform, axe: Callable[[str], list[Any]], theme: str
) -> None:
    page = form.page
    page.set_viewport_size({"width": 1400, "height": 2200})  # axe checks the contrast of visible text only
    form.set_theme(theme)
    check_with_axe(form, axe, f"form-{theme}-1-table")
    platform.script[platform.world.free[0]] = [error(400, "400017", "The connection is being audited.")]
    preview(form, [*platform.world.free[:4], *platform.world.static, *platform.world.dynamic])
    part(page, "break").first.locator("input").check()
    expect(part(page, "words")).to_have_text("To delete, type: delete 5 break 1", timeout=10_000)
    check_with_axe(form, axe, f"form-{theme}-2-plan")
    with held_deletions(platform) as arrived:
        agree(page, "delete 5 break 1")
        assert arrived.wait(30)
        expect(part(page, "progress")).to_contain_text("5 in flight")
        check_with_axe(form, axe, f"form-{theme}-3-run")
    expect(part(page, "report")).to_contain_text("Finished:", timeout=30_000)
    check_with_axe(form, axe, f"form-{theme}-4-report")
    page.get_by_role("tab", name="Single connection").click()
    part(page, "connection").locator("input").fill("01ARZ3")
    expect(part(page, "connection-error")).to_contain_text("Not a ULID")
    check_with_axe(form, axe, f"form-{theme}-5-invalid-id")
    part(page, "connection").locator("input").fill(platform.world.dynamic[0])
    expect(part(page, "what")).to_contain_text("end user", timeout=10_000)
    check_with_axe(form, axe, f"form-{theme}-6-one-id")
    platform.on("GET", platform.world.free[5], error(403, "403001", "You may not see this."))
    part(page, "connection").locator("input").fill(platform.world.free[5])
    expect(part(page, "one-error")).to_contain_text("You may not see this.", timeout=10_000)
    check_with_axe(form, axe, f"form-{theme}-7-error")


# JupyterLab's own tab bar: the label of a tab that is not open has a contrast of 4.45 in the light theme, not 4.5.
JUPYTERLAB_VIOLATION = ("color-contrast", '<div class="lm-TabBar-tabLabel">')


def check_with_axe(notebook: Notebook, axe: Callable[[str], list[Any]], name: str) -> None:
    """Check the form and the record below it in their present state."""
    notebook.save_screenshot(FORM, name)
    rule_name, element_start = JUPYTERLAB_VIOLATION
    violations = [
        (rule, element, why)
        for rule, element, why in axe(FORM)
        if not (rule == rule_name and element.startswith(element_start))
    ]
    assert not violations, f"{name}: {json.dumps(violations, indent=1)}"


def test_a_new_plan_scrolls_into_view_and_focuses_the_field_for_the_words(
    form: Notebook, platform: HostilePlatform
) -> None:
    preview(form, [*platform.world.free[:2], *platform.world.static])
    expect(part(form.page, "consent").locator("input")).to_be_focused()
    expect(part(form.page, "words")).to_be_in_viewport()
    part(form.page, "break").first.locator("input").check()
    expect(part(form.page, "words")).to_have_text("To delete, type: delete 3 break 1", timeout=10_000)
    expect(part(form.page, "consent").locator("input")).not_to_be_focused()  # a person may tick more rows


def test_the_example_notebook_shows_the_form_and_its_first_steps_work(lab: JupyterLab, page: Page) -> None:
    (lab.notebooks / "example.ipynb").write_bytes(EXAMPLE_NOTEBOOK.read_bytes())
    notebook = Notebook(page, lab, "example.ipynb")
    notebook.run_all()
    wait_for_rows(page)
    choose(page, "System", "HubSpot")
    choose(page, "Kind", "unused")
    page.locator(".vs-form").get_by_label("Age in days, from").fill("90")
    page.get_by_role("button", name="Select all shown").click()
    expect(part(page, "preview")).to_have_text(re.compile(r"Preview deletion of \d+"))
    unused = notebook.value("form.selection.id.tolist()")
    assert len(unused) > 1
    assert notebook.value("form.selection[['system', 'kind']].drop_duplicates().values.tolist()") == [
        ["HubSpot", "unused"]
    ]
    page.get_by_role("button", name="Clear filters").click()
    page.locator(".vs-form").get_by_label("Search").fill("production")
    for position in range(2):
        page.locator(".vs-form .vt-body [role=row]").nth(position).click()
    expect(part(page, "preview")).to_have_text(f"Preview deletion of {len(unused) + 2}")
    click(page, "preview")
    expect(part(page, "plan")).to_contain_text(f"Plan for {len(unused) + 2} connections: {len(unused)} to delete")
    agree(page, f"delete {len(unused)}")
    assert outcome_counts(notebook) == {"deleted": len(unused), "in_use": 2}
