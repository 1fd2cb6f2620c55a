// The section of the relevance tree: sliders, coverage, 3-D view, readout, list.

import type { Color } from "./color";
import { field, head } from "./controls";
import { createCoverage } from "./coverage";
import { choices, cssColor, make, setText } from "./dom";
import { drawTree, type Paint, type Placed } from "./drawing";
import { paintInput } from "./panel";
import { whenSeen } from "./frames";
import { createReadout } from "./readout";
import { stepOf, type Recording, type Run } from "./recording";
import { STACK } from "./sizes";
import { createStage } from "./scene";
import { nodesOf, selectedNode } from "./selection";
import type { Store } from "./store";
import { createTreeList } from "./treelist";
import { mostChildren, shownNodes } from "./tree";

const PATIENCE = 250; // ms between drawings of the list while playing

export function createTreeView(recording: Recording, store: Store): HTMLElement {
  const { levels } = recording.header;
  const grown = recording.runs.filter((run) => run.tree);
  const section = make("section", { id: "tree", class: "card tree", "aria-labelledby": "tree-title" });
  const title = head("Relevance tree");
  title.id = "tree-title";
  section.append(title);
  if (!grown.length) {
    section.append(make("p", { class: "hint" }, "No tree was recorded."));
    return section;
  }
  const choose = (node: { key: string }) => store.set({ selected: node.key });
  let placed: Placed | null = null;
  const stage = createStage((ball) => ball >= 0 && placed && choose(placed.nodes[ball]));
  const list = createTreeList(choose);
  const readout = createReadout(levels);
  const held = createCoverage(levels);
  const missing = make("p", { id: "no-webgl", class: "missing" },
    "The 3-D view needs WebGL 2, which this browser doesn't offer here. The list beside it holds the same nodes.");
  section.append(
    createTreeControls(recording, grown, store),
    held.verdict,
    make("div", { class: "tree-body" },
      make("div", { class: "tree-left" }, stage?.element ?? missing, make("p", { class: "hint" }, EXPLAIN)),
      make("div", { class: "tree-right" }, held.element, readout.element, list.element)));
  const presence = new Map(grown.map((run) => [run, levelsOf(run, levels.length)]));
  const drawList = throttle(() => {
    const [run, t] = current(recording, store);
    const state = store.get();
    const shown = shownNodes(nodesOf(run, t), state.children, state.depth);
    list.show(shown, selectedNode(run, t, state.selected), levels);
  }, store);
  const drawStage = stage && whenSeen(stage.element, () => {
    const [run, t] = current(recording, store);
    const { children, depth, selected } = store.get();
    const nodes = nodesOf(run, t);
    for (let frame = 0; frame < STACK; frame++) stage.paintFrame(frame, (pixels) => paintInput(run, t, frame, pixels));
    const shown = shownNodes(nodes, children, depth);
    placed = drawTree(shown, selectedNode(run, t, selected), levels, presence.get(run) ?? [], depth, readPaint());
    stage.draw(placed.drawing);
  });
  const update = () => {
    const [run, t] = current(recording, store);
    const state = store.get();
    const nodes = nodesOf(run, t);
    const chosen = selectedNode(run, t, state.selected);
    held.show(nodes, presence.get(run) ?? [], state.children, state.depth);
    readout.show(chosen, state.children);
    drawStage?.();
    drawList();
  };
  store.on(["step", "children", "depth", "selected", "treeRun", "theme"], update);
  store.on(["playing"], drawList);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  update();
  return section;
}

const EXPLAIN = "Each node lies at the centre of what it sees; channels at the same place stand behind one another. " +
  "Tubes are as wide as the square root of relevance. Drag to turn, click a node to follow its path; the wheel zooms once the view is clicked.";

function current(recording: Recording, store: Store): [Run, number] {
  const { treeRun, step } = store.get();
  const run = recording.runs[treeRun];
  return [run, stepOf(run, step)];
}

function levelsOf(run: Run, count: number): boolean[] {
  const present = new Array<boolean>(count).fill(false);
  run.tree?.level.forEach((level: number) => (present[level] = true));
  return present;
}

function createTreeControls(recording: Recording, grown: Run[], store: Store): HTMLElement {
  const { levels } = recording.header;
  const most = Math.max(...grown.map((run) => (run.tree ? mostChildren(run.tree) : 1)));
  const parts: HTMLElement[] = [];
  if (grown.length > 1) {
    const runs = choices("tree-run", "Run", grown.map((run) => ({ value: `${run.index}`, text: `${run.index + 1}  ${run.about.label}` })),
      (value) => store.set({ treeRun: Number(value) }));
    const show = () => runs.show(`${store.get().treeRun}`);
    store.on(["treeRun"], show);
    show();
    parts.push(runs.element);
  }
  const children = slider("tree-children", 1, most, store.get().children, (value) => store.set({ children: value }),
    (value) => (value === 1 ? "1 child a node" : `${value} children a node`));
  const depth = slider("tree-depth", 1, levels.length, store.get().depth, (value) => store.set({ depth: value }),
    (value) => `${value} of ${levels.length} levels, down to ${levels[value - 1].name}`);
  parts.push(make("div", { class: "sliders" }, children, depth));
  return make("div", { class: "tree-controls" }, ...parts);
}

function slider(
  id: string, min: number, max: number, value: number, set: (value: number) => void, say: (value: number) => string,
): HTMLElement {
  const input = make("input", { type: "range", id, min, max, step: 1, value, "aria-label": id.replace("tree-", "") });
  const label = field(say(value), input);
  input.addEventListener("input", () => {
    setText(label.firstElementChild ?? label, say(Number(input.value)));
    set(Number(input.value));
  });
  return label;
}

/** Runs now, or while playing at most every PATIENCE ms: the list is the slowest to draw, the least read then. */
function throttle(act: () => void, store: Store): () => void {
  let last = 0;
  return () => {
    const now = performance.now();
    if (store.get().playing && now - last < PATIENCE) return;
    last = now;
    act();
  };
}

function readPaint(): Paint {
  return {
    positive: readColor("--positive"),
    negative: readColor("--negative"),
    ground: readColor("--stage"),
    line: readColor("--stage-line"),
    chosen: readColor("--chosen"),
  };
}

/** A custom property, "#rrggbb", as numbers. */
function readColor(name: string): Color {
  const value = parseInt(cssColor(name).slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
