// Building the page, and choosing an op: in the graph, in the panel and in the table at once.

let chosenOp = null;

function choose(index, scroll = false) {
  const op = report.ops[index];
  if (chosenOp !== null) rowOf.get(chosenOp).classList.remove("chosen");
  chosenOp = index;
  rowOf.get(index).classList.add("chosen");
  markChosen(op);
  showPanel(op);
  history.replaceState(null, "", `#op-${index}`);
  if (scroll) {
    const graph = byId("graph").getBoundingClientRect();
    if (graph.bottom < 200 || graph.top > innerHeight - 200) byId("graph").scrollIntoView();
  }
}

buildSummary();
buildGraph();
buildTable();
buildSpeed();
buildPipeline();
emptyPanel();
const linked = /^#op-(\d+)$/.exec(location.hash);
if (linked && report.ops[linked[1]]) choose(Number(linked[1]), true);
