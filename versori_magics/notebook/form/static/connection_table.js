// The table of connections. It filters, sorts and selects in the browser, so that 50,000 rows respond at once. Python
// sends the rows as messages; they are never saved with the notebook. Text from the server is only ever set through
// textContent and attributes, never as HTML. Keys of rows and messages are spelled as in connection_table.py.
const MS_PER_DAY = 86_400_000;
const ROW_HEIGHT = 28; // pixels, as in connection_table.css
const OVERSCAN = 8; // rows drawn above and below the visible ones
const MAX_CELL_LENGTH = 300; // characters
const MAX_DETAIL_LENGTH = 4000; // characters
const TONES = { deleted: "good", already_gone: "good", in_use: "kept", protected: "kept", changed: "kept" };

// Characters that change the direction of text or control a terminal are shown as escapes; joiners are left alone.
const CONTROL_CHARACTERS = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const escapeCharacter = (char) => `\\u${char.codePointAt(0).toString(16).padStart(4, "0")}`;
const formatNumber = (value) => value.toLocaleString("en");
const displayText = (value, limit = MAX_CELL_LENGTH) => {
  const text = String(value ?? "");
  const isLong = text.length > limit;
  const excerpt = isLong ? `${text.slice(0, limit)}… (${formatNumber(text.length)} characters)` : text;
  return excerpt.replace(CONTROL_CHARACTERS, escapeCharacter);
};
const clamp = (value, minimum, maximum) => Math.max(minimum, Math.min(value, maximum));
const withoutUnderscores = (identifier) => identifier.replaceAll("_", " ");
// NaN if the time is unknown: no range contains it.
const daysSince = (time) => Math.floor((Date.now() - Date.parse(time ?? "")) / MS_PER_DAY);
const daysText = (days) => (Number.isNaN(days) ? "" : `${days} day${days === 1 ? "" : "s"}`);
const groupName = (value) => displayText(value, 60) || "(none)";
const usageGroup = ({ in_use: isInUse, running }) => (running > 0 ? "running" : isInUse ? "in use" : "no");
const usageText = (row) => usageGroup(row) + (row.running > 0 ? ` ×${row.running}` : "");
const usageSortKey = (row) => (row.running > 0 ? 1 + row.running : Number(Boolean(row.in_use)));
const credentialGroup = ({ credential_errors: errors }) => {
  if (errors) return "errors";
  return errors === "" ? "valid" : "never validated";
};

// Functions of a row: `text` is shown, `tooltip` appears on hover, and rows are sorted by `sortKey`, null last. A
// column with `group` is filtered by a list of its groups, a column with `days` by a range of days before today.
const COLUMNS = [
  { name: "name", label: "Name", width: "minmax(10.7em, 3fr)" },
  { name: "outcome", label: "Outcome", width: "minmax(9.5em, 1.5fr)", text: (row) => withoutUnderscores(row.outcome),
    tooltip: (row) => row.reason },
  { name: "system", label: "System", width: "minmax(7em, 1.5fr)", group: (row) => groupName(row.system) },
  { name: "base_url", label: "Base URL", width: "minmax(6em, 2fr)" },
  { name: "kind", label: "Kind", width: "6em", group: (row) => groupName(row.kind) },
  { name: "in_use", label: "In use", width: "7.5em", group: usageGroup, text: usageText, tooltip: (row) => row.used_by,
    sortKey: usageSortKey },
  { name: "credential_errors", label: "Credential", width: "minmax(9em, 1.5fr)", group: credentialGroup,
    text: (row) => (row.credential_errors ?? "never validated") || "valid" },
  { name: "created_at", label: "Age", rangeLabel: "Age in days", width: "6.3em",
    days: (row) => daysSince(row.created_at), text: (row) => daysText(daysSince(row.created_at)),
    sortKey: (row) => -Date.parse(row.created_at ?? "") || null },
  { name: "updated_at", label: "Updated", rangeLabel: "Updated days ago", width: "7em",
    days: (row) => daysSince(row.updated_at), text: (row) => String(row.updated_at ?? "").slice(0, 10),
    sortKey: (row) => Date.parse(row.updated_at ?? "") || null },
].map((column) => {
  const text = column.text ?? ((row) => row[column.name]);
  const sortKey = (row) => String(text(row) ?? "").toLowerCase() || null;
  return { tooltip: text, sortKey, ...column, text };
});

function createElement(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children); // strings become text nodes
  return element;
}

function createButton(label, onClick) {
  const button = createElement("button", { type: "button" }, label);
  button.addEventListener("click", onClick);
  return button;
}

// A screen reader announces a live region whenever its text is set, even to the same text.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The state that all views of one widget share: rows, outcomes, selection, filters and sort order.
class TableState {
  rows = []; rowsById = new Map(); sortedRows = []; visibleRows = [];
  columnNames = []; columns = []; groupCounts = new Map(); searchTexts = new WeakMap();
  selected = new Set(); hasOutcomes = false; isLoaded = false; errors = [];
  view = { filters: {}, only_not_deleted: false, sort_by: "", direction: 1 };
  tableViews = new Set(); lastViewMessage = "";

  constructor(model) {
    this.model = model;
    model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
    model.send({ type: "ready" });
  }

  receive(message, buffers) {
    if (buffers?.length) this.load(JSON.parse(new TextDecoder().decode(buffers[0])), message.view);
    if (message.clear_outcomes) this.setOutcomes(this.rowsById.keys(), () => ["", ""]);
    if (message.outcomes) this.setOutcomes(Object.keys(message.outcomes), (id) => message.outcomes[id]);
    this.view.only_not_deleted = message.only_not_deleted ?? this.view.only_not_deleted;
    this.errors = message.errors ?? this.errors;
    if (message.selection) this.selected = new Set(message.selection);
    if (message.selected) this.applySelectionChange(message);
    else this.sort();
  }

  // Python repeats each change to every browser, and all apply them in that order, so they end with the same selection.
  applySelectionChange({ selected, deselected }) {
    for (const id of deselected) this.selected.delete(id);
    for (const id of selected) this.selected.add(id);
    this.refresh();
  }

  load(columns, view) {
    if (!this.isLoaded) this.view = view; // a new page takes over the last page's filters; an open page keeps its own
    this.isLoaded = true;
    this.columnNames = Object.keys(columns);
    this.rows = columns.id.map(() => ({ outcome: "", reason: "" }));
    for (const name of this.columnNames) this.rows.forEach((row, i) => (row[name] = columns[name][i]));
    this.rowsById = new Map(this.rows.map((row) => [row.id, row]));
  }

  setOutcomes(ids, outcomeOf) {
    for (const row of Array.from(ids, (id) => this.rowsById.get(id)).filter(Boolean)) {
      [row.outcome, row.reason] = outcomeOf(row.id);
      this.searchTexts.delete(row);
    }
    this.hasOutcomes = this.rows.some((row) => row.outcome);
  }

  // Select or deselect rows as a person does, and report the change to Python.
  setSelected(ids, isSelected) {
    const changed = [...ids].filter((id) => this.selected.has(id) !== isSelected);
    if (!changed.length) return;
    const message = { type: "select", selected: isSelected ? changed : [], deselected: isSelected ? [] : changed };
    this.applySelectionChange(message);
    this.model.send(message);
  }

  sort() {
    const { sort_by, direction } = this.view;
    this.columns = COLUMNS.filter(({ name }) =>
      name === "outcome" ? this.hasOutcomes : this.columnNames.includes(name));
    const column = this.columns.find(({ name }) => name === sort_by);
    const compare = ([a], [b]) => (a === null) - (b === null) || direction * ((a > b) - (a < b));
    this.sortedRows = column
      ? this.rows.map((row) => [column.sortKey(row), row]).toSorted(compare).map(([, row]) => row)
      : this.rows;
    this.filter();
  }

  filter() {
    const conditions = this.filterConditions();
    const counters = this.columns.filter(({ group }) => group).map((column) => ({ column, counts: new Map() }));
    this.groupCounts = new Map(counters.map(({ column, counts }) => [column.name, counts]));
    this.visibleRows = this.sortedRows.filter((row) => {
      const failed = [];
      for (const { column, accepts } of conditions)
        if (!accepts(row) && failed.push(column) > 1) return false;
      // The count beside a choice says how many rows it would show: those that no other column's filter hides.
      for (const { column, counts } of counters) {
        if (failed.length && failed[0] !== column) continue;
        const group = column.group(row);
        counts.set(group, (counts.get(group) ?? 0) + 1);
      }
      return !failed.length;
    });
    this.refresh();
    this.sendView();
  }

  // The conditions that a visible row meets, each with the column whose filter it is, if any.
  filterConditions() {
    const { filters, only_not_deleted } = this.view;
    const words = (filters.search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const conditions = [];
    const add = (column, accepts) => conditions.push({ column, accepts });
    if (words.length) add(null, (row) => words.every((word) => this.searchText(row).includes(word)));
    if (only_not_deleted && this.hasOutcomes) add(null, (row) => row.outcome && TONES[row.outcome] !== "good");
    for (const column of this.columns) {
      const { group, days, name } = column;
      const [choice, from, to] = [name, `${name} from`, `${name} to`].map((field) => filters[field]);
      if (group && choice) add(column, (row) => group(row) === choice);
      if (days && from) add(column, (row) => days(row) >= Number(from));
      if (days && to) add(column, (row) => days(row) <= Number(to));
    }
    return conditions;
  }

  // All text of a row, in lower case.
  searchText(row) {
    let text = this.searchTexts.get(row);
    if (text === undefined) {
      text = Object.values(row).filter((value) => typeof value === "string").join("\n").toLowerCase();
      this.searchTexts.set(row, text);
    }
    return text;
  }

  // Python keeps the filters and the sort order for the next page, because the saved notebook does not contain them.
  sendView() {
    const message = { type: "view", visible_count: this.visibleRows.length, view: this.view };
    const encoded = JSON.stringify(message);
    if (!this.isLoaded || this.lastViewMessage === encoded) return;
    this.lastViewMessage = encoded;
    this.model.send(message);
  }

  refresh() {
    for (const tableView of this.tableViews) tableView.refresh();
  }
}

// One display of the table on the page.
class TableView {
  position = 0; columnIndex = 0; activeId = null; anchorId = null; // position -1 is the header, column 0 the tick
  idPrefix = `vt-${Math.random().toString(36).slice(2)}`;

  constructor(state, container) {
    this.state = state;
    this.createElements();
    // JupyterLab's single-key commands (b, x, d d, Shift-Enter) must not run while the table has the focus; saving may.
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) event.stopPropagation();
    });
    this.grid.addEventListener("keydown", (event) => this.onKeyDown(event));
    this.grid.addEventListener("click", (event) => this.onClick(event));
    this.grid.addEventListener("scroll", () => this.drawRows());
    this.resizeObserver = new ResizeObserver(() => this.drawRows());
    this.resizeObserver.observe(this.grid);
    container.append(this.root);
    state.tableViews.add(this);
    this.refresh();
  }

  remove() {
    this.resizeObserver.disconnect();
    this.state.tableViews.delete(this);
  }

  createElements() {
    this.filterBar = this.createFilterBar();
    this.status = createElement("div", { class: "vt-status", role: "status", "aria-live": "polite" });
    this.problems = createElement("div", { class: "vt-problems", role: "alert" });
    this.header = createElement("div", { class: "vt-row vt-header", role: "row", "aria-rowindex": 1 });
    this.body = createElement("div", { class: "vt-body", role: "presentation" });
    this.grid = createElement("div", { class: "vt-grid", role: "grid", tabindex: 0, "aria-label": "Connections",
      "aria-multiselectable": true }, this.header, this.body);
    this.details = createElement("dl");
    const detailPane = createElement("div", { class: "vt-detail", role: "region", tabindex: 0,
      "aria-label": "Details of the focused row" }, this.details);
    this.root = createElement("div", { class: "vs-table" },
      this.filterBar, this.createButtonBar(), this.status, this.problems, this.grid, detailPane);
  }

  createButtonBar() {
    const { state } = this;
    // It replaces all other filters: any of them could hide a row that was not deleted.
    this.notDeletedButton = createButton("Not deleted only", () => this.resetFilters(!state.view.only_not_deleted));
    return createElement("div", { class: "vt-buttons" },
      createButton("Select all shown", () => this.selectVisibleRows()),
      createButton("Clear selection", () => state.setSelected(state.selected, false)),
      createButton("Clear filters", () => this.resetFilters(false)),
      this.notDeletedButton);
  }

  createFilterBar() {
    const filterBar = createElement("div", { class: "vt-filters", role: "group", "aria-label": "Filters" },
      createElement("label", {}, "Search",
        createElement("input", { name: "search", type: "search", placeholder: "name, system, URL, id, used by …" })),
      ...COLUMNS.filter(({ group, days }) => group || days).map((column) => this.createFilter(column)));
    filterBar.addEventListener("input", ({ target }) => {
      this.state.view.filters[target.name] = target.value;
      this.state.filter();
    });
    return filterBar;
  }

  createFilter({ name, label, rangeLabel }) {
    if (!rangeLabel) return createElement("label", { "data-of": name }, label, createElement("select", { name }));
    const bounds = ["from", "to"].map((bound) => createElement("label", {}, bound, createElement("input",
      { name: `${name} ${bound}`, type: "number", min: 0, "aria-label": `${rangeLabel}, ${bound}` })));
    return createElement("div", { "data-of": name, role: "group", "aria-label": rangeLabel }, rangeLabel, ...bounds);
  }

  resetFilters(onlyNotDeleted) {
    Object.assign(this.state.view, { filters: {}, only_not_deleted: onlyNotDeleted });
    this.state.filter();
  }

  selectVisibleRows() {
    this.state.setSelected(this.state.visibleRows.map((row) => row.id), true);
  }

  onKeyDown(event) {
    const { state, position } = this;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW_HEIGHT) - 2);
    const rowSteps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const columnSteps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in rowSteps)
      this.moveTo(position + rowSteps[event.key], event.shiftKey, event.key === "ArrowUp" ? -1 : 0);
    else if (event.key in columnSteps)
      this.columnIndex = clamp(this.columnIndex + columnSteps[event.key], 0, state.columns.length);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.selectVisibleRows();
    else if (position < 0 && [" ", "Enter"].includes(event.key)) this.sortBy(state.columns[this.columnIndex - 1]);
    else if (event.key === " ") this.toggleActiveRow();
    else return;
    event.preventDefault();
    this.refresh();
    this.scrollToActiveRow();
  }

  onClick(event) {
    const row = event.target.closest("[role=row]");
    if (!row) return;
    const position = Number(row.getAttribute("aria-rowindex")) - 2;
    const cell = event.target.closest("[role=gridcell], [role=columnheader]");
    this.columnIndex = Math.max(0, [...row.children].indexOf(cell));
    this.moveTo(position, event.shiftKey && position >= 0, -1);
    if (position < 0) this.sortBy(this.state.columns[this.columnIndex - 1]);
    else if (!event.shiftKey) this.toggleActiveRow();
    this.refresh();
  }

  // Make a row active. Extending selects every row from the anchor to it, and deselects those that only the previous
  // extension reached.
  moveTo(position, isExtending, minimum) {
    const { state, position: previous } = this;
    this.position = clamp(position, minimum, state.visibleRows.length - 1);
    this.activeId = state.visibleRows[this.position]?.id;
    if (!isExtending) this.anchorId = this.activeId;
    if (!isExtending || this.position < 0) return;
    const anchor = state.visibleRows.indexOf(state.rowsById.get(this.anchorId));
    const start = anchor < 0 ? Math.max(previous, 0) : anchor;
    const idsTo = (end) =>
      state.visibleRows.slice(Math.min(start, end), Math.max(start, end) + 1).map((row) => row.id);
    const extended = new Set(idsTo(this.position));
    state.setSelected(idsTo(Math.max(previous, 0)).filter((id) => !extended.has(id)), false);
    state.setSelected(extended, true);
  }

  toggleActiveRow() {
    const { state, activeId } = this;
    if (activeId) state.setSelected([activeId], !state.selected.has(activeId));
  }

  // Sort by a column in ascending order, then descending, then in the order of the list.
  sortBy(column) {
    if (!column) return;
    const { view } = this.state;
    if (view.sort_by !== column.name) Object.assign(view, { sort_by: column.name, direction: 1 });
    else if (view.direction > 0) view.direction = -1;
    else Object.assign(view, { sort_by: "", direction: 1 });
    this.state.sort();
  }

  scrollToActiveRow() {
    const top = this.position * ROW_HEIGHT, bottom = top + ROW_HEIGHT;
    const visibleHeight = this.grid.clientHeight - this.header.offsetHeight;
    if (top < this.grid.scrollTop) this.grid.scrollTop = Math.max(0, top);
    else if (bottom > this.grid.scrollTop + visibleHeight) this.grid.scrollTop = bottom - visibleHeight;
  }

  refresh() {
    this.followActiveRow();
    setText(this.status, this.statusText());
    setText(this.problems, [...new Set(this.state.errors)].map((error) => displayText(error)).join("\n"));
    this.drawFilters();
    this.drawHeader();
    this.drawRows();
    this.drawDetails();
  }

  // Filters and sorting move the active row; if it is hidden, the row now in its place becomes active.
  followActiveRow() {
    const { visibleRows, rowsById } = this.state;
    if (this.position >= 0) {
      const position = visibleRows.indexOf(rowsById.get(this.activeId));
      this.position = position < 0 ? clamp(this.position, 0, visibleRows.length - 1) : position;
    }
    this.activeId = visibleRows[this.position]?.id;
  }

  statusText() {
    const { rows, visibleRows, selected, isLoaded } = this.state;
    if (!isLoaded) return "Waiting for the rows: they come from the kernel and are not saved with the notebook.";
    const hidden = selected.size - visibleRows.filter((row) => selected.has(row.id)).length;
    const counts = [visibleRows.length, rows.length, selected.size, hidden].map(formatNumber);
    return `${counts[0]} of ${counts[1]} rows, ${counts[2]} selected (${counts[3]} hidden by the filter)`;
  }

  drawFilters() {
    const { state, filterBar, notDeletedButton } = this;
    for (const filter of filterBar.querySelectorAll("[data-of]"))
      filter.hidden = !state.columns.some(({ name }) => name === filter.dataset.of);
    for (const field of filterBar.querySelectorAll("[name]")) {
      const value = state.view.filters[field.name] ?? "";
      if (field.localName === "select") this.drawChoices(field, value);
      if (field.value !== value) field.value = value;
    }
    notDeletedButton.hidden = !state.hasOutcomes;
    notDeletedButton.setAttribute("aria-pressed", state.view.only_not_deleted);
  }

  drawChoices(select, selectedChoice) {
    const counts = new Map([[selectedChoice, 0], ...(this.state.groupCounts.get(select.name) ?? [])]);
    counts.delete("");
    const choices = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const encoded = JSON.stringify(choices);
    if (select.dataset.counts === encoded) return; // replacing the options would close an open list
    select.dataset.counts = encoded;
    select.replaceChildren(createElement("option", { value: "" }, "all"), ...choices.map(([value, count]) =>
      createElement("option", { value }, `${value} (${formatNumber(count)})`)));
  }

  drawHeader() {
    const { grid, header } = this;
    const { columns, visibleRows } = this.state;
    grid.style.setProperty("--vt-columns", `2em ${columns.map((column) => column.width).join(" ")}`);
    if (header.children.length !== columns.length + 1) this.body.replaceChildren(); // the cells of each row change
    header.replaceChildren(
      createElement("div", { class: "vt-check", role: "columnheader", "aria-label": "Selected" }, "✓"),
      ...columns.map(({ name, label }) => createElement("div",
        { role: "columnheader", "data-column": name, "aria-sort": this.sortOrder(name) }, label)));
    this.markActiveCell(header, -1);
    grid.setAttribute("aria-rowcount", visibleRows.length + 1);
    grid.setAttribute("aria-activedescendant", this.cellId(this.position));
  }

  sortOrder(columnName) {
    const { sort_by, direction } = this.state.view;
    if (sort_by !== columnName) return "none";
    return direction > 0 ? "ascending" : "descending";
  }

  cellId(position) {
    return `${this.idPrefix}-${position}-${this.columnIndex}`;
  }

  markActiveCell(rowElement, position) {
    const isActive = position === this.position;
    [...rowElement.children].forEach((cell, i) => {
      if (isActive && i === this.columnIndex) cell.id = this.cellId(position);
      else cell.removeAttribute("id");
    });
    rowElement.classList.toggle("vt-active", isActive);
  }

  // Only the rows in and near the visible part of the grid exist as elements; scrolling reuses them.
  drawRows() {
    const { state, grid, body } = this;
    const first = Math.max(0, Math.floor(grid.scrollTop / ROW_HEIGHT) - OVERSCAN);
    const last = first + Math.ceil(grid.clientHeight / ROW_HEIGHT) + 2 * OVERSCAN;
    const rows = state.visibleRows.slice(first, last);
    body.style.height = `${state.visibleRows.length * ROW_HEIGHT}px`;
    while (body.children.length > rows.length) body.lastChild.remove();
    while (body.children.length < rows.length) body.append(this.createRow());
    rows.forEach((row, i) => this.drawRow(body.children[i], row, first + i));
  }

  createRow() {
    return createElement("div", { class: "vt-row", role: "row" },
      createElement("div", { class: "vt-check", role: "gridcell" }),
      ...this.state.columns.map(({ name }) => createElement("div", { role: "gridcell", "data-column": name })));
  }

  drawRow(element, row, position) {
    const { columns, selected } = this.state;
    element.style.top = `${position * ROW_HEIGHT}px`;
    element.setAttribute("aria-rowindex", position + 2);
    element.setAttribute("aria-selected", selected.has(row.id));
    columns.forEach((column, i) => {
      const cell = element.children[i + 1];
      const tooltip = displayText(column.tooltip(row));
      setText(cell, displayText(column.text(row)));
      if (cell.title !== tooltip) cell.title = tooltip;
      if (column.name === "outcome") cell.dataset.tone = row.outcome && (TONES[row.outcome] ?? "bad");
    });
    this.markActiveCell(element, position);
  }

  drawDetails() {
    const { outcome = "", ...fields } = this.state.rowsById.get(this.activeId) ?? {};
    const details = Object.entries({ outcome: withoutUnderscores(outcome), ...fields })
      .map(([name, value]) => [withoutUnderscores(name), displayText(value, MAX_DETAIL_LENGTH)])
      .filter(([, text]) => text);
    const encoded = JSON.stringify(details);
    if (this.drawnDetails === encoded) return; // the pane keeps its scroll position and selected text
    this.drawnDetails = encoded;
    this.details.replaceChildren(
      ...details.flatMap(([name, text]) => [createElement("dt", {}, name), createElement("dd", {}, text)]));
  }
}

// anywidget calls `initialize` once for each widget and `render` once for each place that shows it.
export default () => {
  let state;
  return {
    initialize: ({ model }) => void (state = new TableState(model)),
    render({ el }) {
      const tableView = new TableView(state, el);
      return () => tableView.remove();
    },
  };
};
