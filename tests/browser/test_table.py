"""The table of connections as a person uses it: in JupyterLab, with the mouse and with the keyboard."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from browser.lab import Lab, Notebook

from versori_magics.notebook.table import ConnectionTable

pytest.importorskip("playwright")
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CONNECTIONS = (
    # name, system, kind, in use, running, used by, credential errors, age, updated days ago
    ("Acme orders", "shopify", "static", True, 2, "project Orders, environment production", "", 400, 10),
    ("Acme invoices", "xero", "unused", False, 0, "", None, 100, 50),
    ("Globex orders", "shopify", "static", True, 0, "project Orders, environment draft", "token expired", 30, 5),
    ("Globex stock", "netsuite", "unused", False, 0, "", "", 500, 300),
    ("Initech mail", "hubspot", "dynamic", True, 1, "end user jo", "", 200, 20),
    ("Initech orders", "shopify", "unused", False, 0, "", "password refused", 95, 95),
    ("Umbrella stock", "netsuite", "unused", False, 0, "", None, 89, 3),
    ("Hooli mail", "hubspot", "unused", False, 0, "", "", 700, 600),
)
NAMES = [connection[0] for connection in CONNECTIONS]
MANY = """
import random
chance, now = random.Random(1), datetime.datetime.now(datetime.UTC)
ids = [f"01J{number:023d}" for number in range(50_000)]
def pick(*values):
    return [chance.choice(values) for _ in ids]
def ago(days):
    return [(now - datetime.timedelta(days=chance.random() * days)).isoformat() for _ in ids]
many = {
    "id": ids, "name": [f"Connection {number} of a customer" for number in range(50_000)],
    "system": pick("shopify", "netsuite", "xero", "hubspot", "salesforce", "stripe", "bigcommerce"),
    "system_id": ids, "base_url": [f"https://api.example.test/tenants/{number}" for number in range(50_000)],
    "auth": pick("oauth2", "apikey"), "credential_errors": pick(None, "", "token expired"), "expires_at": ago(30),
    "created_at": ago(900), "updated_at": ago(90), "template_id": pick("01T1", "01T2"),
    "organisation_id": pick("01ORG"),
    "kind": pick("static", "dynamic", "unused"), "in_use": pick(True, False),
    "used_by": pick("", "project Orders, environment production"), "running": pick(0, 1, 2),
}
"""

# From now until rows were painted; measured in the page, as the 16 MB of rows slow down whoever watches its traffic.
PAINTED = """() => {
    const began = Date.now();
    new MutationObserver((_, watching) => {
        if (!document.querySelector(".vt-body [role=row]")) return;
        watching.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = Date.now() - began; }));
    }).observe(document.body, { childList: true, subtree: true });
}"""


def identifier(name: str) -> str:
    return f"01J{NAMES.index(name):023d}"


def rows(*others: tuple[Any, ...], order: Iterable[str] = NAMES) -> dict[str, list[Any]]:
    """Return columns of the connections above, in this order, or of others."""
    now = datetime.now(UTC)
    listed = others or [CONNECTIONS[NAMES.index(name)] for name in order]
    columns = ("name", "system", "kind", "in_use", "running", "used_by", "credential_errors")
    return {
        "id": [identifier(one[0]) if one[0] in NAMES else f"01X{n:023d}" for n, one in enumerate(listed)],
        "base_url": [f"https://{one[1]}.example.test/v1" for one in listed],
        **{column: [one[n] for one in listed] for n, column in enumerate(columns)},
        "created_at": [(now - timedelta(days=one[7], minutes=1)).isoformat() for one in listed],
        "updated_at": [(now - timedelta(days=one[8], minutes=1)).isoformat() for one in listed],
    }


class Shown:
    """The table as it is seen on the page."""

    def __init__(self, notebook: Notebook, within: Locator | None = None) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.root = (within or self.page.locator("body")).locator(".vs-table")
        self.grid = self.root.get_by_role("grid", name="Connections")
        self.status = self.root.get_by_role("status")
        self.detail = self.root.get_by_role("region", name="Details of the focused row")
        self.search = self.root.get_by_label("Search")

    def row(self, name: str) -> Locator:
        return self.grid.locator(".vt-body [role=row]").filter(has_text=name)

    def names(self) -> list[str]:
        return self.grid.evaluate(
            """(grid) => [...grid.querySelectorAll(".vt-body [role=row]")]
                .sort((a, b) => a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex"))
                .map((row) => row.querySelector("[data-column=name]").textContent)"""
        )

    def ticked(self) -> list[str]:
        return [name for name in self.names() if self.row(name).get_attribute("aria-selected") == "true"]

    def says(self, shown: int, selected: int, hidden: int = 0, of: int = len(CONNECTIONS)) -> None:
        text = f"{shown:,} of {of:,} rows, {selected:,} selected ({hidden:,} hidden by the filter)"
        expect(self.status).to_have_text(text)

    def choose(self, label: str, choice: str) -> None:
        self.root.get_by_role("combobox", name=label, exact=True).select_option(label=choice)

    def choices(self, label: str) -> list[str]:
        return self.root.get_by_role("combobox", name=label, exact=True).locator("option").all_text_contents()

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name).click()

    def header(self, name: str) -> Locator:
        return self.grid.get_by_role("columnheader", name=name)

    def python_has(self, *names: str) -> None:
        soon(lambda: list(self.notebook.value("table.selection")), [identifier(name) for name in names])


def soon(read: Callable[[], object], wanted: object, seconds: float = 5) -> None:
    """Wait until `read` gives `wanted`."""
    until = time.monotonic() + seconds
    while (found := read()) != wanted and time.monotonic() < until:
        time.sleep(0.05)
    assert found == wanted


def tell(*parts: object) -> None:
    print(*parts)  # noqa: T201 - figures for whoever reads the run (pytest -s)


def opened(page: Page, lab: Lab, set_up: str, *cells: str) -> Notebook:
    lab.write(
        "table.ipynb",
        "import datetime, threading, time\nfrom versori_magics.notebook.table import ConnectionTable\n"
        f"table = ConnectionTable()\n{set_up}",
        *(cells or ("table",)),
    )
    notebook = Notebook(page, lab, "table.ipynb")
    for cell in range(1 + len(cells or ("table",))):
        notebook.run(cell)
    expect(page.locator(".vs-table").first).to_be_visible()
    return notebook


@pytest.fixture
def shown(page: Page, lab: Lab) -> Shown:
    table = Shown(opened(page, lab, f"table.set_rows({rows()!r})"))
    table.says(8, 0)
    return table


def test_words_in_the_search_box_narrow_the_rows_whatever_their_case(shown: Shown) -> None:
    shown.search.fill("ORDERS")
    shown.says(3, 0)
    shown.search.fill("orders acme")
    shown.says(1, 0)
    assert shown.names() == ["Acme orders"]
    shown.search.fill("environment draft")  # what uses it is searched too
    assert shown.names() == ["Globex orders"]
    shown.search.fill("xero.example")
    assert shown.names() == ["Acme invoices"]
    soon(lambda: shown.notebook.value("table.visible_count"), 1)
    shown.search.fill("nothing has this")
    shown.says(0, 0)
    shown.press("Clear filters")
    shown.says(8, 0)
    expect(shown.search).to_have_value("")


def test_each_filter_offers_what_there_is_with_counts(shown: Shown) -> None:
    assert shown.choices("System") == ["all", "hubspot (2)", "netsuite (2)", "shopify (3)", "xero (1)"]
    assert shown.choices("Kind") == ["all", "dynamic (1)", "static (2)", "unused (5)"]
    assert shown.choices("In use") == ["all", "in use (1)", "no (5)", "running (2)"]
    assert shown.choices("Credential") == ["all", "errors (2)", "never validated (2)", "valid (4)"]
    shown.choose("System", "shopify (3)")
    assert shown.names() == ["Acme orders", "Globex orders", "Initech orders"]
    assert shown.choices("Kind") == ["all", "static (2)", "unused (1)"]  # counts of what the other filters leave
    shown.choose("Kind", "static (2)")
    shown.choose("In use", "running (1)")
    assert shown.names() == ["Acme orders"]
    shown.press("Clear filters")
    shown.choose("Credential", "errors (2)")
    assert shown.names() == ["Globex orders", "Initech orders"]


def test_age_and_last_update_are_filtered_by_a_range_of_days(shown: Shown) -> None:
    shown.root.get_by_label("Age in days, from").fill("90")
    assert shown.names() == [name for name in NAMES if name not in {"Globex orders", "Umbrella stock"}]
    shown.root.get_by_label("Age in days, to").fill("200")
    assert shown.names() == ["Acme invoices", "Initech mail", "Initech orders"]
    shown.root.get_by_label("Updated days ago, from").fill("21")
    assert shown.names() == ["Acme invoices", "Initech orders"]
    shown.root.get_by_label("Updated days ago, to").fill("94")
    assert shown.names() == ["Acme invoices"]


def test_a_header_sorts_up_then_down_then_not(shown: Shown) -> None:
    name, age = shown.header("Name"), shown.header("Age")
    name.click()
    assert shown.names() == sorted(NAMES)
    expect(name).to_have_attribute("aria-sort", "ascending")
    name.click()
    assert shown.names() == sorted(NAMES, reverse=True)
    expect(name).to_have_attribute("aria-sort", "descending")
    name.click()
    assert shown.names() == NAMES
    expect(name).to_have_attribute("aria-sort", "none")
    age.click()
    assert shown.names()[:3] == ["Globex orders", "Umbrella stock", "Initech orders"]
    shown.header("Kind").click()  # stable: equal kinds stay in the order of the rows
    assert shown.names()[1:3] == ["Acme orders", "Globex orders"]
    expect(age).to_have_attribute("aria-sort", "none")


def test_clicks_and_shift_clicks_select_in_the_order_that_is_shown(shown: Shown) -> None:
    shown.row("Globex stock").click()
    shown.python_has("Globex stock")
    shown.header("Name").click()  # Acme invoices, Acme orders, Globex orders, Globex stock, Hooli mail, Initech mail …
    shown.row("Acme orders").click()
    shown.row("Hooli mail").click(modifiers=["Shift"])
    shown.python_has("Acme orders", "Globex orders", "Globex stock", "Hooli mail")
    shown.says(8, 4)
    shown.row("Globex orders").click()
    shown.python_has("Acme orders", "Globex stock", "Hooli mail")
    shown.press("Clear selection")
    shown.python_has()


def test_select_all_shown_takes_only_what_the_filter_shows(shown: Shown) -> None:
    shown.row("Hooli mail").click()
    shown.choose("Kind", "unused (5)")
    shown.choose("System", "netsuite (2)")
    shown.press("Select all shown")
    shown.python_has("Globex stock", "Umbrella stock", "Hooli mail")
    shown.says(2, 3, hidden=1)


def test_the_selection_survives_filter_sort_and_fresh_rows(shown: Shown) -> None:
    shown.row("Acme invoices").click()
    shown.row("Initech mail").click()
    shown.row("Hooli mail").click()
    shown.search.fill("mail")
    shown.says(2, 3, hidden=1)
    shown.header("Name").click()
    shown.python_has("Acme invoices", "Initech mail", "Hooli mail")
    # Fresh rows: in another order, and Hooli mail is gone.
    order = ["Umbrella stock", "Initech mail", "Globex stock", "Acme invoices"]
    shown.notebook.do(f"table.set_rows({rows(order=order)!r})")
    shown.says(1, 2, hidden=1, of=4)
    assert list(shown.notebook.value("table.selection")) == [identifier("Initech mail"), identifier("Acme invoices")]
    shown.press("Clear filters")
    assert shown.ticked() == ["Acme invoices", "Initech mail"]  # still sorted by name


def test_python_selects_and_the_browser_shows_it(shown: Shown) -> None:
    shown.notebook.do("heard = []; table.on_selection(heard.append)")
    ids = [identifier("Acme orders"), identifier("Umbrella stock")]
    shown.notebook.do(f"table.select({[*ids, 'no such id']!r})")
    shown.says(8, 2)
    assert shown.ticked() == ["Acme orders", "Umbrella stock"]
    assert shown.notebook.value("heard") == [tuple(ids)]
    shown.row("Acme orders").click()
    soon(lambda: shown.notebook.value("heard[-1]"), tuple(ids[1:]))
    shown.notebook.do("threading.Thread(target=lambda: table.select([])).start()")
    shown.says(8, 0)


def test_outcomes_appear_in_their_rows_and_one_click_leaves_those_not_deleted(shown: Shown) -> None:
    expect(shown.header("Outcome")).to_have_count(0)
    expect(shown.root.get_by_role("button", name="Not deleted only")).to_be_hidden()
    first = {
        identifier("Acme invoices"): ("deleted", ""),
        identifier("Globex stock"): ("refused", "a rule: keep stock"),
    }
    second = {identifier("Acme orders"): ("in_use", "used by Orders"), identifier("Hooli mail"): ("already_gone", "")}
    shown.notebook.do(f"table.show_outcomes({first!r})")
    shown.notebook.do(f"table.show_outcomes({second!r})")
    outcome = shown.row("Globex stock").locator("[data-column=outcome]")
    expect(outcome).to_have_text("refused")
    expect(outcome).to_have_attribute("data-tone", "bad")
    expect(outcome).to_have_attribute("title", "a rule: keep stock")
    expect(shown.row("Acme invoices").locator("[data-column=outcome]")).to_have_attribute("data-tone", "good")
    expect(shown.row("Acme orders").locator("[data-column=outcome]")).to_have_attribute("data-tone", "kept")
    shown.row("Globex stock").click()
    expect(shown.detail).to_contain_text("a rule: keep stock")
    shown.press("Not deleted only")
    assert shown.names() == ["Acme orders", "Globex stock"]
    shown.press("Not deleted only")
    shown.says(8, 1)
    shown.notebook.do("table.filter_not_deleted(True)")
    shown.says(2, 1)
    soon(lambda: shown.notebook.value("table.visible_count"), 2)
    shown.notebook.do("table.clear_outcomes()")
    shown.says(8, 1)
    expect(shown.header("Outcome")).to_have_count(0)
    shown.notebook.do(f"table.show_outcomes({first | second!r})")
    tones = shown.grid.locator("[data-tone]:not(:empty)").evaluate_all(
        "(cells) => cells.map((cell) => `${cell.dataset.tone} ${getComputedStyle(cell, '::before').color}`)"
    )
    assert len(tones) == 4
    assert len({tone.split(" ", 1)[1] for tone in tones}) == len({tone.split(" ")[0] for tone in tones}) == 3


def test_the_detail_pane_and_the_hover_say_who_uses_a_connection(shown: Shown) -> None:
    cell = shown.row("Acme orders").locator("[data-column=in_use]")
    expect(cell).to_have_text("running \N{MULTIPLICATION SIGN}2")
    expect(cell).to_have_attribute("title", "project Orders, environment production")
    shown.row("Initech mail").click()
    expect(shown.detail).to_contain_text("end user jo")
    expect(shown.detail).to_contain_text(identifier("Initech mail"))
    expect(shown.row("Globex orders").locator("[data-column=in_use]")).to_have_text("in use")
    expect(shown.row("Hooli mail").locator("[data-column=in_use]")).to_have_text("no")
    expect(shown.row("Hooli mail").locator("[data-column=credential_errors]")).to_have_text("valid")
    expect(shown.row("Umbrella stock").locator("[data-column=credential_errors]")).to_have_text("never validated")
    expect(shown.row("Globex orders").locator("[data-column=created_at]")).to_have_text("30 days")


def test_the_keyboard_alone_is_enough(shown: Shown) -> None:
    keyboard = shown.page.keyboard
    shown.search.focus()
    for _ in range(30):  # Tab leads to the grid, which is one stop
        keyboard.press("Tab")
        if shown.grid.evaluate("(grid) => grid === document.activeElement"):
            break
    expect(shown.grid).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.press("Space")
    shown.python_has("Acme invoices")
    expect(shown.detail).to_contain_text("Acme invoices")
    active = shown.grid.get_attribute("aria-activedescendant")
    outline = shown.page.locator(f"#{active}").evaluate("(cell) => getComputedStyle(cell).outlineStyle")
    assert outline == "solid"  # the focus is seen
    keyboard.press("Shift+ArrowDown")
    keyboard.press("Shift+ArrowDown")
    shown.python_has("Acme invoices", "Globex orders", "Globex stock")
    keyboard.press("Shift+ArrowUp")
    shown.python_has("Acme invoices", "Globex orders")
    keyboard.press("End")
    expect(shown.detail).to_contain_text("Hooli mail")
    keyboard.press("Home")
    expect(shown.detail).to_contain_text("Acme orders")
    keyboard.press("ArrowUp")  # to the header
    keyboard.press("ArrowRight")
    keyboard.press("Enter")
    assert shown.names() == sorted(NAMES)
    keyboard.press("PageDown")
    expect(shown.detail).to_contain_text("Umbrella stock")
    keyboard.press("Control+a")
    shown.says(8, 8)
    keyboard.press("Space")
    shown.says(8, 7)
    keyboard.press("Tab")
    expect(shown.detail).to_be_focused()
    keyboard.press("Shift+Tab")
    expect(shown.grid).to_be_focused()


def test_text_from_the_server_executes_nothing(page: Page, lab: Lab) -> None:
    hostile = "<img src=x onerror=window.__hacked=1>"
    listed = rows(
        (hostile, hostile, hostile, True, 1, hostile, hostile, 1, 1),
        ("ansi \x1b[31mred", "bidi \u202eevil", "static", True, 1, "null \0", "", 1, 1),
        ("x" * 4_000, "y" * 5_000, "unused", False, 0, "", "</style><script>window.__hacked=1</script>", 1, 1),
    )
    listed["base_url"][0] = "javascript:window.__hacked=1"
    table = Shown(opened(page, lab, f"table.set_rows({listed!r})"))
    outcomes = {listed["id"][0]: ("refused", hostile), listed["id"][1]: (hostile, hostile)}
    table.notebook.do(f"table.show_outcomes({outcomes!r})")
    expect(table.header("Outcome")).to_be_visible()
    for n in range(3):
        table.grid.locator(".vt-body [role=row]").nth(n).click()
        page.mouse.move(0, 0)
    expect(table.detail).to_contain_text("yyyy… (5,000 characters)")
    assert max(len(text) for text in table.detail.locator("dd").all_text_contents()) < 4_040
    table.search.fill("<img")
    table.choose("System", f"{hostile} (1)")
    table.notebook.do(f"table.on_selection(lambda ids: 1 / 0)\ntable.errors.append({hostile!r})")
    table.press("Clear selection")
    expect(table.root.get_by_role("alert")).to_contain_text(hostile)
    assert table.names() == [hostile]
    table.press("Clear filters")
    assert page.evaluate("window.__hacked") is None
    assert table.root.locator("img, script").count() == 0
    text = table.root.inner_text()
    assert "\\u001b[31mred" in text
    assert "\\u202eevil" in text
    assert not set("\x1b\u202e\0") & set(text)
    assert table.row("xxxx").evaluate("(row) => row.offsetHeight") == 28


def test_what_a_callback_raises_is_shown(shown: Shown) -> None:
    shown.notebook.do("heard = []\ntable.on_selection(lambda ids: {}['gone'])\ntable.on_selection(heard.append)")
    shown.row("Acme orders").click()
    expect(shown.root.get_by_role("alert")).to_have_text("KeyError: 'gone'")
    assert shown.notebook.value("table.errors") == ["KeyError: 'gone'"]
    assert shown.notebook.value("len(heard)") == 1  # the others are called all the same


def test_jupyterlabs_keys_do_not_fire_in_the_table(shown: Shown) -> None:
    before = shown.notebook.cells()
    for place in (shown.grid, shown.detail, shown.root.get_by_role("button", name="Clear filters")):
        place.focus()
        for key in ("b", "a", "x", "d", "d", "m", "Shift+Enter", "Control+Enter", "z"):
            shown.page.keyboard.press(key)
    shown.page.wait_for_timeout(300)
    assert shown.notebook.cells() == before
    assert shown.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCell.model.type") == "code"
    # The same key does insert a cell where JupyterLab has the focus.
    shown.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCell.node.focus()")
    shown.page.keyboard.press("b")
    expect(shown.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")).to_have_count(before + 1)


def test_two_views_and_two_windows_show_the_same_selection(page: Page, lab: Lab) -> None:
    notebook = opened(page, lab, f"table.set_rows({rows()!r})", "table", "table")
    first, second = (Shown(notebook, notebook.output(cell)) for cell in (1, 2))
    first.row("Globex stock").click()
    second.says(8, 1)
    second.search.fill("acme")
    first.says(2, 1, hidden=1)
    expect(first.search).to_have_value("acme")
    notebook.save()
    other = page.context.new_page()
    again = Notebook(other, lab, "table.ipynb")
    third = Shown(again, again.output(1))
    third.says(2, 1, hidden=1)  # it begins with what the last one filtered by
    third.search.fill("stock")
    third.says(2, 1)
    notebook.do(f"table.set_rows({rows()!r})")
    first.says(2, 1, hidden=1)  # and then each window has its own, also when fresh rows come
    third.press("Clear filters")
    third.row("Acme orders").click()
    first.says(2, 2, hidden=1)
    second.press("Select all shown")
    third.says(8, 3)
    first.python_has("Acme orders", "Acme invoices", "Globex stock")
    other.close()


def test_a_reloaded_page_shows_the_same_filters_sort_and_selection_and_the_saved_notebook_none_of_them(
    shown: Shown, lab: Lab
) -> None:
    shown.search.fill("Shopify.example")
    shown.choose("In use", "running (1)")
    shown.choose("In use", "no (1)")
    shown.root.get_by_label("Age in days, from").fill("90")
    shown.row("Initech orders").click()
    shown.root.get_by_role("combobox", name="In use", exact=True).select_option(label="all")
    shown.header("Name").click()
    shown.header("Name").click()
    shown.says(2, 1)
    shown.notebook.save()
    shown.page.reload()
    expect(shown.search).to_have_value("Shopify.example", timeout=30_000)
    shown.says(2, 1)
    assert shown.names() == ["Initech orders", "Acme orders"]
    assert shown.ticked() == ["Initech orders"]
    expect(shown.root.get_by_label("Age in days, from")).to_have_value("90")
    expect(shown.header("Name")).to_have_attribute("aria-sort", "descending")
    shown.python_has("Initech orders")
    shown.press("Clear filters")
    shown.says(8, 1)
    assert "Shopify.example" not in lab.read("table.ipynb")
    # Fresh rows come to a page that is there already: it keeps what its person filters by.
    shown.search.fill("mail")
    shown.notebook.do(f"table.set_rows({rows()!r})")
    shown.says(2, 1, hidden=1)


def test_what_is_no_known_id_and_no_view_is_not_taken_from_the_browser(shown: Shown) -> None:
    messages: tuple[object, ...] = (
        {"type": "select", "on": ["no such id", 5, None, identifier("Acme orders")], "off": {"a": 1}},
        {"type": "select", "on": "nonsense"},
        {"type": "unheard of"},
        {"type": "seen"},
        {"type": "seen", "count": "many", "state": {"filters": {"search": "acme"}}},
        {"type": "seen", "count": 1, "state": {"filters": {"search": ["acme"]}}},
        {"type": "seen", "count": 1, "state": {"by": 5}},
        {"type": "seen", "count": 1, "state": {"only": "yes", "direction": 1}},
        {"type": "seen", "count": 1, "state": {"direction": 3}},
        "nonsense",
    )
    for message in messages:
        shown.notebook.do(f"table._receive(table, {message!r}, [])")
    assert shown.notebook.value("table.selection") == (identifier("Acme orders"),)
    assert shown.notebook.value("table.errors") == []
    shown.notebook.do("table._send_all()")
    shown.says(8, 1)
    assert shown.notebook.value("(table.visible_count, table._look.filters, table._look.by)") == (8, {}, "")


def test_a_saved_notebook_holds_no_rows(page: Page, lab: Lab) -> None:
    table = Shown(opened(page, lab, f"{MANY}\ntable.set_rows(many)"))
    table.says(50_000, 0, of=50_000)
    table.press("Select all shown")
    table.says(50_000, 50_000, of=50_000)
    table.notebook.save()
    saved = lab.read("table.ipynb")
    assert "Connection 7 of a customer" not in saved
    state = json.loads(saved)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    code = {"_esm", "_css"}  # the table's own code, the same whatever it shows
    data = [{name: value for name, value in model["state"].items() if name not in code} for model in state.values()]
    tell(f"saved widget state: {len(json.dumps(data)):,} bytes, with the code {len(json.dumps(state)):,}")
    assert len(json.dumps(data)) < 5_000


class Clock:
    """Notes how long each step takes."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.took[what] = time.perf_counter() - began

    def tell(self) -> None:
        figures = (f"{what} {seconds:.2f} s" for what, seconds in self.took.items())
        tell(f"\n50,000 rows (load {os.getloadavg()[0]:.1f}): {', '.join(figures)}")
        assert max(self.took.values()) < 10  # generous: machines differ


@pytest.fixture
def many(page: Page, lab: Lab) -> tuple[Shown, Clock]:
    """50,000 rows, and how long their first paint took."""
    lab.write(
        "many.ipynb",
        f"import datetime, time\nfrom versori_magics.notebook.table import ConnectionTable\n{MANY}",
        "table = ConnectionTable(); table.set_rows(many)\nheard = [(0, 0)]\n"
        "table.on_selection(lambda ids: heard.append((time.time() * 1000, len(ids))))\ntable",
    )
    notebook = Notebook(page, lab, "many.ipynb")
    notebook.run(0)
    table, clock = Shown(notebook), Clock()
    page.evaluate(PAINTED)
    notebook.run(1)
    table.says(50_000, 0, of=50_000)
    clock.took["first paint"] = page.evaluate("window.painted") / 1000
    return table, clock


def test_fifty_thousand_rows_filter_and_sort_at_once(many: tuple[Shown, Clock]) -> None:
    table, clock = many
    with clock("first search"):
        table.search.fill("tenants/777 customer")
        table.says(11, 0, of=50_000)
    with clock("next search"):
        table.search.fill("nobody")
        table.says(0, 0, of=50_000)
    table.press("Clear filters")
    table.says(50_000, 0, of=50_000)
    with clock("sort"):
        table.header("Age").click()
        expect(table.header("Age")).to_have_attribute("aria-sort", "ascending")
    with clock("fresh rows"):
        table.notebook.do("table.set_rows({name: values[::-1][:40_000] for name, values in many.items()})")
        table.says(40_000, 0, of=40_000)
    table.grid.focus()
    table.page.keyboard.press("End")
    expect(table.grid.locator("[aria-rowindex='40001']")).to_be_visible()
    assert table.grid.locator("[role=row]").count() < 60  # only what is seen exists
    clock.tell()


def test_fifty_thousand_rows_are_selected_at_once(many: tuple[Shown, Clock]) -> None:
    table, clock = many
    table.page.evaluate("addEventListener('click', () => { window.clicked = Date.now(); }, true)")

    def reaches_python(what: str, selected: int) -> None:
        soon(lambda: table.notebook.value("heard[-1][1]"), selected, 30)
        clock.took[what] = (table.notebook.value("heard[-1][0]") - table.page.evaluate("window.clicked")) / 1000

    table.row("Connection 3 of").click()
    reaches_python("a click reaches Python", 1)
    table.choose("System", next(choice for choice in table.choices("System") if choice.startswith("xero")))
    expect(table.status).to_contain_text("(1 hidden")
    shown = int(table.status.inner_text().split(" ")[0].replace(",", ""))
    table.press("Select all shown")
    reaches_python(f"select {shown:,} filtered rows", shown + 1)
    table.press("Clear filters")
    table.press("Select all shown")
    reaches_python("select 50,000 rows", 50_000)
    table.row("Connection 3 of").click()
    reaches_python("a click with 50,000 selected", 49_999)
    table.says(50_000, 49_999, of=50_000)
    table.press("Clear selection")
    reaches_python("clear 50,000", 0)
    clock.tell()


def test_a_screen_reader_finds_a_labelled_grid(shown: Shown) -> None:
    shown.row("Acme invoices").click()
    expect(shown.grid).to_have_attribute("aria-multiselectable", "true")
    expect(shown.grid).to_have_attribute("aria-rowcount", "9")
    assert shown.grid.get_by_role("row").count() == 9
    assert shown.grid.get_by_role("columnheader").count() == 9
    expect(shown.row("Acme invoices")).to_have_attribute("aria-rowindex", "3")
    expect(shown.row("Acme invoices")).to_have_attribute("aria-selected", "true")
    expect(shown.row("Acme orders")).to_have_attribute("aria-selected", "false")
    assert shown.row("Acme orders").get_by_role("gridcell").count() == 9
    active = shown.page.locator(f"#{shown.grid.get_attribute('aria-activedescendant')}")
    expect(active).to_have_attribute("role", "gridcell")
    expect(shown.status).to_have_attribute("aria-live", "polite")
    expect(shown.root.get_by_role("group", name="Filters")).to_be_visible()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_no_serious_violation(shown: Shown, axe: Callable[[str], list[Any]], theme: str) -> None:
    outcomes = {identifier("Acme invoices"): ("deleted", ""), identifier("Globex stock"): ("refused", "a rule")}
    shown.notebook.do(f"table.show_outcomes({outcomes!r})\ntable.on_selection(lambda ids: 1 / 0)")
    shown.notebook.theme(theme)
    shown.row("Globex stock").click()
    shown.row("Acme orders").click()
    expect(shown.root.get_by_role("alert")).to_be_visible()
    assert axe(".vs-table") == []


def test_the_browser_understands_every_line_of_the_style_sheet(page: Page) -> None:
    css = re.sub(r"/\*.*?\*/", "", str(ConnectionTable._css), flags=re.DOTALL)
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", css)
    assert css.count("{") == css.count("}") == len(rules) > 30
    strange = page.evaluate(
        """(rules) => rules.flatMap(([selector, body]) => {
            const known = (() => { try { return document.querySelector(selector) !== 0; } catch { return false; } })();
            const lines = body.split(";").map((line) => line.trim()).filter(Boolean);
            return [...(known ? [] : [selector]), ...lines.filter((line) => !CSS.supports(line))];
        })""",
        rules,
    )
    assert strange == []
