// A table of connections: filtered, sorted and selected here, so that 50,000 rows answer at once. Rows come as one
// message from Python and live in memory only. Text from the server is shown through textContent alone.
const DAY = 86_400_000; // milliseconds
const ROW = 28; // pixels, as in table.css
const SPARE = 8; // rows drawn above and below those seen
const CUT = 4000; // characters of one field in the detail pane
const TONES = { deleted: "good", already_gone: "good", in_use: "kept", protected: "kept", changed: "kept" };

// Characters that steer the direction of text or a terminal are written out; those that join letters stay.
const STEERING = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const escaped = (char) => `\\u${char.codePointAt(0).toString(16).padStart(4, "0")}`;
const number = (value) => value.toLocaleString("en");
const shown = (value, limit = 300) => {
  const text = String(value ?? "");
  const kept = text.length > limit ? `${text.slice(0, limit)}… (${number(text.length)} characters)` : text;
  return kept.replace(STEERING, escaped);
};
const age = (iso) => Math.floor((Date.now() - Date.parse(iso ?? "")) / DAY); // NaN, which no range holds, if unknown
const inDays = (days) => (Number.isNaN(days) ? "" : `${days} day${days === 1 ? "" : "s"}`);
const within = (value, least, most) => Math.max(least, Math.min(value, most));
const group = (value) => shown(value, 60) || "(none)";
const usage = ({ in_use: used, running }) => (running > 0 ? "running" : used ? "in use" : "no");

// How a column reads (`text`), sorts (`key`; null comes last) and is filtered: `choice` names a row's group, `days` its
// distance from today.
const COLUMNS = [
  { name: "name", label: "Name", width: "minmax(10.7em, 3fr)" },
  { name: "outcome", label: "Outcome", width: "minmax(9.5em, 1.5fr)", hover: (row) => row.reason },
  { name: "system", label: "System", width: "minmax(7em, 1.5fr)", choice: (row) => group(row.system) },
  { name: "base_url", label: "Base URL", width: "minmax(6em, 2fr)" },
  { name: "kind", label: "Kind", width: "6em", choice: (row) => group(row.kind) },
  { name: "in_use", label: "In use", width: "7.5em", choice: usage, hover: (row) => row.used_by,
    text: (row) => usage(row) + (row.running > 0 ? ` ×${row.running}` : ""),
    key: (row) => (row.running > 0 ? 1 + row.running : Number(Boolean(row.in_use))) },
  { name: "credential_errors", label: "Credential", width: "minmax(9em, 1.5fr)",
    text: (row) => (row.credential_errors ?? "never validated") || "valid",
    choice: ({ credential_errors: found }) => (found ? "errors" : found === "" ? "valid" : "never validated") },
  { name: "created_at", label: "Age", range: "Age in days", width: "6.3em", days: (row) => age(row.created_at),
    text: (row) => inDays(age(row.created_at)), key: (row) => -Date.parse(row.created_at ?? "") || null },
  { name: "updated_at", label: "Updated", range: "Updated days ago", width: "7em", days: (row) => age(row.updated_at),
    text: (row) => String(row.updated_at ?? "").slice(0, 10), key: (row) => Date.parse(row.updated_at ?? "") || null },
].map((column) => {
  const text = column.text ?? ((row) => row[column.name]);
  return { hover: text, key: (row) => String(text(row) ?? "").toLowerCase() || null, ...column, text };
});

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text
  return made;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text; // said again, it would be read out again
}

// What all views of one model share: rows, outcomes, selection, and the state of filters and sort.
class Rows {
  all = []; index = new Map(); texts = new WeakMap(); sorted = []; order = []; errors = []; names = []; columns = [];
  state = { filters: {}, only: false, by: "", direction: 1 }; judged = false; counts = new Map();
  selected = new Set(); views = new Set();

  constructor(model) {
    this.model = model;
    model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
    model.send({ type: "ready" });
  }

  receive(message, buffers) {
    if (buffers?.length) this.load(JSON.parse(new TextDecoder().decode(buffers[0])), message.state);
    if (message.reset) this.judge(this.index.keys(), () => ["", ""]);
    if (message.outcomes) this.judge(Object.keys(message.outcomes), (id) => message.outcomes[id]);
    this.state.only = message.only ?? this.state.only;
    this.errors = message.errors ?? this.errors;
    // The selection: all of it (`on` alone), or what changed, here or in another browser. All browsers apply it in
    // Python's order, so they end alike.
    for (const id of message.off ?? (message.on ? this.selected : [])) this.selected.delete(id);
    for (const id of message.on ?? []) this.selected.add(id);
    if (message.off) this.refresh();
    else this.sort();
  }

  load(columns, state) {
    if (!this.loaded) this.state = state; // of the page that was here before; a page that stays keeps its own
    this.loaded = true;
    this.names = Object.keys(columns);
    this.all = columns.id.map(() => ({ outcome: "", reason: "" }));
    for (const name of this.names) this.all.forEach((row, i) => (row[name] = columns[name][i]));
    this.index = new Map(this.all.map((row) => [row.id, row]));
  }

  judge(ids, outcome) {
    for (const row of Array.from(ids, (id) => this.index.get(id)).filter(Boolean)) {
      [row.outcome, row.reason] = outcome(row.id);
      this.texts.delete(row);
    }
    this.judged = this.all.some((row) => row.outcome);
  }

  // A person selects rows or takes them out.
  change(ids, state) {
    const changed = [...ids].filter((id) => this.selected.has(id) !== state);
    if (!changed.length) return;
    const message = { type: "select", on: state ? changed : [], off: state ? [] : changed };
    this.receive(message);
    this.model.send(message);
  }

  sort() {
    const { by, direction } = this.state;
    this.columns = COLUMNS.filter(({ name }) => (name === "outcome" ? this.judged : this.names.includes(name)));
    const column = this.columns.find(({ name }) => name === by);
    const compare = ([a], [b]) => (a === null) - (b === null) || direction * ((a > b) - (a < b));
    this.sorted = column
      ? this.all.map((row) => [column.key(row), row]).toSorted(compare).map(([, row]) => row)
      : this.all;
    this.filter();
  }

  filter() {
    const { filters, only } = this.state;
    const words = (filters.search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const tests = [];
    if (words.length) tests.push([null, (row) => words.every((word) => this.text(row).includes(word))]);
    if (only && this.judged) tests.push([null, (row) => row.outcome && TONES[row.outcome] !== "good"]);
    for (const column of this.columns) {
      const { choice, days, name } = column;
      const [wanted, from, to] = [name, `${name} from`, `${name} to`].map((field) => filters[field]);
      if (choice && wanted) tests.push([column, (row) => choice(row) === wanted]);
      if (days && from) tests.push([column, (row) => days(row) >= Number(from)]);
      if (days && to) tests.push([column, (row) => days(row) <= Number(to)]);
    }
    // Beside each choice stands how many rows it would show: those that no other filter hides.
    const counted = this.columns.filter((column) => column.choice).map((column) => [column, new Map()]);
    this.counts = new Map(counted.map(([{ name }, counts]) => [name, counts]));
    this.order = this.sorted.filter((row) => {
      const failed = [];
      for (const [column, test] of tests) if (!test(row) && failed.push(column) > 1) return false;
      for (const [column, counts] of counted) {
        if (failed.length && failed[0] !== column) continue;
        const choice = column.choice(row);
        counts.set(choice, (counts.get(choice) ?? 0) + 1);
      }
      return !failed.length;
    });
    this.refresh();
    this.tell();
  }

  // What is searched: all text of a row.
  text(row) {
    const made = () => Object.values(row).filter((value) => typeof value === "string").join("\n").toLowerCase();
    if (!this.texts.has(row)) this.texts.set(row, made());
    return this.texts.get(row);
  }

  // Python keeps the state for the next page; the saved notebook does not.
  tell() {
    const seen = { type: "seen", count: this.order.length, state: this.state };
    if (!this.loaded || this.told === JSON.stringify(seen)) return;
    this.told = JSON.stringify(seen);
    this.model.send(seen);
  }

  refresh() {
    for (const view of this.views) view.refresh();
  }
}

class View {
  position = 0; column = 0; active = null; anchor = null; // position -1 is the header
  name = `vt-${Math.random().toString(36).slice(2)}`;

  constructor(rows, el) {
    this.rows = rows;
    this.fields = this.filters();
    this.only = this.button("Not deleted only", () => this.unfilter(!rows.state.only)); // whatever was filtered before
    this.status = node("div", { class: "vt-status", role: "status", "aria-live": "polite" });
    this.problems = node("div", { class: "vt-problems", role: "alert" });
    this.header = node("div", { class: "vt-row vt-header", role: "row", "aria-rowindex": 1 });
    this.body = node("div", { class: "vt-body", role: "presentation" });
    this.grid = node("div", { class: "vt-grid", role: "grid", tabindex: 0, "aria-label": "Connections",
      "aria-multiselectable": true }, this.header, this.body);
    this.detail = node("dl");
    const pane = node("div", { class: "vt-detail", role: "region", tabindex: 0,
      "aria-label": "Details of the focused row" }, this.detail);
    const buttons = node("div", { class: "vt-buttons" },
      this.button("Select all shown", () => this.selectShown()),
      this.button("Clear selection", () => rows.change(rows.selected, false)),
      this.button("Clear filters", () => this.unfilter(false)),
      this.only);
    const root = node("div", { class: "vs-table" },
      this.fields, buttons, this.status, this.problems, this.grid, pane);
    // JupyterLab's keys (b, x, d d, Shift-Enter) must not fire in here; saving may.
    root.addEventListener("keydown", (event) => {
      if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) event.stopPropagation();
    });
    this.grid.addEventListener("keydown", (event) => this.press(event));
    this.grid.addEventListener("click", (event) => this.click(event));
    this.grid.addEventListener("scroll", () => this.draw());
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.grid);
    el.append(root);
    rows.views.add(this);
    this.refresh();
  }

  leave() {
    this.resized.disconnect();
    this.rows.views.delete(this);
  }

  filters() {
    const ends = (name, range) => ["from", "to"].map((end) => node("label", {}, end,
      node("input", { name: `${name} ${end}`, type: "number", min: 0, "aria-label": `${range}, ${end}` })));
    const search = node("input", { name: "search", type: "search", placeholder: "name, system, URL, id, used by …" });
    const fields = node("div", { class: "vt-filters", role: "group", "aria-label": "Filters" },
      node("label", {}, "Search", search),
      ...COLUMNS.filter(({ choice, range }) => choice || range).map(({ name, label, range }) => (range
        ? node("div", { "data-of": name, role: "group", "aria-label": range }, range, ...ends(name, range))
        : node("label", { "data-of": name }, label, node("select", { name })))));
    fields.addEventListener("input", ({ target }) => {
      this.rows.state.filters[target.name] = target.value;
      this.rows.filter();
    });
    return fields;
  }

  showFilters() {
    const { rows, fields, only } = this;
    for (const box of fields.querySelectorAll("[data-of]"))
      box.hidden = !rows.columns.some(({ name }) => name === box.dataset.of);
    for (const field of fields.querySelectorAll("[name]")) {
      const wanted = rows.state.filters[field.name] ?? "";
      if (field.localName === "select") this.offer(field, wanted);
      if (field.value !== wanted) field.value = wanted;
    }
    only.hidden = !rows.judged;
    only.setAttribute("aria-pressed", rows.state.only);
  }

  offer(select, wanted) {
    const counts = new Map([[wanted, 0], ...(this.rows.counts.get(select.name) ?? [])]);
    counts.delete("");
    const sorted = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
    if (select.dataset.counts === JSON.stringify(sorted)) return; // an open list stays open
    select.dataset.counts = JSON.stringify(sorted);
    const options = sorted.map(([value, count]) => node("option", { value }, `${value} (${number(count)})`));
    select.replaceChildren(node("option", { value: "" }, "all"), ...options);
  }

  button(label, act) {
    const made = node("button", { type: "button" }, label);
    made.addEventListener("click", act);
    return made;
  }

  unfilter(only) {
    Object.assign(this.rows.state, { filters: {}, only });
    this.rows.filter();
  }

  selectShown() {
    this.rows.change(this.rows.order.map((row) => row.id), true);
  }

  press(event) {
    const { rows, position } = this;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 2);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const sideways = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in steps) this.move(position + steps[event.key], event.shiftKey, event.key === "ArrowUp" ? -1 : 0);
    else if (event.key in sideways) this.column = within(this.column + sideways[event.key], 0, rows.columns.length);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.selectShown();
    else if (position < 0 && [" ", "Enter"].includes(event.key)) this.sortBy(rows.columns[this.column - 1]);
    else if (event.key === " ") this.toggle();
    else return;
    event.preventDefault();
    this.refresh();
    this.reveal();
  }

  click(event) {
    const { rows } = this;
    const row = event.target.closest("[role=row]");
    if (!row) return;
    const position = Number(row.getAttribute("aria-rowindex")) - 2;
    this.column = Math.max(0, [...row.children].indexOf(event.target.closest("[role=gridcell], [role=columnheader]")));
    this.move(position, event.shiftKey && position >= 0, -1);
    if (position < 0) this.sortBy(rows.columns[this.column - 1]);
    else if (!event.shiftKey) this.toggle();
    this.refresh();
  }

  // Go to a row; extending selects all from the anchor to it, and lets go of what the last extension went beyond it.
  move(to, extending, least) {
    const { rows, position: before } = this;
    this.position = within(to, least, rows.order.length - 1);
    this.active = rows.order[this.position]?.id;
    if (!extending) this.anchor = this.active;
    if (!extending || this.position < 0) return;
    const found = rows.order.indexOf(rows.index.get(this.anchor));
    const start = found < 0 ? Math.max(before, 0) : found;
    const span = (end) => rows.order.slice(Math.min(start, end), Math.max(start, end) + 1).map((row) => row.id);
    const kept = new Set(span(this.position));
    rows.change(span(Math.max(before, 0)).filter((id) => !kept.has(id)), false);
    rows.change(kept, true);
  }

  toggle() {
    const { rows, active } = this;
    if (active) rows.change([active], !rows.selected.has(active));
  }

  sortBy(column) {
    if (!column) return;
    const { by, direction } = this.rows.state;
    const next = direction > 0 ? { direction: -1 } : { by: "", direction: 1 }; // up, down, as they came
    Object.assign(this.rows.state, by === column.name ? next : { by: column.name, direction: 1 });
    this.rows.sort();
  }

  reveal() {
    const top = this.position * ROW, seen = this.grid.clientHeight - this.header.offsetHeight;
    if (top < this.grid.scrollTop) this.grid.scrollTop = Math.max(0, top);
    else if (top + ROW > this.grid.scrollTop + seen) this.grid.scrollTop = top + ROW - seen;
  }

  refresh() {
    const { rows } = this;
    if (this.position >= 0) {
      const found = rows.order.indexOf(rows.index.get(this.active));
      this.position = found < 0 ? within(this.position, 0, rows.order.length - 1) : found;
    }
    this.active = rows.order[this.position]?.id;
    const hidden = rows.selected.size - rows.order.filter((row) => rows.selected.has(row.id)).length;
    const counts = [rows.order.length, rows.all.length, rows.selected.size, hidden].map(number);
    say(this.status, rows.loaded
      ? `${counts[0]} of ${counts[1]} rows, ${counts[2]} selected (${counts[3]} hidden by the filter)`
      : "Waiting for the rows: they come from the kernel and are not saved with the notebook.");
    say(this.problems, [...new Set(rows.errors)].map((error) => shown(error)).join("\n"));
    this.showFilters();
    this.head();
    this.draw();
    this.describe();
  }

  head() {
    const { rows, grid, header } = this;
    const { columns, state } = rows;
    grid.style.setProperty("--vt-columns", `2em ${columns.map((column) => column.width).join(" ")}`);
    if (header.children.length !== columns.length + 1) this.body.replaceChildren();
    header.replaceChildren(node("div", { class: "vt-check", role: "columnheader", "aria-label": "Selected" }, "✓"),
      ...columns.map(({ name, label }) => node("div", { role: "columnheader", "data-column": name, "aria-sort":
        state.by !== name ? "none" : state.direction > 0 ? "ascending" : "descending" }, label)));
    this.mark(header, -1);
    grid.setAttribute("aria-rowcount", rows.order.length + 1);
    grid.setAttribute("aria-activedescendant", this.cellName(this.position));
  }

  cellName = (position) => `${this.name}-${position}-${this.column}`;

  mark(row, position) {
    [...row.children].forEach((cell, n) => {
      if (position === this.position && n === this.column) cell.id = this.cellName(position);
      else cell.removeAttribute("id");
    });
    row.classList.toggle("vt-active", position === this.position);
  }

  // Only the rows that are seen exist as elements.
  draw() {
    const { rows, grid, body } = this;
    const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - SPARE);
    const seen = rows.order.slice(first, first + Math.ceil(grid.clientHeight / ROW) + 2 * SPARE);
    body.style.height = `${rows.order.length * ROW}px`;
    while (body.children.length > seen.length) body.lastChild.remove();
    while (body.children.length < seen.length)
      body.append(node("div", { class: "vt-row", role: "row" }, node("div", { class: "vt-check", role: "gridcell" }),
        ...rows.columns.map(({ name }) => node("div", { role: "gridcell", "data-column": name }))));
    seen.forEach((row, n) => this.fill(body.children[n], row, first + n));
  }

  fill(drawn, row, position) {
    const { columns, selected } = this.rows;
    drawn.style.top = `${position * ROW}px`;
    drawn.setAttribute("aria-rowindex", position + 2);
    drawn.setAttribute("aria-selected", selected.has(row.id));
    columns.forEach((column, n) => {
      const cell = drawn.children[n + 1];
      const [text, hover] = [shown(column.text(row)), shown(column.hover(row))];
      say(cell, text);
      if (cell.title !== hover) cell.title = hover;
      if (column.name === "outcome") cell.dataset.tone = text && (TONES[text] ?? "bad");
    });
    this.mark(drawn, position);
  }

  describe() {
    const row = this.rows.index.get(this.active) ?? {};
    const fields = Object.entries(row).map(([name, value]) => [name, shown(value, CUT)]).filter(([, text]) => text);
    if (this.described === JSON.stringify(fields)) return; // it keeps its scroll position and a person's text selection
    this.described = JSON.stringify(fields);
    this.detail.replaceChildren(...fields.flatMap(([name, text]) => [node("dt", {}, name), node("dd", {}, text)]));
  }
}

// One set of rows for each model, however many views show it.
export default () => {
  let rows;
  return {
    initialize: ({ model }) => void (rows = new Rows(model)),
    render({ el }) {
      const view = new View(rows, el);
      return () => view.leave();
    },
  };
};
