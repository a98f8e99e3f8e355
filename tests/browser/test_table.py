"""The table of connections as a person uses it in JupyterLab, with the mouse and with the keyboard."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.jupyterlab import JupyterLab, Notebook

from versori_magics.notebook.form.connection_table import ConnectionTable

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
DEFINE_MANY_ROWS = """
import random
generator, now = random.Random(1), datetime.datetime.now(datetime.UTC)
ids = [f"01J{number:023d}" for number in range(50_000)]
def pick(*values):
    return [generator.choice(values) for _ in ids]
def ago(days):
    return [(now - datetime.timedelta(days=generator.random() * days)).isoformat() for _ in ids]
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

# Measures the time until rows are painted. It is measured in the page, because Playwright itself is slowed down by the
# 16 MB of rows.
MEASURE_FIRST_PAINT = """() => {
    const start = Date.now();
    window.firstPaint = null;
    new MutationObserver((_, observer) => {
        if (!document.querySelector(".vt-body [role=row]")) return;
        observer.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => { window.firstPaint = Date.now() - start; }));
    }).observe(document.body, { childList: true, subtree: true });
}"""


def identifier(name: str) -> str:
    return f"01J{NAMES.index(name):023d}"


def rows(*others: tuple[Any, ...], order: Iterable[str] = NAMES) -> dict[str, list[Any]]:
    """Return columns of the connections above, in this order, or of others."""
    now = datetime.now(UTC)
    connections = others or [CONNECTIONS[NAMES.index(name)] for name in order]
    columns = ("name", "system", "kind", "in_use", "running", "used_by", "credential_errors")
    return {
        "id": [identifier(row[0]) if row[0] in NAMES else f"01X{n:023d}" for n, row in enumerate(connections)],
        "base_url": [f"https://{row[1]}.example.test/v1" for row in connections],
        **{column: [row[n] for row in connections] for n, column in enumerate(columns)},
        "created_at": [(now - timedelta(days=row[7], minutes=1)).isoformat() for row in connections],
        "updated_at": [(now - timedelta(days=row[8], minutes=1)).isoformat() for row in connections],
    }


class Table:
    """The table as the page shows it."""

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

    def selected_names(self) -> list[str]:
        return [name for name in self.names() if self.row(name).get_attribute("aria-selected") == "true"]

    def expect_status(self, visible: int, selected: int, hidden: int = 0, of: int = len(CONNECTIONS)) -> None:
        text = f"{visible:,} of {of:,} rows, {selected:,} selected ({hidden:,} hidden by the filter)"
        expect(self.status).to_have_text(text)

    def choose(self, label: str, choice: str) -> None:
        self.root.get_by_role("combobox", name=label, exact=True).select_option(label=choice)

    def choices(self, label: str) -> list[str]:
        return self.root.get_by_role("combobox", name=label, exact=True).locator("option").all_text_contents()

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name).click()

    def header(self, name: str) -> Locator:
        return self.grid.get_by_role("columnheader", name=name)

    def expect_selection(self, *names: str) -> None:
        wait_until_equal(lambda: list(self.notebook.value("table.selection")), [identifier(name) for name in names])


def wait_until_equal(read: Callable[[], object], expected: object, seconds: float = 5) -> None:
    """Wait until `read` returns the expected value."""
    deadline = time.monotonic() + seconds
    while (value := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert value == expected


def log(text: str) -> None:
    print(text)  # noqa: T201 - figures for a person who reads the run (pytest -s)


def open_table(page: Page, lab: JupyterLab, set_up: str, *cells: str) -> Notebook:
    """Open a notebook that sets up a `table` and shows it."""
    lab.write(
        "table.ipynb",
        "import datetime, threading, time\nfrom versori_magics.notebook.form.connection_table import ConnectionTable\n"
        f"table = ConnectionTable()\n{set_up}",
        *(cells or ("table",)),
    )
    notebook = Notebook(page, lab, "table.ipynb")
    for cell in range(1 + len(cells or ("table",))):
        notebook.run(cell)
    expect(page.locator(".vs-table").first).to_be_visible()
    return notebook


@pytest.fixture
def table(page: Page, lab: JupyterLab) -> Table:
    """A table of the connections above."""
    table = Table(open_table(page, lab, f"table.set_rows({rows()!r})"))
    table.expect_status(8, 0)
    return table


def test_the_search_filters_rows_by_words_in_any_case(table: Table) -> None:
    table.search.fill("ORDERS")
    table.expect_status(3, 0)
    table.search.fill("orders acme")
    table.expect_status(1, 0)
    assert table.names() == ["Acme orders"]
    table.search.fill("environment draft")  # the search includes the users
    assert table.names() == ["Globex orders"]
    table.search.fill("xero.example")
    assert table.names() == ["Acme invoices"]
    wait_until_equal(lambda: table.notebook.value("table.visible_count"), 1)
    table.search.fill("nothing has this")
    table.expect_status(0, 0)
    table.press("Clear filters")
    table.expect_status(8, 0)
    expect(table.search).to_have_value("")


def test_each_filter_lists_its_choices_with_counts(table: Table) -> None:
    assert table.choices("System") == ["all", "hubspot (2)", "netsuite (2)", "shopify (3)", "xero (1)"]
    assert table.choices("Kind") == ["all", "dynamic (1)", "static (2)", "unused (5)"]
    assert table.choices("In use") == ["all", "in use (1)", "no (5)", "running (2)"]
    assert table.choices("Credential") == ["all", "errors (2)", "never validated (2)", "valid (4)"]
    table.choose("System", "shopify (3)")
    assert table.names() == ["Acme orders", "Globex orders", "Initech orders"]
    assert table.choices("Kind") == ["all", "static (2)", "unused (1)"]  # of the rows that the other filters show
    table.choose("Kind", "static (2)")
    table.choose("In use", "running (1)")
    assert table.names() == ["Acme orders"]
    table.press("Clear filters")
    table.choose("Credential", "errors (2)")
    assert table.names() == ["Globex orders", "Initech orders"]


def test_age_and_last_update_are_filtered_by_a_range_of_days(table: Table) -> None:
    table.root.get_by_label("Age in days, from").fill("90")
    assert table.names() == [name for name in NAMES if name not in {"Globex orders", "Umbrella stock"}]
    table.root.get_by_label("Age in days, to").fill("200")
    assert table.names() == ["Acme invoices", "Initech mail", "Initech orders"]
    table.root.get_by_label("Updated days ago, from").fill("21")
    assert table.names() == ["Acme invoices", "Initech orders"]
    table.root.get_by_label("Updated days ago, to").fill("94")
    assert table.names() == ["Acme invoices"]


def test_clicking_a_header_sorts_ascending_then_descending_then_not_at_all(table: Table) -> None:
    name, age = table.header("Name"), table.header("Age")
    name.click()
    assert table.names() == sorted(NAMES)
    expect(name).to_have_attribute("aria-sort", "ascending")
    name.click()
    assert table.names() == sorted(NAMES, reverse=True)
    expect(name).to_have_attribute("aria-sort", "descending")
    name.click()
    assert table.names() == NAMES
    expect(name).to_have_attribute("aria-sort", "none")
    age.click()
    assert table.names()[:3] == ["Globex orders", "Umbrella stock", "Initech orders"]
    table.header("Kind").click()  # the sort is stable: rows of equal kind keep their order
    assert table.names()[1:3] == ["Acme orders", "Globex orders"]
    expect(age).to_have_attribute("aria-sort", "none")


def test_clicks_and_shift_clicks_select_rows_in_the_visible_order(table: Table) -> None:
    table.row("Globex stock").click()
    table.expect_selection("Globex stock")
    table.header("Name").click()  # Acme invoices, Acme orders, Globex orders, Globex stock, Hooli mail, Initech mail …
    table.row("Acme orders").click()
    table.row("Hooli mail").click(modifiers=["Shift"])
    table.expect_selection("Acme orders", "Globex orders", "Globex stock", "Hooli mail")
    table.expect_status(8, 4)
    table.row("Globex orders").click()
    table.expect_selection("Acme orders", "Globex stock", "Hooli mail")
    table.press("Clear selection")
    table.expect_selection()


def test_select_all_shown_selects_only_rows_that_the_filter_shows(table: Table) -> None:
    table.row("Hooli mail").click()
    table.choose("Kind", "unused (5)")
    table.choose("System", "netsuite (2)")
    table.press("Select all shown")
    table.expect_selection("Globex stock", "Umbrella stock", "Hooli mail")
    table.expect_status(2, 3, hidden=1)


def test_the_selection_survives_filtering_sorting_and_new_rows(table: Table) -> None:
    table.row("Acme invoices").click()
    table.row("Initech mail").click()
    table.row("Hooli mail").click()
    table.search.fill("mail")
    table.expect_status(2, 3, hidden=1)
    table.header("Name").click()
    table.expect_selection("Acme invoices", "Initech mail", "Hooli mail")
    # The new rows are in another order and lack Hooli mail.
    order = ["Umbrella stock", "Initech mail", "Globex stock", "Acme invoices"]
    table.notebook.execute(f"table.set_rows({rows(order=order)!r})")
    table.expect_status(1, 2, hidden=1, of=4)
    assert list(table.notebook.value("table.selection")) == [identifier("Initech mail"), identifier("Acme invoices")]
    table.press("Clear filters")
    assert table.selected_names() == ["Acme invoices", "Initech mail"]  # still sorted by name


def test_a_selection_made_in_python_is_shown_in_the_browser(table: Table) -> None:
    table.notebook.execute("received = []; table.on_selection(received.append)")
    ids = [identifier("Acme orders"), identifier("Umbrella stock")]
    table.notebook.execute(f"table.select({[*ids, 'no such id']!r})")
    table.expect_status(8, 2)
    assert table.selected_names() == ["Acme orders", "Umbrella stock"]
    assert table.notebook.value("received") == [tuple(ids)]
    table.row("Acme orders").click()
    wait_until_equal(lambda: table.notebook.value("received[-1]"), tuple(ids[1:]))
    table.notebook.execute("threading.Thread(target=lambda: table.select([])).start()")
    table.expect_status(8, 0)


def test_outcomes_are_shown_in_their_rows_and_one_click_shows_those_not_deleted(table: Table) -> None:
    expect(table.header("Outcome")).to_have_count(0)
    expect(table.root.get_by_role("button", name="Not deleted only")).to_be_hidden()
    first = {
        identifier("Acme invoices"): ("deleted", ""),
        identifier("Globex stock"): ("refused", "a rule: keep stock"),
    }
    second = {identifier("Acme orders"): ("in_use", "used by Orders"), identifier("Hooli mail"): ("already_gone", "")}
    table.notebook.execute(f"table.show_outcomes({first!r})")
    table.notebook.execute(f"table.show_outcomes({second!r})")
    outcome = table.row("Globex stock").locator("[data-column=outcome]")
    expect(outcome).to_have_text("refused")
    expect(outcome).to_have_attribute("data-tone", "bad")
    expect(outcome).to_have_attribute("title", "a rule: keep stock")
    expect(table.row("Acme invoices").locator("[data-column=outcome]")).to_have_attribute("data-tone", "good")
    expect(table.row("Acme orders").locator("[data-column=outcome]")).to_have_attribute("data-tone", "kept")
    expect(table.row("Acme orders").locator("[data-column=outcome]")).to_have_text("in use")
    expect(table.row("Hooli mail").locator("[data-column=outcome]")).to_have_text("already gone")
    table.row("Globex stock").click()
    expect(table.detail).to_contain_text("a rule: keep stock")
    table.press("Not deleted only")
    assert table.names() == ["Acme orders", "Globex stock"]
    table.press("Not deleted only")
    table.expect_status(8, 1)
    table.notebook.execute("table.filter_not_deleted(True)")
    table.expect_status(2, 1)
    wait_until_equal(lambda: table.notebook.value("table.visible_count"), 2)
    table.notebook.execute("table.clear_outcomes()")
    table.expect_status(8, 1)
    expect(table.header("Outcome")).to_have_count(0)
    table.notebook.execute(f"table.show_outcomes({first | second!r})")
    tones = table.grid.locator("[data-tone]:not(:empty)").evaluate_all(
        "(cells) => cells.map((cell) => `${cell.dataset.tone} ${getComputedStyle(cell, '::before').color}`)"
    )
    assert len(tones) == 4
    assert len({tone.split(" ", 1)[1] for tone in tones}) == len({tone.split(" ")[0] for tone in tones}) == 3


def test_the_detail_pane_and_the_tooltip_show_who_uses_a_connection(table: Table) -> None:
    cell = table.row("Acme orders").locator("[data-column=in_use]")
    expect(cell).to_have_text("running \N{MULTIPLICATION SIGN}2")
    expect(cell).to_have_attribute("title", "project Orders, environment production")
    table.row("Initech mail").click()
    expect(table.detail).to_contain_text("end user jo")
    expect(table.detail).to_contain_text(identifier("Initech mail"))
    expect(table.row("Globex orders").locator("[data-column=in_use]")).to_have_text("in use")
    expect(table.row("Hooli mail").locator("[data-column=in_use]")).to_have_text("no")
    expect(table.row("Hooli mail").locator("[data-column=credential_errors]")).to_have_text("valid")
    expect(table.row("Umbrella stock").locator("[data-column=credential_errors]")).to_have_text("never validated")
    expect(table.row("Globex orders").locator("[data-column=created_at]")).to_have_text("30 days")


def test_the_table_can_be_used_with_the_keyboard_alone(table: Table) -> None:
    keyboard = table.page.keyboard
    table.search.focus()
    for _ in range(30):  # Tab reaches the grid, which is a single tab stop
        keyboard.press("Tab")
        if table.grid.evaluate("(grid) => grid === document.activeElement"):
            break
    expect(table.grid).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.press("Space")
    table.expect_selection("Acme invoices")
    expect(table.detail).to_contain_text("Acme invoices")
    active = table.grid.get_attribute("aria-activedescendant")
    outline = table.page.locator(f"#{active}").evaluate("(cell) => getComputedStyle(cell).outlineStyle")
    assert outline == "solid"  # the focus is visible
    keyboard.press("Shift+ArrowDown")
    keyboard.press("Shift+ArrowDown")
    table.expect_selection("Acme invoices", "Globex orders", "Globex stock")
    keyboard.press("Shift+ArrowUp")
    table.expect_selection("Acme invoices", "Globex orders")
    keyboard.press("End")
    expect(table.detail).to_contain_text("Hooli mail")
    keyboard.press("Home")
    expect(table.detail).to_contain_text("Acme orders")
    keyboard.press("ArrowUp")  # to the header
    keyboard.press("ArrowRight")
    keyboard.press("Enter")
    assert table.names() == sorted(NAMES)
    keyboard.press("PageDown")
    expect(table.detail).to_contain_text("Umbrella stock")
    keyboard.press("Control+a")
    table.expect_status(8, 8)
    keyboard.press("Space")
    table.expect_status(8, 7)
    keyboard.press("Tab")
    expect(table.detail).to_be_focused()
    keyboard.press("Shift+Tab")
    expect(table.grid).to_be_focused()


def test_text_from_the_server_is_never_executed(page: Page, lab: JupyterLab) -> None:
    hostile = "<img src=x onerror=window.__hacked=1>"
    hostile_rows = rows(
        (hostile, hostile, hostile, True, 1, hostile, hostile, 1, 1),
        ("ansi \x1b[31mred", "bidi \u202eevil", "static", True, 1, "null \0", "", 1, 1),
        ("x" * 4_000, "y" * 5_000, "unused", False, 0, "", "</style><script>window.__hacked=1</script>", 1, 1),
    )
    hostile_rows["base_url"][0] = "javascript:window.__hacked=1"
    table = Table(open_table(page, lab, f"table.set_rows({hostile_rows!r})"))
    outcomes = {hostile_rows["id"][0]: ("refused", hostile), hostile_rows["id"][1]: (hostile, hostile)}
    table.notebook.execute(f"table.show_outcomes({outcomes!r})")
    expect(table.header("Outcome")).to_be_visible()
    for n in range(3):
        table.grid.locator(".vt-body [role=row]").nth(n).click()
        page.mouse.move(0, 0)
    expect(table.detail).to_contain_text("yyyy… (5,000 characters)")
    assert max(len(text) for text in table.detail.locator("dd").all_text_contents()) < 4_040
    table.search.fill("<img")
    table.choose("System", f"{hostile} (1)")
    table.notebook.execute(f"table.on_selection(lambda ids: 1 / 0)\ntable.errors.append({hostile!r})")
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


def test_the_error_of_a_callback_is_shown(table: Table) -> None:
    table.notebook.execute(
        "received = []\ntable.on_selection(lambda ids: {}['gone'])\ntable.on_selection(received.append)"
    )
    table.row("Acme orders").click()
    expect(table.root.get_by_role("alert")).to_have_text("KeyError: 'gone'")
    assert table.notebook.value("table.errors") == ["KeyError: 'gone'"]
    assert table.notebook.value("len(received)") == 1  # the other callbacks are still called


def test_keys_pressed_in_the_table_do_not_run_jupyterlab_commands(table: Table) -> None:
    before = table.notebook.cell_count()
    for place in (table.grid, table.detail, table.root.get_by_role("button", name="Clear filters")):
        place.focus()
        for key in ("b", "a", "x", "d", "d", "m", "Shift+Enter", "Control+Enter", "z"):
            table.page.keyboard.press(key)
    table.page.wait_for_timeout(300)
    assert table.notebook.cell_count() == before
    assert table.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCell.model.type") == "code"
    # The same key inserts a cell if the focus is outside the table.
    table.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCell.node.focus()")
    table.page.keyboard.press("b")
    expect(table.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")).to_have_count(before + 1)


def test_two_views_and_two_windows_show_the_same_selection(page: Page, lab: JupyterLab) -> None:
    notebook = open_table(page, lab, f"table.set_rows({rows()!r})", "table", "table")
    first, second = (Table(notebook, notebook.output(cell)) for cell in (1, 2))
    first.row("Globex stock").click()
    second.expect_status(8, 1)
    second.search.fill("acme")
    first.expect_status(2, 1, hidden=1)
    expect(first.search).to_have_value("acme")
    notebook.save()
    other = page.context.new_page()
    reopened = Notebook(other, lab, "table.ipynb")
    third = Table(reopened, reopened.output(1))
    third.expect_status(2, 1, hidden=1)  # a new window starts with the last filters
    third.search.fill("stock")
    third.expect_status(2, 1)
    notebook.execute(f"table.set_rows({rows()!r})")
    first.expect_status(2, 1, hidden=1)  # then each window keeps its own, also after new rows
    third.press("Clear filters")
    third.row("Acme orders").click()
    first.expect_status(2, 2, hidden=1)
    second.press("Select all shown")
    third.expect_status(8, 3)
    first.expect_selection("Acme orders", "Acme invoices", "Globex stock")
    other.close()


def test_a_reloaded_page_shows_the_same_filters_sort_order_and_selection_without_saving_them(
    table: Table, lab: JupyterLab
) -> None:
    table.search.fill("Shopify.example")
    table.choose("In use", "running (1)")
    table.choose("In use", "no (1)")
    table.root.get_by_label("Age in days, from").fill("90")
    table.row("Initech orders").click()
    table.root.get_by_role("combobox", name="In use", exact=True).select_option(label="all")
    table.header("Name").click()
    table.header("Name").click()
    table.expect_status(2, 1)
    table.notebook.save()
    table.page.reload()
    expect(table.search).to_have_value("Shopify.example", timeout=30_000)
    table.expect_status(2, 1)
    assert table.names() == ["Initech orders", "Acme orders"]
    assert table.selected_names() == ["Initech orders"]
    expect(table.root.get_by_label("Age in days, from")).to_have_value("90")
    expect(table.header("Name")).to_have_attribute("aria-sort", "descending")
    table.expect_selection("Initech orders")
    table.press("Clear filters")
    table.expect_status(8, 1)
    assert "Shopify.example" not in lab.read("table.ipynb")
    # New rows do not change the filters of an open page.
    table.search.fill("mail")
    table.notebook.execute(f"table.set_rows({rows()!r})")
    table.expect_status(2, 1, hidden=1)


def test_unknown_ids_and_invalid_messages_from_the_browser_are_ignored(table: Table) -> None:
    messages: tuple[object, ...] = (
        {"type": "select", "selected": ["no such id", 5, None, identifier("Acme orders")], "deselected": {"a": 1}},
        {"type": "select", "selected": "nonsense"},
        {"type": "no such type"},
        {"type": "view"},
        {"type": ["view"]},
        {"type": "view", "visible_count": "many", "view": {"filters": {"search": "acme"}}},
        {"type": "view", "visible_count": 1, "view": {"filters": {"search": ["acme"]}}},
        {"type": "view", "visible_count": 1, "view": {"sort_by": 5}},
        {"type": "view", "visible_count": 1, "view": {"only_not_deleted": "yes", "direction": 1}},
        {"type": "view", "visible_count": 1, "view": {"direction": 3}},
        "nonsense",
    )
    for message in messages:
        table.notebook.execute(f"table._receive(table, {message!r}, [])")
    assert table.notebook.value("table.selection") == (identifier("Acme orders"),)
    assert table.notebook.value("table.errors") == []
    table.notebook.execute("table._send_rows()")
    table.expect_status(8, 1)
    assert table.notebook.value("(table.visible_count, table._view.filters, table._view.sort_by)") == (8, {}, "")


def test_a_saved_notebook_contains_no_rows(page: Page, lab: JupyterLab) -> None:
    table = Table(open_table(page, lab, f"{DEFINE_MANY_ROWS}\ntable.set_rows(many)"))
    table.expect_status(50_000, 0, of=50_000)
    table.press("Select all shown")
    table.expect_status(50_000, 50_000, of=50_000)
    table.notebook.save()
    saved = lab.read("table.ipynb")
    assert "Connection 7 of a customer" not in saved
    state = json.loads(saved)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    code = {"_esm", "_css"}  # the table's own code, which does not depend on the rows
    data = [{name: value for name, value in model["state"].items() if name not in code} for model in state.values()]
    log(f"saved widget state: {len(json.dumps(data)):,} bytes, with the code {len(json.dumps(state)):,}")
    assert len(json.dumps(data)) < 5_000


class Stopwatch:
    """Measures how long each step takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start

    def check(self) -> None:
        steps = (f"{step} {seconds:.2f} s" for step, seconds in self.seconds.items())
        log(f"\n50,000 rows (load {os.getloadavg()[0]:.1f}): {', '.join(steps)}")
        assert max(self.seconds.values()) < 10  # generous: machines differ


@pytest.fixture
def many_rows(page: Page, lab: JupyterLab) -> tuple[Table, Stopwatch]:
    """A table of 50,000 rows, and how long their first paint took."""
    lab.write(
        "many.ipynb",
        "import datetime, time\nfrom versori_magics.notebook.form.connection_table import ConnectionTable\n"
        f"{DEFINE_MANY_ROWS}",
        "table = ConnectionTable(); table.set_rows(many)\nreceived = [(0, 0)]\n"
        "table.on_selection(lambda ids: received.append((time.time() * 1000, len(ids))))\ntable",
    )
    notebook = Notebook(page, lab, "many.ipynb")
    notebook.run(0)
    table, stopwatch = Table(notebook), Stopwatch()
    page.evaluate(MEASURE_FIRST_PAINT)
    notebook.run(1)
    table.expect_status(50_000, 0, of=50_000)
    stopwatch.seconds["first paint"] = page.evaluate("window.firstPaint") / 1000
    return table, stopwatch


def test_fifty_thousand_rows_are_filtered_and_sorted_quickly(many_rows: tuple[Table, Stopwatch]) -> None:
    table, stopwatch = many_rows
    with stopwatch("first search"):
        table.search.fill("tenants/777 customer")
        table.expect_status(11, 0, of=50_000)
    with stopwatch("next search"):
        table.search.fill("nobody")
        table.expect_status(0, 0, of=50_000)
    table.press("Clear filters")
    table.expect_status(50_000, 0, of=50_000)
    with stopwatch("sort"):
        table.header("Age").click()
        expect(table.header("Age")).to_have_attribute("aria-sort", "ascending")
    with stopwatch("new rows"):
        table.notebook.execute("table.set_rows({name: values[::-1][:40_000] for name, values in many.items()})")
        table.expect_status(40_000, 0, of=40_000)
    table.grid.focus()
    table.page.keyboard.press("End")
    expect(table.grid.locator("[aria-rowindex='40001']")).to_be_visible()
    assert table.grid.locator("[role=row]").count() < 60  # rows outside the visible part do not exist
    stopwatch.check()


def test_fifty_thousand_rows_are_selected_quickly(many_rows: tuple[Table, Stopwatch]) -> None:
    table, stopwatch = many_rows
    table.page.evaluate("addEventListener('click', () => { window.clicked = Date.now(); }, true)")

    def measure_until_python_has(step: str, selected: int) -> None:
        wait_until_equal(lambda: table.notebook.value("received[-1][1]"), selected, 30)
        milliseconds = table.notebook.value("received[-1][0]") - table.page.evaluate("window.clicked")
        stopwatch.seconds[step] = milliseconds / 1000

    table.row("Connection 3 of").click()
    measure_until_python_has("a click reaches Python", 1)
    table.choose("System", next(choice for choice in table.choices("System") if choice.startswith("xero")))
    expect(table.status).to_contain_text("(1 hidden")
    visible = int(table.status.inner_text().split(" ")[0].replace(",", ""))
    table.press("Select all shown")
    measure_until_python_has(f"select {visible:,} filtered rows", visible + 1)
    table.press("Clear filters")
    table.press("Select all shown")
    measure_until_python_has("select 50,000 rows", 50_000)
    table.row("Connection 3 of").click()
    measure_until_python_has("a click with 50,000 selected", 49_999)
    table.expect_status(50_000, 49_999, of=50_000)
    table.press("Clear selection")
    measure_until_python_has("clear 50,000", 0)
    stopwatch.check()


def test_a_screen_reader_finds_a_labelled_grid(table: Table) -> None:
    table.row("Acme invoices").click()
    expect(table.grid).to_have_attribute("aria-multiselectable", "true")
    expect(table.grid).to_have_attribute("aria-rowcount", "9")
    assert table.grid.get_by_role("row").count() == 9
    assert table.grid.get_by_role("columnheader").count() == 9
    expect(table.row("Acme invoices")).to_have_attribute("aria-rowindex", "3")
    expect(table.row("Acme invoices")).to_have_attribute("aria-selected", "true")
    expect(table.row("Acme orders")).to_have_attribute("aria-selected", "false")
    assert table.row("Acme orders").get_by_role("gridcell").count() == 9
    active = table.page.locator(f"#{table.grid.get_attribute('aria-activedescendant')}")
    expect(active).to_have_attribute("role", "gridcell")
    expect(table.status).to_have_attribute("aria-live", "polite")
    expect(table.root.get_by_role("group", name="Filters")).to_be_visible()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_no_serious_violation(table: Table, axe: Callable[[str], list[Any]], theme: str) -> None:
    outcomes = {identifier("Acme invoices"): ("deleted", ""), identifier("Globex stock"): ("refused", "a rule")}
    table.notebook.execute(f"table.show_outcomes({outcomes!r})\ntable.on_selection(lambda ids: 1 / 0)")
    table.notebook.set_theme(theme)
    table.row("Globex stock").click()
    table.row("Acme orders").click()
    expect(table.root.get_by_role("alert")).to_be_visible()
    assert axe(".vs-table") == []


def test_the_browser_supports_every_rule_of_the_style_sheet(page: Page) -> None:
    css = re.sub(r"/\*.*?\*/", "", str(ConnectionTable._css), flags=re.DOTALL)
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", css)
    assert css.count("{") == css.count("}") == len(rules) > 30
    unsupported = page.evaluate(
        """(rules) => rules.flatMap(([selector, body]) => {
            const known = (() => { try { return document.querySelector(selector) !== 0; } catch { return false; } })();
            const lines = body.split(";").map((line) => line.trim()).filter(Boolean);
            return [...(known ? [] : [selector]), ...lines.filter((line) => !CSS.supports(line))];
        })""",
        rules,
    )
    assert unsupported == []
