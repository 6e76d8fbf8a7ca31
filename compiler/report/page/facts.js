// The data of the report, and how its numbers are written.

const report = JSON.parse(byId("data").textContent);
const ORDER = ["int8", "bf16", "f16", "f32", "other"];

const precisionOf = (op) => op.precision ?? "other";
const nameOf = (op) => op.names[0] ?? `${op.op} ${op.index}`;

/** The ops that use each value, by the value's id. */
const users = new Map(report.values.map((value) => [value.id, []]));
const producer = new Map();
for (const op of report.ops) {
  for (const id of new Set(op.inputs)) users.get(id).push(op);
  for (const id of op.outputs) producer.set(id, op);
}

function time(microseconds) {
  if (microseconds === null || microseconds === undefined) return "";
  if (microseconds >= 1e6) return `${(microseconds / 1e6).toPrecision(3)} s`;
  if (microseconds >= 1e3) return `${(microseconds / 1e3).toPrecision(3)} ms`;
  if (microseconds >= 100) return `${microseconds.toFixed(0)} µs`;
  return `${microseconds.toFixed(microseconds >= 10 ? 1 : 2)} µs`;
}

function amount(value, units, base) {
  let index = 0;
  while (value >= base && index < units.length - 1) { value /= base; index += 1; }
  return `${index ? value.toPrecision(3) : value}${units[index]}`;
}

const count = (value) => amount(value, ["", " k", " M", " G", " T"], 1000);
const bytes = (value) => amount(value, [" B", " KiB", " MiB", " GiB"], 1024);
const number = (value) => String(Number(value.toPrecision(4)));
const share = (value) => (value === null || value === undefined ? "" : `${(100 * value).toFixed(1)} %`);

const peakText = (op) => (op.peak_share === null ? "" : `${(100 * op.peak_share).toFixed(0)} %`);

function decibels(value) {
  if (value === null || value === undefined) return "";
  return value === "exact" ? "exact" : `${value.toFixed(1)} dB`;
}

/** Signal-to-noise ratios in an order: exact above all others, unknown below. */
const decibelRank = (value) => (value === null ? -Infinity : value === "exact" ? Infinity : value);

const modelled = (op) => op.modelled_us[op.precision ?? "f32"] ?? null;
const arrow = (change) => change.replace(" to ", " → ");

function badge(precision) {
  return make("span", { class: `badge p-${precision}` }, precision);
}

/** A button that chooses an op. */
function opLink(op) {
  return make("button", { class: "link", type: "button", on: { click: () => choose(op.index, true) } }, nameOf(op));
}

const opLinks = (indices) => make("span", { class: "list" }, indices.map((index) => opLink(report.ops[index])));

function bar(part, precision = null) {
  const inner = make("span", { class: `bar${precision ? ` p-${precision}` : ""}` });
  inner.style.width = `${Math.max(1, 64 * part)}px`;
  return make("span", { class: "bar-cell", "aria-hidden": "true" }, part === null ? null : inner);
}

const noted = (what) => (report.notes[what] ? make("p", { class: "note" }, `${NOTE[what]}: ${report.notes[what]}.`) : null);
const NOTE = {
  histograms: "No histograms",
  sqnr: "No errors against float",
  measured: "No measured times",
  modelled: "No modelled times",
};
