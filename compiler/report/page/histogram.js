// A value's histogram, with the range that its stored integers reach.

const WIDTH = 390, HEIGHT = 92, BASE = 74;

function histogramOf(value) {
  const { histogram, stored } = value;
  const low = Math.min(histogram.low, stored?.low ?? Infinity);
  const high = Math.max(histogram.high, stored?.high ?? -Infinity);
  const at = (x) => ((x - low) / (high - low || 1)) * WIDTH;
  const width = (histogram.high - histogram.low) / histogram.counts.length;
  const most = Math.max(...histogram.counts);
  const bars = histogram.counts.map((times, index) => {
    if (!times) return null;
    const start = histogram.low + index * width;
    // Logarithmic, so that the tails that decide a range are seen; one value is a hair high.
    const height = Math.max(1.5, (BASE - 4) * Math.log1p(times) / Math.log1p(most));
    const outside = stored && (start + width <= stored.low || start >= stored.high);
    return draw("rect", {
      class: outside ? "beyond" : "within", x: at(start), y: BASE - height,
      width: Math.max(1, at(start + width) - at(start) - 0.6), height,
    }, draw("title", {}, `${number(start)} to ${number(start + width)}: ${count(times)} values`));
  });
  const limits = stored ? [stored.low, stored.high].map((x) =>
    draw("line", { class: "limit", x1: at(x), x2: at(x), y1: 0, y2: BASE })) : [];
  // Not where it would run into the ends' numbers.
  const zero = at(0) > 70 && at(0) < WIDTH - 70 ? [draw("text", { x: at(0), y: HEIGHT - 5, "text-anchor": "middle" }, "0")] : [];
  return draw("svg", {
    class: "histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": `Histogram from ${number(histogram.low)} to ${number(histogram.high)}, logarithmic counts`,
  },
  draw("line", { class: "axis", x1: 0, x2: WIDTH, y1: BASE + 0.5, y2: BASE + 0.5 }),
  bars, limits, zero,
  draw("text", { x: 0, y: HEIGHT - 5 }, number(low)),
  draw("text", { x: WIDTH, y: HEIGHT - 5, "text-anchor": "end" }, number(high)));
}

function valueBlock(value) {
  const facts = [];
  if (value.range) facts.push(`calibrated ${number(value.range[0])} to ${number(value.range[1])}`);
  if (value.stored) {
    facts.push(`stored as ${value.stored.type}, scale ${number(value.stored.scale)}, zero point ${value.stored.zero_point}`);
    if (value.stored.clipped) facts.push(`${number(Number((100 * value.stored.clipped).toPrecision(2)))} % of the values clipped`);
  }
  const from = producer.get(value.id);
  return make("div", { class: "value-block" },
    make("div", {}, from ? opLink(from) : `input ${value.name}`, " ", make("span", { class: "mono" }, value.type)),
    facts.length ? make("div", { class: "note" }, facts.join("; ")) : null,
    value.histogram ? histogramOf(value) : null);
}
