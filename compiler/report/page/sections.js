// Summary, "why is it not faster", and the pipeline.

const { summary, bottlenecks, timing } = report;
const BASIS = { measured: "measured time", modelled: "modelled time", macs: "multiplications" };
const className = (name) => (name === "between ops" ? "between" : name);

function buildSummary() {
  byId("model").textContent = summary.model;
  const tile = (label, value, detail) => make("div", { class: "sheet tile" },
    make("div", { class: "label" }, label), make("div", { class: "value" }, value), make("div", { class: "detail" }, detail ?? ""));
  const outputs = Object.entries(summary.output_sqnr_db);
  const worst = outputs.sort((a, b) => decibelRank(a[1]) - decibelRank(b[1]))[0];
  // The ops' medians leave disturbances out that hit each run in another op.
  const disturbed = timing && timing.run_us > 1.3 * timing.total_us;
  const samples = `${summary.sqnr_samples} calibration sample${summary.sqnr_samples === 1 ? "" : "s"}`;
  fill(byId("summary"),
    make("div", { class: "tiles" },
      tile("target", summary.target, summary.isa === summary.target ? `stage ${summary.stage}` : `${summary.isa}, stage ${summary.stage}`),
      tile("ops", summary.ops, `${count(summary.macs)} MACs`),
      timing ? tile("one run, measured", time(timing.total_us), `1 thread, ${timing.isa}; ${disturbed ? `whole runs ${time(timing.run_us)}: disturbed` : `medians of ${timing.runs} runs`}`) : null,
      tile("weights", bytes(summary.weight_bytes), summary.weight_bytes === summary.float_weight_bytes ? "as in the model" : `${bytes(summary.float_weight_bytes)} before quantization`),
      summary.activation_bytes === null ? null : tile("activations", bytes(summary.activation_bytes), "memory of one run"),
      worst ? tile("SQNR of the output", decibels(worst[1]), `${outputs.length > 1 ? `worst: ${worst[0]}, ` : ""}${samples}`) : null),
    make("div", { class: "columns" },
      make("div", { class: "sheet" }, make("h3", {}, "Precisions"), stacks(), sharesTable()),
      make("div", { class: "sheet" }, make("h3", {}, "Program"),
        make("dl", {},
          summary.inputs.map((text) => pair("input", text)), summary.outputs.map((text) => pair("output", text)),
          pair("calibrated on", summary.calibration_batches ? `${summary.calibration_batches} batches` : "nothing"),
          pair("Octet", summary.octet),
          Object.entries(summary.versions).map(([name, version]) => pair(name, version))),
        make("details", {}, make("summary", {}, "Passes that ran, with all options"), make("pre", { class: "wrap" }, summary.pipeline.split(/,(?![^{]*})/).join("\n"))),
        ["sqnr", "measured", "modelled", "histograms"].map(noted))));
}

function stacks() {
  const rows = [["ops", (part) => part.ops / summary.ops], ["MACs", (part) => part.macs_share]];
  if (bottlenecks.basis !== "macs") rows.push(["time", (part) => part.time_share]);
  return make("div", { class: "stacked" }, rows.flatMap(([label, of]) => [
    make("span", { class: "label" }, label),
    make("div", { class: "stack", role: "img", "aria-label": bottlenecks.shares.map((part) => `${part.name} ${share(of(part))}`).join(", ") },
      bottlenecks.shares.filter((part) => of(part) > 0).map((part) => {
        const piece = make("span", { class: `p-${className(part.name)}`, title: `${part.name}: ${share(of(part))} of ${label}` });
        piece.style.flexGrow = of(part);
        return piece;
      }))]));
}

function sharesTable() {
  const timed = bottlenecks.basis !== "macs";
  return tableOf(["precision", "ops", "MACs", ...(timed ? [BASIS[bottlenecks.basis], "share"] : [])],
    bottlenecks.shares.map((part) => [
      make("span", {}, make("span", { class: `swatch p-${className(part.name)}` }), part.name),
      part.ops || "", part.macs ? share(part.macs_share) : "",
      ...(timed ? [time(part.time_us), share(part.time_share)] : [])]), [1, 2, 3, 4]);
}

// --- why is it not faster ----------------------------------------------------------------------

function buildSpeed() {
  const timed = bottlenecks.basis !== "macs";
  const part = (item) => (timed ? [time(item.time_us), share(item.time_share)] : []);
  const heads = timed ? [BASIS[bottlenecks.basis], "share"] : [];
  fill(byId("speed-body"),
    make("p", { class: "note" }, `Shares are of ${BASIS[bottlenecks.basis]}.`), noted("measured"),
    verdict(),
    block("The ops that dominate", bottlenecks.dominating.length, bottlenecks.dominating.length ? dominating() : null),
    block("Why ops are not int8", bottlenecks.causes.length,
      tableOf(["precision", "reason", "MACs", ...heads, "ops"], bottlenecks.causes.map((cause) => [
        badge(cause.precision), cause.reason, share(cause.macs_share), ...part(cause), folded(cause.ops)]), timed ? [2, 3, 4] : [2])),
    block("Float islands: connected f32 ops", bottlenecks.islands.length,
      tableOf(["size", "edges to other precisions", ...heads, "reasons", "ops"], bottlenecks.islands.map((island) => [
        island.ops.length, island.borders, ...part(island),
        Object.entries(island.reasons).map(([reason, times]) => make("div", {}, times > 1 ? `${times} × ${reason}` : reason)), folded(island.ops)]), [0, 1, 2, 3])),
    block("Kernels that only convert", bottlenecks.conversions.length,
      tableOf(["kernel", "change", "between", "memory", ...heads], bottlenecks.conversions.map((conversion) => [
        conversion.kernel, arrow(conversion.change),
        [conversion.before.length ? opLinks(conversion.before) : "input", " → ", conversion.after.length ? folded(conversion.after) : "output"],
        bytes(conversion.bytes), ...part(conversion)]), [3, 4, 5])),
    make("p", { class: "note" }, `${bottlenecks.fused_conversions} further conversions at borders of ops are done by the ops' own kernels while they load and store.`));
}

/** The section in one paragraph. */
function verdict() {
  if (bottlenecks.basis === "macs") return null;
  const of = (name) => bottlenecks.shares.find((item) => item.name === name)?.time_share ?? 0;
  const converting = bottlenecks.conversions.reduce((sum, item) => sum + (item.time_share ?? 0), 0);
  const lead = bottlenecks.dominating.length;
  const sentences = [
    `${share(of("f32"))} of the time is in f32 ops`,
    `${share(converting)} in kernels that only convert or copy`,
    `${lead} of ${summary.ops} ops take 80 % of what ops take`,
  ];
  return make("p", {}, `${sentences.join("; ")}.`);
}

const AT_FIRST = 12;

/** The first rows; the others behind a button. */
function dominating() {
  const most = weightOf(report.ops[bottlenecks.dominating[0]]);
  const peaks = report.ops.some((op) => op.peak_share !== null);
  const table = tableOf(["op", "precision", "type", "of all", "", ...(peaks ? ["of peak"] : [])], bottlenecks.dominating.map((index) => {
    const op = report.ops[index], of = weightOf(op);
    return [opLink(op), badge(precisionOf(op)), op.op, share(of), bar(of / most, precisionOf(op)), ...(peaks ? [peakText(op)] : [])];
  }), [3, 5]);
  const rest = [...table.tBodies[0].rows].slice(AT_FIRST);
  if (rest.length < 3) return table;
  for (const row of rest) row.classList.add("rest");
  const more = make("button", { class: "link more", type: "button", on: { click: () => { table.classList.add("all"); more.remove(); } } }, `${rest.length} more`);
  return [table, more];
}

const weights = report.ops.map((op) => (bottlenecks.basis === "measured" ? op.measured_us : bottlenecks.basis === "modelled" ? modelled(op) : op.macs) ?? 0);
const whole = (bottlenecks.basis === "measured" ? timing.total_us : weights.reduce((a, b) => a + b, 0)) || 1;
const weightOf = (op) => weights[op.index] / whole;

function block(title, present, content) {
  return [make("h3", {}, title), present ? make("div", { class: "wide" }, content) : make("p", { class: "note" }, "None.")];
}

/** Links to ops; many of them behind a line to open. */
function folded(indices) {
  return indices.length <= 4 ? opLinks(indices) : make("details", {}, make("summary", {}, `${indices.length} ops`), opLinks(indices));
}

// --- pipeline ----------------------------------------------------------------------------------

function buildPipeline() {
  const total = report.stages.reduce((sum, stage) => sum + stage.seconds, 0) || 1;
  const changed = (record) => Object.keys(record.deltas).length > 0 || Object.keys(record.rewrites).length > 0;
  const idle = report.passes.filter((record) => !changed(record)).length;
  const stages = tableOf(["stage", "afterwards", "ops", "time", "share"], report.stages.map((stage) => [
    stage.name, stage.afterwards, Object.values(stage.counts).reduce((a, b) => a + b, 0), time(1e6 * stage.seconds),
    [share(stage.seconds / total), bar(stage.seconds / total)]]), [2, 3, 4]);
  const passes = tableOf(["stage", "pass", "ops", "change by op", "rewrites", "time"], report.passes.map((record) => [
    record.stage, make("span", { class: "line", title: record.options || null }, record.name), `${record.ops_before} → ${record.ops_after}`,
    make("span", { class: "deltas" }, Object.entries(record.deltas).map(([name, change]) => make("span", {}, `${change > 0 ? "+" : "−"}${Math.abs(change)} ${name}`))),
    make("span", { class: "deltas" }, Object.entries(record.rewrites).map(([name, times]) => make("span", {}, `${name} ${times.toLocaleString("en")}`))),
    time(1e6 * record.seconds)]), [2, 5]);
  passes.id = "pass-table";
  report.passes.forEach((record, index) => { if (!changed(record)) passes.tBodies[0].rows[index].classList.add("idle"); });
  const box = make("input", { type: "checkbox", id: "idle", on: { change: () => showIdle(box.checked) } });
  const showIdle = (shown) => { for (const row of passes.querySelectorAll(".idle")) row.hidden = !shown; };
  fill(byId("pipeline-body"),
    make("div", { class: "wide" }, stages),
    make("h3", {}, "Passes"),
    make("div", { class: "toolbar" }, make("label", {}, box, `show the ${idle} that changed nothing`)),
    make("div", { class: "wide" }, passes),
    make("p", { class: "note" }, "Wall time; that of a stage includes checking it. Ops include constants."));
  showIdle(false);
}
