// What is known of the chosen op.

function showPanel(op) {
  const values = (ids) => ids.map((id) => report.values[id]);
  const next = op.outputs.flatMap((id) => users.get(id));
  const inputs = [...new Set(op.inputs)];
  fill(byId("panel"),
    make("div", { class: "steps" }, stepButton("←", op.index - 1, "Previous op"), stepButton("→", op.index + 1, "Next op")),
    make("h3", { class: "title" }, nameOf(op)),
    make("p", {}, badge(precisionOf(op)), ` ${op.op}, op ${op.index}`),
    make("dl", {},
      pair("why", [op.decider, op.reason].filter(Boolean).join(": ")),
      pair("wanted", op.wanted && `${op.wanted}, not kept`),
      pair("error", op.sqnr_db === null ? null : `${decibels(op.sqnr_db)} signal to noise, result against float`),
      pair("alone", op.alone_sqnr_db === null ? null : `${decibels(op.alone_sqnr_db)}, if all ops before had no error`),
      pair("cause", op.cause),
      pair("to mend", op.rule && make("code", {}, op.rule)),
      pair("measured", measuredText(op)),
      pair("modelled", modelledText(op)),
      pair("gain", op.gain_us === null ? null : `${time(op.gain_us)} against f32, by the model`),
      pair("work", op.macs ? `${count(op.macs)} MACs, ${share(op.macs_share)} of all` : null),
      pair("kernels", op.kernels.join(", ")),
      pair("fused with", op.fused_with.length ? opLinks(op.fused_with) : null),
      pair("converts", op.conversions.map(arrow).join("; ")),
      pair("names", op.names.length > 1 ? op.names.join(", ") : null),
      pair("used by", next.length ? opLinks(next.map((user) => user.index)) : "the outputs")),
    make("h3", {}, inputs.length > 1 ? "Inputs" : "Input"),
    values(inputs).map(valueBlock),
    op.constants.length ? make("div", { class: "note" }, `constants: ${op.constants.join(", ")}`) : null,
    make("h3", {}, op.outputs.length > 1 ? "Results" : "Result"),
    values(op.outputs).map(valueBlock),
    noted("histograms") ?? make("p", { class: "note" }, "Histograms are of the calibration data, with logarithmic counts. Dashed: as far as the stored integers reach; beyond, values are clipped."),
    make("h3", {}, "IR"),
    make("div", { class: "note" }, "as it was placed"), make("pre", {}, op.ir),
    op.final_ir.length ? [make("div", { class: "note" }, `at stage ${report.summary.stage}`), op.final_ir.map((text) => make("pre", {}, text))] : null);
  byId("panel").classList.remove("empty");
  byId("panel").scrollTop = 0;
}

function pair(term, description) {
  return description ? [make("dt", {}, term), make("dd", {}, description)] : null;
}

function measuredText(op) {
  if (op.timed_with !== null) return ["counted with ", opLink(report.ops[op.timed_with])];
  return op.measured_us === null ? null : `${time(op.measured_us)}, ${share(op.measured_share)} of the run${op.peak_share === null ? "" : `, at ${peakText(op)} of a core's peak`}`;
}

function modelledText(op) {
  return ORDER.filter((name) => name in op.modelled_us).map((name) => `${name} ${time(op.modelled_us[name])}`).join(", ");
}

function stepButton(text, index, label) {
  const outside = index < 0 || index >= report.ops.length;
  return make("button", { type: "button", "aria-label": label, disabled: outside ? "" : null, on: { click: () => choose(index, true) } }, text);
}

function emptyPanel() {
  byId("panel").classList.add("empty");
  fill(byId("panel"),
    make("h3", { class: "title" }, "Choose an op"),
    make("p", { class: "note" }, "Click a box, or focus the graph and move with the arrow keys. The panel shows why the op is where it is, how its numbers are spread, its error, its time and its IR."));
}
