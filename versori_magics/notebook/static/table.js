// A table of connections: filtered, sorted and selected here, so that 50,000 rows answer at once. Rows come as one
// message from Python and live in memory only. Text from the server is shown through textContent alone.
const DAY = 86_400_000; // milliseconds
const ROW = 28; // pixels, as in table.css
const SPARE = 8; // rows drawn above and below those seen
const PAUSE = 40; // milliseconds in which changes are gathered into one message
const CUT = 4000; // characters of one field in the detail pane
const GONE = ["deleted", "already_gone"];
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
const usage = (value, row) => (row("running") > 0 ? "running" : value ? "in use" : "no");

// How a column reads (`text`), sorts (`key`; null comes last) and is filtered: `choice` names the row's group, `days`
// its distance from today. They get the row's value, and the row as a function from a column's name to a value.
const COLUMNS = [
  { name: "name", label: "Name", width: "minmax(11em, 3fr)" },
  { name: "outcome", label: "Outcome", width: "minmax(9.5em, 1.5fr)", hover: (value, row) => row("reason") },
  { name: "system", label: "System", width: "minmax(7em, 1.5fr)", choice: group },
  { name: "base_url", label: "Base URL", width: "minmax(6em, 2fr)" },
  { name: "kind", label: "Kind", width: "6em", choice: group },
  { name: "in_use", label: "In use", width: "7.5em", choice: usage, hover: (value, row) => row("used_by"),
    text: (value, row) => usage(value, row) + (row("running") > 0 ? ` ×${row("running")}` : ""),
    key: (value, row) => (row("running") > 0 ? 1 + row("running") : Number(Boolean(value))) },
  { name: "credential_errors", label: "Credential", width: "minmax(9em, 1.5fr)",
    text: (value) => (value ?? "never validated") || "valid",
    choice: (value) => (value ? "errors" : value === "" ? "valid" : "never validated") },
  { name: "created_at", label: "Age", range: "Age in days", width: "6em", days: age,
    text: (value) => inDays(age(value)), key: (value) => (value ? -Date.parse(value) : null) },
  { name: "updated_at", label: "Updated", range: "Updated days ago", width: "7em", days: age,
    text: (value) => String(value ?? "").slice(0, 10), key: (value) => (value ? Date.parse(value) : null) },
].map((column) => {
  const text = column.text ?? ((value) => value);
  return { hover: text, key: (value, row) => String(text(value, row) ?? "").toLowerCase() || null, ...column, text };
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

// What all views of one model share: rows, outcomes, selection, filters, sort.
class Rows {
  columns = {}; ids = []; index = new Map(); sorted = []; order = []; outcomes = new Map(); errors = [];
  search = ""; choices = {}; ranges = {}; only = false; sorting = { name: null, direction: 1 }; counts = new Map();
  selected = new Set(); hidden = 0; gathered = new Map(); views = new Set();

  constructor(model) {
    this.model = model;
    model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
    model.send({ type: "ready" });
  }

  receive(message, buffers) {
    if (buffers?.length) {
      this.columns = JSON.parse(new TextDecoder().decode(buffers[0]));
      this.ids = this.columns.id;
      this.index = new Map(this.ids.map((id, i) => [id, i]));
      this.loaded = true;
      this.told = this.texts = null;
    }
    if (message.reset) this.outcomes.clear();
    for (const [id, outcome] of Object.entries(message.outcomes ?? {})) this.outcomes.set(id, outcome);
    this.only = message.only ?? this.only;
    this.errors = message.errors ?? this.errors;
    if (message.on) this.merge(message);
    if (message.off) this.refresh();
    else this.sort();
  }

  // Python's word on the selection: all of it (`on` alone), or what changed, in this browser or another. All browsers
  // apply it in Python's order, so they end alike; what Python was not told yet is put on top again.
  merge({ on, off }) {
    if (!off) this.selected.clear();
    for (const id of off ?? []) this.selected.delete(id);
    for (const id of on) this.selected.add(id);
    for (const [id, state] of this.gathered) this.set(id, state);
  }

  set(id, state) {
    if (state && this.index.has(id)) this.selected.add(id);
    else this.selected.delete(id);
  }

  // A person selects rows or takes them out: shown at once, told soon.
  change(rows, state) {
    for (const id of Array.from(rows, (i) => this.ids[i]).filter((one) => this.selected.has(one) !== state)) {
      this.set(id, state);
      this.gathered.set(id, state);
    }
    this.refresh();
  }

  tell() {
    this.timer = null;
    const [on, off] = [true, false].map((wanted) =>
      [...this.gathered].filter(([, state]) => state === wanted).map(([id]) => id));
    if (this.gathered.size) this.model.send({ type: "select", on, off });
    this.gathered.clear();
    const seen = { type: "seen", count: this.order.length, only: this.only };
    if (this.loaded && this.told !== JSON.stringify(seen)) this.model.send(seen);
    if (this.loaded) this.told = JSON.stringify(seen);
  }

  has = (column) => (column.name === "outcome" ? this.outcomes.size > 0 : column.name in this.columns);

  value(name, i) {
    const part = ["outcome", "reason"].indexOf(name);
    return part < 0 ? this.columns[name]?.[i] : this.outcomes.get(this.ids[i])?.[part];
  }

  // A column's `what` (text, key, choice, days, hover) of a row.
  of = (column, what, i) => column[what](this.value(column.name, i), (name) => this.value(name, i));

  sort() {
    const { name, direction } = this.sorting;
    const column = COLUMNS.find((one) => one.name === name);
    this.sorted = this.ids.map((_, i) => i);
    if (column && this.has(column)) {
      const keys = this.sorted.map((i) => this.of(column, "key", i));
      const compare = (a, b) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return a < b ? -direction : a > b ? direction : 0;
      };
      this.sorted.sort((a, b) => compare(keys[a], keys[b]));
    }
    this.filter();
  }

  filter() {
    const present = COLUMNS.filter(this.has);
    const words = this.search.toLowerCase().split(/\s+/).filter(Boolean);
    const tests = [];
    if (words.length) tests.push([null, (i) => words.every((word) => this.searched(i).includes(word))]);
    if (this.only && this.outcomes.size)
      tests.push([null, (i) => !GONE.includes(this.value("outcome", i) ?? GONE[0])]);
    for (const column of present) {
      const choice = this.choices[column.name];
      if (choice) tests.push([column, (i) => this.of(column, "choice", i) === choice]);
      const [from, to] = this.ranges[column.name] ?? [];
      if (from) tests.push([column, (i) => this.of(column, "days", i) >= Number(from)]);
      if (to) tests.push([column, (i) => this.of(column, "days", i) <= Number(to)]);
    }
    // Beside each choice stands how many rows it would show: those that no other filter hides.
    const counted = present.filter((column) => column.choice).map((column) => [column, new Map()]);
    this.counts = new Map(counted.map(([column, counts]) => [column.name, counts]));
    this.order = this.sorted.filter((i) => {
      const failed = [];
      for (const [column, test] of tests) if (!test(i) && failed.push(column) > 1) return false;
      for (const [column, counts] of counted) {
        if (failed.length && failed[0] !== column) continue;
        const choice = this.of(column, "choice", i);
        counts.set(choice, (counts.get(choice) ?? 0) + 1);
      }
      return !failed.length;
    });
    this.refresh();
  }

  searched(i) {
    const columns = Object.values(this.columns);
    const text = (row) => columns.map((values) => values[row]).filter((value) => typeof value === "string").join("\n");
    this.texts ??= this.ids.map((_, row) => text(row).toLowerCase());
    return this.texts[i] + (this.outcomes.get(this.ids[i])?.join("\n").toLowerCase() ?? "");
  }

  refresh() {
    this.hidden = this.selected.size;
    if (this.hidden) for (const i of this.order) if (this.selected.has(this.ids[i])) this.hidden--;
    for (const view of this.views) view.refresh();
    this.timer ??= setTimeout(() => this.tell(), PAUSE);
  }
}

class View {
  position = 0; column = 0; active = null; anchor = null; updates = []; // position -1 is the header
  name = `vt-${Math.random().toString(36).slice(2)}`;

  constructor(rows, el) {
    this.rows = rows;
    this.status = node("div", { class: "vt-status", role: "status", "aria-live": "polite" });
    this.problems = node("div", { class: "vt-problems", role: "alert" });
    this.header = node("div", { class: "vt-row vt-header", role: "row", "aria-rowindex": 1 });
    this.body = node("div", { class: "vt-body", role: "presentation" });
    this.grid = node("div", { class: "vt-grid", role: "grid", tabindex: 0, "aria-label": "Connections",
      "aria-multiselectable": true }, this.header, this.body);
    this.detail = node("dl");
    const pane = node("div", { class: "vt-detail", role: "region", tabindex: 0,
      "aria-label": "Details of the focused row" }, this.detail);
    const root = node("div", { class: "vs-table" },
      this.filters(), this.buttons(), this.status, this.problems, this.grid, pane);
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
    const { rows, updates } = this;
    const labelled = (label, input, read, write) => {
      input.addEventListener("input", () => (write(input.value), rows.filter()));
      updates.push(() => input.value !== read() && (input.value = read()));
      return node("label", {}, label, input);
    };
    const search = node("input", { type: "search", placeholder: "name, system, URL, id, used by …" });
    const made = COLUMNS.filter(({ choice, range }) => choice || range).map((column) => {
      const { name, label, range } = column;
      const select = node("select");
      if (!range) updates.push(() => this.fillChoices(select, name));
      const ends = () => ["from", "to"].map((end, n) =>
        labelled(end, node("input", { type: "number", min: 0, "aria-label": `${range}, ${end}` }),
          () => rows.ranges[name]?.[n] ?? "", (value) => ((rows.ranges[name] ??= ["", ""])[n] = value)));
      const box = range ? node("div", { class: "vt-range", role: "group", "aria-label": range }, range, ...ends())
        : labelled(label, select, () => rows.choices[name] ?? "", (value) => (rows.choices[name] = value));
      updates.push(() => (box.hidden = !rows.has(column)));
      return box;
    });
    return node("div", { class: "vt-filters", role: "group", "aria-label": "Filters" },
      labelled("Search", search, () => rows.search, (value) => (rows.search = value)), ...made);
  }

  fillChoices(select, name) {
    const counts = new Map([[this.rows.choices[name] || "", 0], ...(this.rows.counts.get(name) ?? [])]);
    counts.delete("");
    const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
    if (select.dataset.counts === JSON.stringify(sorted)) return; // an open list stays open
    select.dataset.counts = JSON.stringify(sorted);
    const options = sorted.map(([value, count]) => node("option", { value }, `${value} (${number(count)})`));
    select.replaceChildren(node("option", { value: "" }, "all"), ...options);
  }

  buttons() {
    const { rows, updates } = this;
    const button = (label, act) => {
      const made = node("button", { type: "button" }, label);
      made.addEventListener("click", act);
      return made;
    };
    const unfiltered = (only) => (Object.assign(rows, { search: "", choices: {}, ranges: {}, only }), rows.filter());
    // One click shows all that did not go, whatever was filtered by before.
    const only = button("Not deleted only", () => unfiltered(!rows.only));
    updates.push(() => ((only.hidden = !rows.outcomes.size), only.setAttribute("aria-pressed", rows.only)));
    return node("div", { class: "vt-buttons" },
      button("Select all shown", () => rows.change(rows.order, true)),
      button("Clear selection", () => rows.change([...rows.selected].map((id) => rows.index.get(id)), false)),
      button("Clear filters", () => unfiltered(false)),
      only);
  }

  press(event) {
    const { rows, position } = this;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 2);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const sideways = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in steps) this.move(position + steps[event.key], event.shiftKey, event.key === "ArrowUp" ? -1 : 0);
    else if (event.key in sideways) this.column = within(this.column + sideways[event.key], 0, this.columns.length);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) rows.change(rows.order, true);
    else if (position < 0 && [" ", "Enter"].includes(event.key)) this.sortBy(this.columns[this.column - 1]);
    else if (event.key === " ") this.toggle();
    else return;
    event.preventDefault();
    this.refresh();
    this.reveal();
  }

  click(event) {
    const row = event.target.closest("[role=row]");
    if (!row) return;
    const position = Number(row.getAttribute("aria-rowindex")) - 2;
    this.column = Math.max(0, [...row.children].indexOf(event.target.closest("[role=gridcell], [role=columnheader]")));
    this.move(position, event.shiftKey && position >= 0, -1);
    if (position < 0) this.sortBy(this.columns[this.column - 1]);
    else if (!event.shiftKey) this.toggle();
    this.refresh();
  }

  // Go to a row; extending selects all from the anchor to it, and lets go of what the last extension went beyond it.
  move(to, extending, least) {
    const { rows, position: before } = this;
    this.position = within(to, least, rows.order.length - 1);
    this.active = rows.ids[rows.order[this.position]] ?? null;
    if (!extending) this.anchor = this.active;
    if (!extending || this.position < 0) return;
    const found = rows.order.indexOf(rows.index.get(this.anchor));
    const start = found < 0 ? Math.max(before, 0) : found;
    const span = (end) => rows.order.slice(Math.min(start, end), Math.max(start, end) + 1);
    const kept = new Set(span(this.position));
    rows.change(span(Math.max(before, 0)).filter((i) => !kept.has(i)), false);
    rows.change(kept, true);
  }

  toggle() {
    const { rows, active } = this;
    if (active !== null) rows.change([rows.index.get(active)], !rows.selected.has(active));
  }

  sortBy(column) {
    if (!column) return;
    const { name, direction } = this.rows.sorting;
    if (name !== column.name) this.rows.sorting = { name: column.name, direction: 1 };
    else this.rows.sorting = direction > 0 ? { name, direction: -1 } : { name: null, direction: 1 };
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
    this.active = rows.ids[rows.order[this.position]] ?? null;
    this.columns = COLUMNS.filter(rows.has);
    const counts = [rows.order.length, rows.ids.length, rows.selected.size, rows.hidden].map(number);
    const [shownRows, all, selected, hidden] = counts;
    say(this.status, rows.loaded
      ? `${shownRows} of ${all} rows, ${selected} selected (${hidden} hidden by the filter)`
      : "Waiting for the rows: they come from the kernel and are not saved with the notebook.");
    say(this.problems, [...new Set(rows.errors)].map((error) => shown(error)).join("\n"));
    for (const update of this.updates) update();
    this.head();
    this.draw();
    this.describe();
  }

  head() {
    const { rows, grid, header, columns } = this;
    grid.style.setProperty("--vt-columns", `2em ${columns.map((column) => column.width).join(" ")}`);
    if (header.children.length !== columns.length + 1) this.body.replaceChildren();
    header.replaceChildren(node("div", { class: "vt-check", role: "columnheader", "aria-label": "Selected" }, "✓"),
      ...columns.map(({ name, label }) => node("div", { role: "columnheader", "data-column": name, "aria-sort":
        rows.sorting.name !== name ? "none" : rows.sorting.direction > 0 ? "ascending" : "descending" }, label)));
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
    const { rows, grid, body, columns } = this;
    const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - SPARE);
    const seen = rows.order.slice(first, first + Math.ceil(grid.clientHeight / ROW) + 2 * SPARE);
    body.style.height = `${rows.order.length * ROW}px`;
    while (body.children.length > seen.length) body.lastChild.remove();
    while (body.children.length < seen.length)
      body.append(node("div", { class: "vt-row", role: "row" }, node("div", { class: "vt-check", role: "gridcell" }),
        ...columns.map(({ name }) => node("div", { role: "gridcell", "data-column": name }))));
    seen.forEach((i, n) => this.fill(body.children[n], i, first + n));
  }

  fill(row, i, position) {
    const { rows } = this;
    row.style.top = `${position * ROW}px`;
    row.setAttribute("aria-rowindex", position + 2);
    row.setAttribute("aria-selected", rows.selected.has(rows.ids[i]));
    this.columns.forEach((column, n) => {
      const cell = row.children[n + 1];
      const [text, hover] = [shown(rows.of(column, "text", i)), shown(rows.of(column, "hover", i))];
      say(cell, text);
      if (cell.title !== hover) cell.title = hover;
      if (column.name === "outcome") cell.dataset.tone = text && (TONES[text] ?? "bad");
    });
    this.mark(row, position);
  }

  describe() {
    const { rows, active } = this;
    const names = active === null ? [] : ["outcome", "reason", ...Object.keys(rows.columns)];
    const all = names.map((name) => [name, shown(rows.value(name, rows.index.get(active)), CUT)]);
    const fields = all.filter(([, text]) => text);
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
