// The table of ops: filters above, sorting in the headings.

const COLUMNS = [
  { title: "#", key: (op) => op.index, cell: (op) => op.index, number: true },
  { title: "name", key: nameOf, cell: opLink, kind: "name" },
  { title: "op", key: (op) => op.op, cell: (op) => op.op },
  { title: "precision", key: (op) => ORDER.indexOf(precisionOf(op)), cell: (op) => badge(precisionOf(op)) },
  { title: "result", key: (op) => report.values[op.outputs[0]]?.type ?? "", cell: (op) => make("span", { class: "mono line" }, report.values[op.outputs[0]]?.type ?? "") },
  { title: "MACs", key: (op) => op.macs, cell: (op) => (op.macs ? share(op.macs_share) : ""), number: true, present: (op) => op.macs > 0 },
  { title: "SQNR", key: (op) => decibelRank(op.sqnr_db), cell: (op) => decibels(op.sqnr_db), number: true, present: (op) => op.sqnr_db !== null },
  { title: "measured", key: (op) => op.measured_us ?? -1, cell: (op) => [time(op.measured_us), bar(op.measured_us === null ? null : op.measured_us / longest, precisionOf(op))], number: true, present: (op) => op.measured_us !== null },
  { title: "share", key: (op) => op.measured_share ?? -1, cell: (op) => share(op.measured_share), number: true, present: (op) => op.measured_us !== null },
  { title: "modelled", key: (op) => modelled(op) ?? -1, cell: (op) => time(modelled(op)), number: true, present: (op) => modelled(op) !== null },
  { title: "gain", key: (op) => op.gain_us ?? -Infinity, cell: (op) => (op.gain_us === null ? "" : time(op.gain_us)), number: true, present: (op) => op.gain_us !== null },
  { title: "placed by", key: (op) => op.placed_by, cell: (op) => (op.decider && op.decider !== op.placed_by ? op.decider : op.placed_by) },
  { title: "reason", key: (op) => op.reason, cell: (op) => [op.wanted ? `wanted ${op.wanted}: ` : null, op.reason], kind: "reason" },
];

const longest = Math.max(...report.ops.map((op) => op.measured_us ?? 0), Number.MIN_VALUE);
const shownColumns = COLUMNS.filter((column) => !column.present || report.ops.some(column.present));
const filters = { text: "", precision: "", type: "", decider: "", kind: "" };
let sorted = { column: shownColumns[0], descending: false };
const rowOf = new Map();

function buildTable() {
  const options = (of) => [...new Set(report.ops.map(of))].sort();
  const select = (name, label, values) => make("label", {}, label,
    make("select", { id: `filter-${name}`, on: { change: (event) => { filters[name] = event.target.value; showRows(); } } },
      make("option", { value: "" }, "all"), values.map((value) => make("option", { value }, value))));
  fill(byId("filters"),
    make("input", { type: "search", id: "filter-text", placeholder: "Filter by name", "aria-label": "Filter ops by name, type or precision", on: { input: (event) => { filters.text = event.target.value.trim(); showRows(); } } }),
    select("precision", "precision", ORDER.filter((name) => report.ops.some((op) => precisionOf(op) === name))),
    select("type", "op", options((op) => op.op)),
    select("decider", "placed by", options((op) => op.placed_by)),
    select("kind", "show", ["computing", "moving", "converting", "not as wanted"]),
    make("span", { class: "count", id: "shown", role: "status" }));
  const headings = shownColumns.map((column) => make("th", { scope: "col", class: column.number ? "number" : null },
    make("button", { type: "button", on: { click: () => sortBy(column) } }, column.title)));
  for (const op of report.ops) {
    rowOf.set(op.index, make("tr", { "data-op": op.index },
      shownColumns.map((column) => make("td", { class: column.number ? "number" : column.kind }, column.cell(op)))));
  }
  fill(byId("op-table"), make("thead", {}, make("tr", {}, headings)), make("tbody", {}));
  showRows();
}

function sortBy(column) {
  // Numbers are asked for largest first, names from A.
  const descending = sorted.column === column ? !sorted.descending : Boolean(column.number) && column !== shownColumns[0];
  sorted = { column, descending };
  showRows();
}

const KINDS = {
  "": () => true,
  computing: (op) => !op.moves,
  moving: (op) => op.moves,
  converting: (op) => op.conversions.length > 0,
  "not as wanted": (op) => op.wanted !== null,
};

function showRows() {
  const passing = report.ops.filter((op) => (!filters.text || hasWords(op, filters.text))
    && (!filters.precision || precisionOf(op) === filters.precision)
    && (!filters.type || op.op === filters.type)
    && (!filters.decider || op.placed_by === filters.decider)
    && KINDS[filters.kind](op));
  const { column, descending } = sorted;
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a < b ? -1 : a > b ? 1 : 0);
  passing.sort((a, b) => (descending ? -1 : 1) * compare(column.key(a), column.key(b)) || a.index - b.index);
  byId("op-table").tBodies[0].replaceChildren(...passing.map((op) => rowOf.get(op.index)));
  byId("shown").textContent = `${passing.length} of ${report.ops.length} ops`;
  [...byId("op-table").tHead.rows[0].cells].forEach((cell, index) => {
    const here = shownColumns[index] === column;
    if (here) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
    cell.firstChild.textContent = shownColumns[index].title + (here ? (descending ? " ↓" : " ↑") : "");
  });
}
