// The drawing: boxes and lines at the places the compiler computed; scrolling pans.

const drawing = report.graph;
const MARGIN = 24;
const boxes = new Map();
let zoom = 1, picture = null, overviewView = null;

function buildGraph() {
  const width = drawing.width + 2 * MARGIN, height = drawing.height + 2 * MARGIN;
  const edges = drawing.edges.map(edgeOf);
  drawing.nodes.forEach((node, index) => boxes.set(index, nodeOf(node, index)));
  picture = draw("svg", { viewBox: `${-MARGIN} ${-MARGIN} ${width} ${height}`, id: "picture" },
    draw("defs", {}, draw("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" },
      draw("path", { class: "arrow", d: "M0 0 8 4 0 8z" }))),
    edges.map((edge) => edge.line), [...boxes.values()], edges.map((edge) => edge.label));
  fill(byId("scroller"), picture);
  buildOverview(width, height);
  buildGraphTools();
  const scroller = byId("scroller");
  scroller.addEventListener("scroll", showView, { passive: true });
  scroller.addEventListener("wheel", wheel, { passive: false });
  scroller.addEventListener("keydown", walk);
  new ResizeObserver(showView).observe(scroller);
  drag(scroller);
  setZoom(Math.min(1, Math.max(0.6, scroller.clientWidth / width)));
}

function nodeOf(node, index) {
  const { node_width: w, node_height: h } = drawing;
  const op = node.kind === "op" ? report.ops[node.ref] : null;
  const precision = op ? precisionOf(op) : "other";
  const kind = op ? op.op : node.kind;
  const tag = op ? [precision === "other" ? null : precision, op.moves ? "moves" : null].filter(Boolean).join(", ") : "";
  const described = op ? `${op.op} ${nameOf(op)}, ${precision}` : `${node.kind} ${node.label}`;
  return draw("g", {
    class: `node p-${precision}${op ? "" : " end"}${op?.moves ? " moves" : ""}`,
    transform: `translate(${node.x - w / 2} ${node.y - h / 2})`,
    tabindex: "-1", role: "button", "aria-label": described, "data-node": index,
    "data-op": op ? op.index : null, "data-precision": op ? precision : null,
    on: op ? { click: () => { if (!dragged) choose(op.index); } } : {},
  },
  draw("title", {}, described),
  draw("rect", { class: "halo", x: -5, y: -5, width: w + 10, height: h + 10, rx: 9 }),
  draw("rect", { class: "box", width: w, height: h, rx: op ? 5 : 20 }),
  op ? draw("rect", { class: "stripe", width: 6, height: h, rx: 2 }) : null,
  draw("text", { class: "kind", x: 14, y: 16 }, cut(kind, w - 34 - tag.length * 6, 12.5, "600")),
  draw("text", { class: "tag", x: w - 8, y: 16 }, tag),
  draw("text", { x: 14, y: 31 }, cut(node.label, w - 22, 11.5)));
}

const pen = document.createElement("canvas").getContext("2d");
const FONT = getComputedStyle(document.body).fontFamily;

/** A text cut at its start to fit: the end of a layer's name says more than its beginning. */
function cut(text, width, size, weight = "normal") {
  pen.font = `${weight} ${size}px ${FONT}`;
  if (pen.measureText(text).width <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (pen.measureText(`…${text.slice(text.length - middle)}`).width <= width) low = middle;
    else high = middle - 1;
  }
  return `…${text.slice(text.length - low)}`;
}

function edgeOf(edge) {
  const [start, ...rest] = edge.points;
  let path = `M${start[0]} ${start[1]}`, [x, y] = start;
  rest.forEach(([nextX, nextY], index) => {
    const middle = (y + nextY) / 2;
    path += index % 2 === 0 && nextX !== x ? `C${x} ${middle} ${nextX} ${middle} ${nextX} ${nextY}` : `L${nextX} ${nextY}`;
    [x, y] = [nextX, nextY];
  });
  const line = draw("path", {
    class: `edge${edge.conversion ? " converts" : ""}`, d: path, "marker-end": "url(#tip)",
    "data-from": edge.source, "data-to": edge.target,
  });
  return { line, label: edge.conversion ? conversionLabel(edge) : null };
}

function conversionLabel(edge) {
  const [to, before] = [edge.points.at(-1), edge.points.at(-2)];
  const x = (to[0] + before[0]) / 2, y = (to[1] + before[1]) / 2;
  return draw("g", { class: "conversion", transform: `translate(${x} ${y})` },
    draw("title", {}, `converts ${arrow(edge.conversion)}`),
    draw("rect", { x: -33, y: -8, width: 66, height: 15, rx: 7 }),
    draw("text", { y: 3 }, arrow(edge.conversion)));
}

// --- zoom and pan ------------------------------------------------------------------------------

function setZoom(value, at = null) {
  const scroller = byId("scroller");
  const limited = Math.min(3, Math.max(0.05, value));
  const [x, y] = at ?? [scroller.clientWidth / 2, scroller.clientHeight / 2];
  const left = (scroller.scrollLeft + x) / zoom, top = (scroller.scrollTop + y) / zoom;
  zoom = limited;
  picture.setAttribute("width", (drawing.width + 2 * MARGIN) * zoom);
  picture.setAttribute("height", (drawing.height + 2 * MARGIN) * zoom);
  scroller.scrollLeft = left * zoom - x;
  scroller.scrollTop = top * zoom - y;
  showView();
}

function wheel(event) {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const corner = byId("scroller").getBoundingClientRect();
  setZoom(zoom * Math.exp(-event.deltaY / 300), [event.clientX - corner.left, event.clientY - corner.top]);
}

let dragged = false;

function drag(scroller) {
  let from = null;
  scroller.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.button === 0 && event.pointerType === "mouse") from = [event.clientX, event.clientY, scroller.scrollLeft, scroller.scrollTop];
  });
  window.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [x, y] = [event.clientX - from[0], event.clientY - from[1]];
    if (!dragged && Math.hypot(x, y) < 5) return;
    dragged = true;
    scroller.classList.add("dragging");
    scroller.scrollLeft = from[2] - x;
    scroller.scrollTop = from[3] - y;
  });
  window.addEventListener("pointerup", () => { from = null; scroller.classList.remove("dragging"); });
}

function reveal(node) {
  const scroller = byId("scroller");
  const x = (node.x + MARGIN) * zoom + Math.max(0, (scroller.clientWidth - picture.clientWidth) / 2), y = (node.y + MARGIN) * zoom;
  const inside = x > scroller.scrollLeft + 60 && x < scroller.scrollLeft + scroller.clientWidth - 60
    && y > scroller.scrollTop + 40 && y < scroller.scrollTop + scroller.clientHeight - 40;
  if (!inside) scroller.scrollTo(x - scroller.clientWidth / 2, y - scroller.clientHeight / 2);
}

// --- the overview ------------------------------------------------------------------------------

function buildOverview(width, height) {
  const { node_width: w, node_height: h } = drawing;
  const room = byId("overview").getBoundingClientRect();
  const scale = Math.min(room.width / width, room.height / height);
  // A deep program would be a hair wide.
  const wide = Math.max(22, width * scale), high = height * scale;
  overviewView = draw("rect", { class: "view" });
  const svg = draw("svg", { width: wide, height: high, preserveAspectRatio: "none", viewBox: `${-MARGIN} ${-MARGIN} ${width} ${height}` },
    drawing.nodes.map((node) => draw("rect", {
      class: `dot p-${node.kind === "op" ? precisionOf(report.ops[node.ref]) : "other"}`, x: node.x - w / 2, y: node.y - h / 2 - 6, width: w, height: h + 12,
    })), overviewView);
  svg.addEventListener("click", (event) => {
    const corner = svg.getBoundingClientRect(), scroller = byId("scroller");
    const at = [(event.clientX - corner.left) / wide * width, (event.clientY - corner.top) / high * height];
    scroller.scrollTo(at[0] * zoom - scroller.clientWidth / 2, at[1] * zoom - scroller.clientHeight / 2);
  });
  fill(byId("overview"), svg);
}

function showView() {
  const scroller = byId("scroller");
  const fits = scroller.scrollHeight <= scroller.clientHeight + 1 && scroller.scrollWidth <= scroller.clientWidth + 1;
  byId("overview").hidden = fits;
  const set = (name, value) => overviewView.setAttribute(name, value);
  set("x", scroller.scrollLeft / zoom - MARGIN);
  set("y", scroller.scrollTop / zoom - MARGIN);
  set("width", Math.min(drawing.width + 2 * MARGIN, scroller.clientWidth / zoom));
  set("height", Math.min(drawing.height + 2 * MARGIN, scroller.clientHeight / zoom));
}

// --- tools: search, colours, zoom --------------------------------------------------------------

let matches = [], atMatch = -1;

function buildGraphTools() {
  const search = make("input", {
    type: "search", id: "search", placeholder: "Search ops", "aria-label": "Search ops by name, type or precision",
    on: { input: () => find(search.value), keydown: (event) => { if (event.key === "Enter") { event.preventDefault(); nextMatch(event.shiftKey ? -1 : 1); } } },
  });
  const colours = make("select", { id: "colour", "aria-label": "Colour the ops by", on: { change: () => colour(colours.value) } },
    make("option", { value: "precision" }, "precision"),
    report.ops.some((op) => op.measured_us !== null) ? make("option", { value: "time" }, "measured time") : null,
    report.ops.some((op) => modelled(op) !== null) ? make("option", { value: "modelled" }, "modelled time") : null,
    report.ops.some((op) => op.sqnr_db !== null) ? make("option", { value: "error" }, "error") : null,
    make("option", { value: "macs" }, "MACs"));
  const button = (text, label, action) => make("button", { type: "button", "aria-label": label, title: label, on: { click: action } }, text);
  fill(byId("graph-tools"),
    search, make("span", { class: "count", id: "found", role: "status" }),
    make("label", {}, "colour by", colours),
    make("span", { class: "legend", id: "legend" }),
    make("span", { class: "grow" },
      button("−", "Zoom out", () => setZoom(zoom / 1.25)), " ",
      button("+", "Zoom in", () => setZoom(zoom * 1.25)), " ",
      button("Fit", "Show the whole graph", fit), " ",
      button("1:1", "Original size", () => setZoom(1))));
  colour("precision");
}

function fit() {
  const scroller = byId("scroller");
  setZoom(Math.min(scroller.clientWidth / (drawing.width + 2 * MARGIN), scroller.clientHeight / (drawing.height + 2 * MARGIN)));
}

/** Whether an op has all words of a text in its names, type, precision or decider. */
function hasWords(op, text) {
  const all = [...op.names, op.op, precisionOf(op), op.placed_by].join(" ").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

function find(text) {
  matches = text.trim() ? report.ops.filter((op) => hasWords(op, text.trim())) : [];
  atMatch = -1;
  const found = new Set(matches.map((op) => op.index));
  for (const [index, node] of drawing.nodes.entries()) {
    const hit = node.kind === "op" && found.has(node.ref);
    boxes.get(index).classList.toggle("found", hit);
    boxes.get(index).classList.toggle("faded", matches.length > 0 && !hit);
  }
  byId("found").textContent = text.trim() ? `${matches.length} of ${report.ops.length}` : "";
  if (matches.length) reveal(drawing.nodes[nodeIndex(matches[0].index)]);
}

function nextMatch(step) {
  if (!matches.length) return;
  atMatch = (atMatch + step + matches.length) % matches.length;
  choose(matches[atMatch].index);
  byId("found").textContent = `${atMatch + 1} of ${matches.length}`;
}

const LEVELS = {
  time: (op) => op.measured_us ?? 0,
  modelled: (op) => modelled(op) ?? 0,
  macs: (op) => op.macs,
  error: (op) => (typeof op.sqnr_db === "number" ? Math.max(0, 60 - op.sqnr_db) : 0),
};
const MEANING = {
  time: "darker: takes more of the run", modelled: "darker: takes more by the model",
  macs: "darker: more multiplications", error: "darker: larger error against float",
};

function colour(by) {
  const level = LEVELS[by];
  const most = level ? Math.max(...report.ops.map(level), Number.MIN_VALUE) : 1;
  for (const [index, node] of drawing.nodes.entries()) {
    if (node.kind !== "op") continue;
    const box = boxes.get(index);
    box.classList.toggle("heat", Boolean(level));
    box.style.setProperty("--level", level ? level(report.ops[node.ref]) / most : 0);
  }
  fill(byId("legend"), level ? make("span", {}, MEANING[by]) : [
    ORDER.filter((name) => report.ops.some((op) => precisionOf(op) === name)).map((name) => make("span", {}, make("span", { class: `swatch p-${name}` }), name)),
    report.ops.some((op) => op.moves) ? make("span", {}, "dashed: only moves data") : null]);
}

// --- choosing and walking ----------------------------------------------------------------------

const inputCount = drawing.nodes.findIndex((node) => node.kind === "op");
const nodeIndex = (op) => op + inputCount;

function markChosen(op) {
  const chosen = nodeIndex(op.index);
  for (const [index, box] of boxes) {
    box.classList.toggle("chosen", index === chosen);
    box.setAttribute("tabindex", index === chosen ? "0" : "-1");
  }
  for (const line of picture.querySelectorAll(".edge")) {
    line.classList.toggle("chosen", Number(line.dataset.from) === chosen || Number(line.dataset.to) === chosen);
  }
  reveal(drawing.nodes[chosen]);
}

/** Arrow keys: up and down along edges, left and right within a layer. */
function walk(event) {
  const keys = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  if (event.key === "+" || event.key === "=") setZoom(zoom * 1.25);
  if (event.key === "-") setZoom(zoom / 1.25);
  const step = keys[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const current = chosenOp === null ? null : drawing.nodes[nodeIndex(chosenOp)];
  const target = current ? neighbour(current, step) : drawing.nodes[inputCount];
  if (target) {
    choose(target.ref);
    boxes.get(nodeIndex(target.ref)).focus({ preventScroll: true });
  }
}

function neighbour(node, [right, down]) {
  const index = drawing.nodes.indexOf(node);
  const near = down > 0 ? drawing.edges.filter((edge) => edge.source === index).map((edge) => edge.target)
    : down < 0 ? drawing.edges.filter((edge) => edge.target === index).map((edge) => edge.source)
    : [...drawing.nodes.keys()].filter((other) => drawing.nodes[other].y === node.y && (drawing.nodes[other].x - node.x) * right > 0);
  const ops = near.map((other) => drawing.nodes[other]).filter((other) => other.kind === "op");
  return ops.sort((a, b) => Math.abs(a.x - node.x) - Math.abs(b.x - node.x))[0];
}
