// Making elements. Text is always a text node, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`on` holds listeners) and children: nodes, texts, or null. */
function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const byId = (id) => document.getElementById(id);

function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null));
}

/** A table from a heading row and rows of cells; `numbers` are the columns that hold numbers. */
function tableOf(headings, rows, numbers = []) {
  const kind = (column) => (numbers.includes(column) ? "number" : null);
  return make("table", {},
    make("thead", {}, make("tr", {}, headings.map((text, i) => make("th", { scope: "col", class: kind(i) }, text)))),
    make("tbody", {}, rows.map((cells) => make("tr", {}, cells.map((cell, i) => make("td", { class: kind(i) }, cell ?? ""))))));
}
