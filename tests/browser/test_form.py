"""The form as a person uses it: see, pick, preview, delete, stop, understand."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from browser.lab import NOTEBOOK, Lab, Notebook
from faults.hostile import HostilePlatform, World, error, html, world

pytest.importorskip("playwright")
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.hostile import Fault, RecordedRequest

NAME = "form.ipynb"
FORM = ".jp-OutputArea:has(.vs-form)"  # and the record below it
SHOW = "import versori_magics as versori\nform = versori.form()\nform"
HOSTILE = "<img src=x onerror=window.__hacked=1>\x1b[31m\u202ehidden"


@pytest.fixture
def platform() -> Iterator[HostilePlatform]:
    with HostilePlatform(world(static=3, dynamic=3, free=20, seed=4)) as running:
        yield running


@pytest.fixture
def form(lab: Lab, page: Page, platform: HostilePlatform) -> Notebook:
    """A notebook that shows the form, its connections listed."""
    return shown(lab, page, platform)


def shown(lab: Lab, page: Page, platform: HostilePlatform) -> Notebook:
    lab.write(NAME, f"import os\nos.environ.update({platform.env()!r})\n%load_ext versori_magics", SHOW, "1")
    notebook = Notebook(page, lab, NAME)
    notebook.run(0)
    notebook.run(1)
    expect(page.locator(".vs-form [role=grid] [role=row]").nth(3)).to_be_visible(timeout=30_000)
    expect(page.locator(".vs-refresh")).to_be_enabled(timeout=30_000)
    return notebook


def click(page: Page, name: str) -> None:
    at(page, name).click()


def at(page: Page, name: str) -> Locator:
    return page.locator(f".vs-{name}")


def preview(notebook: Notebook, ids: list[str]) -> None:
    notebook.do(f"form.selection = {ids!r}")
    expect(at(notebook.page, "preview")).to_have_text(f"Preview deletion of {len(ids)}")
    click(notebook.page, "preview")
    expect(at(notebook.page, "plan")).to_contain_text(f"{len(ids)} selected")


def agree(page: Page, words: str) -> None:
    at(page, "consent").locator("input").fill(words)
    click(page, "delete")


def counts(notebook: Notebook) -> dict[str, int]:
    expect(at(notebook.page, "report")).to_contain_text("Done:", timeout=30_000)
    found: dict[str, int] = notebook.value("{k: v for k, v in form.report.counts.items() if v}")
    return found


def test_the_table_shows_every_connection_with_who_uses_it(form: Notebook, platform: HostilePlatform) -> None:
    expect(form.page.locator(".vs-form")).to_contain_text(f"{len(platform.world.connections)} of 26 rows")
    assert form.value("form.table.errors") == []


def test_unused_connections_of_one_system_are_found_previewed_and_deleted_without_leaving_the_form(
    form: Notebook, platform: HostilePlatform
) -> None:
    page = form.page
    page.locator(".vs-form label", has_text="Kind").locator("select").select_option("unused")
    page.get_by_role("button", name="Select all shown").click()
    expect(at(page, "preview")).to_have_text("Preview deletion of 20")
    click(page, "preview")
    expect(at(page, "plan")).to_contain_text("20 delete")
    expect(at(page, "delete")).to_be_disabled()
    assert platform.deletes == []
    agree(page, "delete 20")
    assert counts(form) == {"deleted": 20}
    assert platform.deleted == set(platform.world.free)
    expect(form.output(1)).to_contain_text("20 planned: 20 deleted")


def test_nothing_but_the_words_asked_for_lets_delete_be_pressed(form: Notebook, platform: HostilePlatform) -> None:
    preview(form, platform.world.free[:3])
    for typed in ("", "y", "yes", "delete", "delete 2", "delete 33", "break 3"):
        at(form.page, "consent").locator("input").fill(typed)
        form.page.wait_for_timeout(200)
        expect(at(form.page, "delete")).to_be_disabled()
    at(form.page, "consent").locator("input").fill("delete 3")
    expect(at(form.page, "delete")).to_be_enabled()
    assert platform.deletes == []


def test_rows_in_use_are_kept_and_the_reason_stands_in_the_plan_and_in_the_table(
    form: Notebook, platform: HostilePlatform
) -> None:
    chosen = [platform.world.free[0], platform.world.static[0], platform.world.dynamic[0]]
    preview(form, chosen)
    expect(at(form.page, "plan")).to_contain_text("the platform would refuse")
    agree(form.page, "y")
    assert counts(form) == {"deleted": 1, "in_use": 2}
    assert platform.deleted == {chosen[0]}
    expect(form.page.locator("[role=grid]")).to_contain_text("in_use")


def test_a_static_row_in_use_goes_only_after_its_own_tick_and_the_words_that_say_break(
    form: Notebook, platform: HostilePlatform
) -> None:
    preview(form, platform.world.static[:2])
    expect(at(form.page, "break")).to_have_count(2)
    at(form.page, "break").first.locator("input").check()
    expect(at(form.page, "words")).to_have_text("To do it, type: break 1", timeout=10_000)
    agree(form.page, "break 1")
    assert counts(form) == {"deleted": 1, "in_use": 1}
    assert platform.deleted == {platform.world.static[0]}


def test_an_id_is_checked_as_it_is_typed_and_told_what_it_is_before_anything_can_be_pressed(
    form: Notebook, platform: HostilePlatform
) -> None:
    page = form.page
    page.get_by_role("tab", name="One id").click()
    field = at(page, "connection").locator("input")
    field.fill("01ARZ3")
    expect(at(page, "connection-error")).to_contain_text("Not a ULID")
    expect(at(page, "preview-one")).to_be_disabled()
    field.fill(platform.world.dynamic[0])
    expect(at(page, "what")).to_contain_text("end user", timeout=10_000)
    expect(at(page, "connection-error")).to_have_text("")
    field.fill(platform.world.free[0])
    expect(at(page, "what")).to_contain_text("unused", timeout=10_000)
    expect(at(page, "preview-one")).to_be_enabled()
    click(page, "preview-one")
    expect(at(page, "words")).to_have_text("To do it, type: y")
    agree(page, "y")
    assert counts(form) == {"deleted": 1}


def test_what_the_platform_says_of_a_field_stands_under_the_field(form: Notebook, platform: HostilePlatform) -> None:
    page, key = form.page, platform.world.free[0]
    refusal = error(422, "422001", "The request is not valid.", [{"field": "connection_id", "message": "is locked"}])
    platform.on("GET", key, refusal)
    page.get_by_role("tab", name="One id").click()
    at(page, "connection").locator("input").fill(key)
    expect(at(page, "connection-error")).to_contain_text("is locked", timeout=10_000)
    expect(at(page, "one-error")).to_contain_text("The request is not valid.")
    expect(at(page, "one-error")).to_contain_text("422001")


def test_cancel_stops_the_run_and_the_report_is_what_the_server_did(form: Notebook, platform: HostilePlatform) -> None:
    platform.latency = 0.4
    preview(form, platform.world.free)
    agree(form.page, "delete 20")
    platform.wait_for(lambda: len(platform.deletes) > 0, timeout=30)
    click(form.page, "cancel")
    found = counts(form)
    assert found["not_attempted"] > 0
    assert set(form.value("[row.id for row in form.report.rows if row.outcome == 'deleted']")) == platform.deleted
    platform.latency = 0
    click(form.page, "retry")
    expect(at(form.page, "words")).to_have_text(f"To do it, type: delete {found['not_attempted']}", timeout=10_000)
    agree(form.page, f"delete {found['not_attempted']}")
    form.page.wait_for_function("() => !document.querySelector('.vs-report').textContent.includes('not_attempted')")
    assert counts(form) == {"deleted": 20}
    assert all(platform.sends(key) == 1 for key in platform.world.free)


def test_a_plan_that_was_carried_out_is_not_carried_out_again_by_another_form(
    form: Notebook, platform: HostilePlatform
) -> None:
    preview(form, platform.world.free[:2])
    form.do("plan = form.plan")
    agree(form.page, "delete 2")
    assert counts(form) == {"deleted": 2}
    assert form.value("versori.delete('.', plan, yes=True).run == form.report.run") is True
    assert len(platform.deletes) == 2


def test_clicking_and_typing_can_be_mixed(form: Notebook, platform: HostilePlatform) -> None:
    form.do("form.selection = form.frame[form.frame.kind == 'static']")
    expect(form.page.locator(".vs-form")).to_contain_text("3 selected")
    assert sorted(form.value("form.selection.id.tolist()")) == sorted(platform.world.static)
    assert form.value("form.selection.columns[0]") == "id"


def test_an_error_in_a_job_is_shown_in_the_form_and_the_form_stays_usable(
    form: Notebook, platform: HostilePlatform
) -> None:
    platform.on("GET", "/connections$", error(403, "403001", "You may not list connections."))
    click(form.page, "refresh")
    expect(at(form.page, "error")).to_contain_text("You may not list connections.", timeout=10_000)
    click(form.page, "refresh")
    expect(at(form.page, "error")).to_have_text("", timeout=10_000)
    preview(form, platform.world.free[:1])


def test_a_row_that_failed_says_why_in_the_table_and_one_click_shows_only_those(
    form: Notebook, platform: HostilePlatform
) -> None:
    bad = platform.world.free[0]
    platform.script[bad] = [error(400, "400017", "The connection is being audited.")]
    preview(form, platform.world.free[:5])
    agree(form.page, "delete 5")
    assert counts(form) == {"deleted": 4, "refused": 1}
    form.page.locator(".vs-form label", has_text="Kind").locator("select").select_option("static")
    form.page.get_by_role("button", name="Not deleted only").click()
    expect(form.page.locator(".vs-form")).to_contain_text("1 of 26 rows")
    expect(form.page.locator("[role=grid]")).to_contain_text("refused")


def test_a_saved_notebook_keeps_the_report_as_a_table_and_neither_rows_nor_token(
    form: Notebook, platform: HostilePlatform, lab: Lab
) -> None:
    preview(form, platform.world.free[:2])
    agree(form.page, "delete 2")
    counts(form)
    form.save()
    form.page.wait_for_timeout(1000)
    saved = json.loads(lab.read(NAME))
    kept = json.dumps(saved["cells"][1]["outputs"])
    assert "2 planned: 2 deleted" in kept
    assert platform.world.free[0] in kept
    assert platform.world.free[10] not in json.dumps(saved)
    assert platform.token not in json.dumps([saved["cells"][1:], saved["metadata"]])


def test_hostile_names_execute_nothing_and_steer_nothing(lab: Lab, page: Page) -> None:
    hostile: World = world(static=1, dynamic=1, free=2, seed=5)
    for connection in hostile.connections.values():
        connection.name = HOSTILE + connection.name
    with HostilePlatform(hostile) as platform:
        notebook = shown(lab, page, platform)
        preview(notebook, list(hostile.connections))
        agree(page, "delete 2")
        counts(notebook)
        assert page.evaluate("() => window.__hacked") is None
        expect(page.locator(f"{NOTEBOOK} img[src='x']")).to_have_count(0)
        assert not {"\x1b", "\u202e"} & set(notebook.output(1).inner_text())


def test_a_gateway_page_in_the_middle_is_told_in_the_row_and_not_as_a_success(
    form: Notebook, platform: HostilePlatform
) -> None:
    lost = platform.world.free[0]
    platform.script[lost] = [html(502, do=True)]
    preview(form, [lost])
    agree(form.page, "y")
    assert counts(form) == {"deleted": 1}
    assert form.value("form.report.rows[0].attempts") == 2


def test_escape_from_a_preview_sends_nothing(form: Notebook, platform: HostilePlatform) -> None:
    preview(form, platform.world.free[:2])
    at(form.page, "consent").locator("input").fill("delete 2")
    click(form.page, "back")
    expect(at(form.page, "plan")).to_be_hidden()
    assert platform.deletes == []


def test_what_came_into_use_after_the_preview_is_kept(form: Notebook, platform: HostilePlatform) -> None:
    preview(form, platform.world.free[:2])
    with platform.lock:
        platform.world.link(platform.world.free[0])
    agree(form.page, "delete 2")
    assert counts(form) == {"deleted": 1, "changed": 1}
    assert platform.deleted == {platform.world.free[1]}


def test_closing_the_tab_in_a_run_does_not_hurt_it_and_the_notebook_opened_again_says_what_became_of_it(
    lab: Lab, page: Page, platform: HostilePlatform
) -> None:
    tab = page.context.new_page()
    notebook = shown(lab, tab, platform)
    notebook.save()
    preview(notebook, platform.world.free)
    platform.latency = 0.6
    agree(tab, "delete 20")
    platform.wait_for(lambda: len(platform.deletes) > 0, timeout=30)
    tab.close()
    assert len(platform.deleted) < 20  # it was in the middle of it
    platform.wait_for(lambda: len(platform.deleted) == 20, timeout=30)
    again = Notebook(page, lab, NAME)
    assert counts(again) == {"deleted": 20}
    again.picture(FORM, "form-opened-again")
    assert set(again.value("[row.id for row in form.report.rows if row.outcome == 'deleted']")) == platform.deleted
    expect(page.locator(".vs-form [data-tone=good]").first).to_have_text("deleted")
    assert all(platform.sends(key) == 1 for key in platform.world.free)


def test_rows_that_failed_are_tried_again_after_the_words_are_typed_anew(
    form: Notebook, platform: HostilePlatform
) -> None:
    page, bad = form.page, platform.world.free[:2]

    def ill(request: RecordedRequest) -> Fault | None:
        hit = request.method == "DELETE" and request.ids[0] in bad
        return error(503, "503001", "The platform is being repaired.") if hit else None

    platform.decide = ill
    preview(form, platform.world.free[:5])
    agree(page, "delete 5")
    assert counts(form) == {"deleted": 3, "failed": 2}
    form.picture(".vs-form", "form-some-failed")
    before, platform.decide = len(platform.deletes), None
    click(page, "retry")
    expect(at(page, "words")).to_have_text("To do it, type: delete 2", timeout=10_000)
    expect(at(page, "delete")).to_be_disabled()
    form.picture(".vs-form", "form-retry")
    expect(at(page, "report")).to_be_hidden()  # of the run before: not what is asked now
    click(page, "back")
    expect(at(page, "report")).to_contain_text("2 failed")
    click(page, "retry")
    expect(at(page, "report")).to_be_hidden()
    assert len(platform.deletes) == before  # nothing goes without consent
    agree(page, "delete 2")
    expect(at(page, "report")).to_contain_text("5 deleted", timeout=30_000)
    assert counts(form) == {"deleted": 5}
    assert len(platform.deletes) == before + 2
    expect(at(page, "retry")).to_be_hidden()


def test_progress_says_what_is_done_what_went_wrong_what_is_left_how_fast_and_how_long(
    form: Notebook, platform: HostilePlatform
) -> None:
    platform.script[platform.world.free[0]] = [error(400, "400017", "The connection is being audited.")]
    preview(form, platform.world.free)
    platform.latency = 1
    agree(form.page, "delete 20")
    line = re.compile(
        r"\d+ of 20 done \(\d+ deleted · 1 refused\) · \d+ left, \d in flight · [\d.]+ a second, \d+ s to go · [\d.]+ s"
    )
    expect(at(form.page, "progress")).to_have_text(line, timeout=30_000)
    form.picture(".vs-form", "form-progress")
    platform.latency = 0
    assert counts(form) == {"deleted": 19, "refused": 1}


def test_from_the_first_look_to_the_report_the_page_asks_no_host_but_jupyters_own(
    form: Notebook, platform: HostilePlatform, other_hosts: list[str]
) -> None:
    preview(form, platform.world.free[:2])
    agree(form.page, "delete 2")
    assert counts(form) == {"deleted": 2}
    assert other_hosts == []
    form.page.evaluate("fetch('http://127.0.0.1:9/').catch(() => null)")
    form.page.evaluate("void new WebSocket('ws://127.0.0.1:9/')")
    form.page.wait_for_timeout(500)
    assert other_hosts == ["http://127.0.0.1:9/", "ws://127.0.0.1:9/"]  # it would have been noticed
    other_hosts.clear()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_no_serious_violation_in_any_pane(
    form: Notebook, platform: HostilePlatform, axe: Callable[[str], list[Any]], theme: str
) -> None:
    page = form.page
    page.set_viewport_size({"width": 1400, "height": 2200})  # axe judges the contrast of what is seen
    form.theme(theme)
    check(form, axe, f"form-{theme}-1-table")
    platform.script[platform.world.free[0]] = [error(400, "400017", "The connection is being audited.")]
    preview(form, [*platform.world.free[:4], *platform.world.static, *platform.world.dynamic])
    at(page, "break").first.locator("input").check()
    expect(at(page, "words")).to_have_text("To do it, type: break 1", timeout=10_000)
    check(form, axe, f"form-{theme}-2-plan")
    platform.latency = 4
    agree(page, "break 1")
    platform.wait_for(lambda: len(platform.deletes) > 0, timeout=30)
    expect(at(page, "progress")).to_contain_text("5 in flight")
    check(form, axe, f"form-{theme}-3-run")
    platform.latency = 0
    expect(at(page, "report")).to_contain_text("Done:", timeout=30_000)
    check(form, axe, f"form-{theme}-4-report")
    page.get_by_role("tab", name="One id").click()
    at(page, "connection").locator("input").fill("01ARZ3")
    expect(at(page, "connection-error")).to_contain_text("Not a ULID")
    check(form, axe, f"form-{theme}-5-no-ulid")
    at(page, "connection").locator("input").fill(platform.world.dynamic[0])
    expect(at(page, "what")).to_contain_text("end user", timeout=10_000)
    check(form, axe, f"form-{theme}-6-one-id")
    platform.on("GET", platform.world.free[5], error(403, "403001", "You may not see this."))
    at(page, "connection").locator("input").fill(platform.world.free[5])
    expect(at(page, "one-error")).to_contain_text("You may not see this.", timeout=10_000)
    check(form, axe, f"form-{theme}-7-error")


# JupyterLab's own tab bar: the label of a tab that is not open has a contrast of 4.45 in the light theme, not 4.5.
NOT_OURS = ("color-contrast", '<div class="lm-TabBar-tabLabel">')


def check(notebook: Notebook, axe: Callable[[str], list[Any]], name: str) -> None:
    """Let axe judge the form and the record below it, as they stand."""
    notebook.picture(FORM, name)
    grave = [one for one in axe(FORM) if (one[0], one[1][: len(NOT_OURS[1])]) != NOT_OURS]
    assert not grave, f"{name}: {json.dumps(grave, indent=1)}"


def test_the_plan_comes_into_view_with_the_cursor_where_the_words_are_typed(
    form: Notebook, platform: HostilePlatform
) -> None:
    preview(form, [*platform.world.free[:2], *platform.world.static])
    expect(at(form.page, "consent").locator("input")).to_be_focused()
    expect(at(form.page, "words")).to_be_in_viewport()
    box = at(form.page, "break").first.locator("input")
    box.check()
    expect(at(form.page, "words")).to_have_text("To do it, type: break 1", timeout=10_000)
    expect(at(form.page, "consent").locator("input")).not_to_be_focused()  # whoever ticks goes on ticking
