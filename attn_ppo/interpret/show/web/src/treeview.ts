// The section of the relevance tree: its root, sliders, coverage, 3-D view, readout, list.

import type { Color } from "./color";
import { group, head } from "./controls";
import { createCoverage } from "./coverage";
import { choices, cssColor, make, setText } from "./dom";
import { drawTree, type Paint, type Placed } from "./drawing";
import { paintInput } from "./panel";
import { whenSeen } from "./frames";
import { createReadout } from "./readout";
import { stepOf, treeOf, type Recording, type Run } from "./recording";
import { rootOption } from "./roots";
import { STACK } from "./sizes";
import { createStage } from "./scene";
import { nodesOf, selectedNode } from "./selection";
import type { State, Store } from "./store";
import { createTreeList } from "./treelist";
import { mostChildren, shownNodes, type Node, type Tree } from "./tree";

const PATIENCE = 250; // ms between drawings of the list while playing

export function createTreeView(recording: Recording, store: Store): HTMLElement {
  const title = head("Relevance tree");
  title.id = "tree-title";
  const choose = (node: { key: string }) => store.set({ selected: node.key });
  let placed: Placed | null = null;
  const stage = createStage((ball) => ball >= 0 && placed && choose(placed.nodes[ball]));
  const list = createTreeList(choose);
  const readout = createReadout();
  const held = createCoverage();
  const missing = make("p", { id: "no-webgl", class: "missing" },
    "The 3-D view needs WebGL 2, which this browser doesn't offer here. The list beside it holds the same nodes.");
  const section = make("section", { id: "tree", class: "card tree", "aria-labelledby": "tree-title" },
    title,
    createTreeControls(recording, store),
    held.verdict,
    make("div", { class: "tree-body" },
      make("div", { class: "tree-left" }, stage?.element ?? missing, make("p", { class: "hint" }, EXPLAIN)),
      make("div", { class: "tree-right" }, held.element, readout.element, list.element)));
  const drawList = throttle(() => {
    const { tree, nodes, chosen } = current(recording, store);
    const { children, depth } = store.get();
    list.show(shownNodes(nodes, children, depth), chosen, tree.levels);
  }, store);
  const drawStage = stage && whenSeen(stage.element, () => {
    const { run, t, tree, nodes, chosen } = current(recording, store);
    const { children, depth } = store.get();
    for (let frame = 0; frame < STACK; frame++) stage.paintFrame(frame, (pixels) => paintInput(run, t, frame, pixels));
    placed = drawTree(shownNodes(nodes, children, depth), chosen, tree.levels, tree.present, depth, readPaint());
    stage.draw(placed.drawing);
  });
  const update = () => {
    const { t, tree, nodes, chosen } = current(recording, store);
    const { children, depth } = store.get();
    held.show(tree, nodes, children, depth);
    readout.show(chosen, tree.levels, children, tree.offsets[t]);
    drawStage?.();
    drawList();
  };
  store.on(["step", "children", "depth", "selected", "treeRun", "treeRoot", "theme"], update);
  store.on(["playing"], drawList);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  update();
  return section;
}

const EXPLAIN = "Each node lies at the centre of what it sees; channels at the same place stand behind one another. " +
  "Tubes are as wide as the square root of relevance. Drag to turn, click a node to follow its path; the wheel zooms once the view is clicked.";

function current(recording: Recording, store: Store): { run: Run; t: number; tree: Tree; nodes: Node[]; chosen: Node | null } {
  const { treeRun, treeRoot, step, selected } = store.get();
  const run = recording.runs[treeRun];
  const [tree, t] = [treeOf(run, treeRoot), stepOf(run, step)];
  return { run, t, tree, nodes: nodesOf(tree, t), chosen: selectedNode(tree, t, selected) };
}

function createTreeControls({ header, runs }: Recording, store: Store): HTMLElement {
  const root = choices("tree-root", "Tree of", header.trees.map((tree) => rootOption(tree.root)), (value) => store.set(changeRoot(runs, store.get(), value)));
  const run = choices("tree-run", "Run", runs.map(({ about, index }) => ({ value: `${index}`, text: `${index + 1}  ${about.label}` })),
    (value) => store.set({ treeRun: Number(value) }));
  const [children, depth] = [
    createSlider("tree-children", (value) => store.set({ children: value })),
    createSlider("tree-depth", (value) => store.set({ depth: value })),
  ];
  const update = () => {
    const state = store.get();
    const { levels } = treeOf(runs[state.treeRun], state.treeRoot);
    root.show(state.treeRoot);
    run.show(`${state.treeRun}`);
    children.show(state.children, mostOf(runs, state.treeRoot), state.children === 1 ? "1 child a node" : `${state.children} children a node`);
    depth.show(state.depth, levels.length, `${state.depth} of ${levels.length} levels, down to ${levels[state.depth - 1].name}`);
  };
  store.on(["treeRoot", "treeRun", "children", "depth"], update);
  update();
  return make("div", { class: "tree-controls" },
    group("Tree of", root.element),
    ...(runs.length > 1 ? [group("Run", run.element)] : []),
    make("div", { class: "sliders" }, children.element, depth.element));
}

/** Another tree: its nodes are others, but as many children and, as far as it goes, as deep. All levels stay all. */
function changeRoot(runs: Run[], { treeRoot, children, depth }: State, root: string): Partial<State> {
  const count = (of: string) => treeOf(runs[0], of).levels.length;
  const all = depth === count(treeRoot);
  return { treeRoot: root, selected: "", children: Math.min(children, mostOf(runs, root)), depth: all ? count(root) : Math.min(depth, count(root)) };
}

function mostOf(runs: Run[], root: string): number {
  return mostChildren(runs.map((run) => treeOf(run, root)));
}

function createSlider(
  id: string, set: (value: number) => void,
): { element: HTMLElement; show: (value: number, max: number, text: string) => void } {
  const input = make("input", { type: "range", id, min: 1, step: 1, "aria-label": id.replace("tree-", "") });
  const text = make("span");
  input.addEventListener("input", () => set(Number(input.value)));
  const show = (value: number, max: number, words: string) => {
    input.max = `${max}`; // first, since it bounds the value
    input.value = `${value}`;
    setText(text, words);
  };
  return { element: make("label", { class: "field" }, text, input), show };
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
