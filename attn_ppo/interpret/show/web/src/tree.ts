// The relevance tree of a step: nodes, what they hold of the evidence, where they lie. No DOM here.

import type { Level, Numbers } from "./format";
import { INPUT, STACK } from "./sizes";

export const FRAME_LEVEL = "input frame"; // at this level a node's channel is a frame, 3 the newest
const MAP_LEVEL = "attention map"; // at this level it is a map
const SUMMED_LEVELS = ["target", "cell"]; // at these it says nothing: all channels together

export const TREE_ARRAYS = ["parent", "level", "rank", "channel", "row", "column", "relevance", "bias", "total"] as const;

/** All steps' trees with the same root, of one run. */
export interface Tree extends Record<(typeof TREE_ARRAYS)[number], Numbers> {
  levels: Level[];
  present: boolean[]; // levels that any node is at
  most: number; // children of any node
  starts: Uint32Array; // (T + 1): a step's nodes are starts[t] .. starts[t + 1] - 1
  offsets: Numbers; // (T) the target less its root's relevance: minus the policy's entropy at log_prob, else 0
  ofMaps: boolean; // each attention map has roots of its own, ranked by themselves
}

export interface Node {
  index: number;
  key: string; // map and rank of the root, then ranks, "0.0/2/1": what stays when the step changes
  parent: Node | null;
  children: Node[]; // by rank
  level: number;
  rank: number;
  channel: number;
  row: number;
  column: number;
  relevance: number;
  bias: number;
  total: number; // of the absolute relevance of all children and of the bias
  held: number; // share of the roots' absolute relevance that reaches this node along its path
}

export interface Box {
  top: number;
  left: number;
  bottom: number; // inclusive, like right
  right: number;
}

export function toTree(levels: Level[], counts: Numbers, offsets: Numbers, arrays: Map<string, Numbers>): Tree {
  const starts = new Uint32Array(counts.length + 1);
  for (let t = 0; t < counts.length; t++) starts[t + 1] = starts[t] + counts[t];
  const columns = Object.fromEntries(arrays) as Record<(typeof TREE_ARRAYS)[number], Numbers>;
  const present = new Array<boolean>(levels.length).fill(false);
  for (const level of columns.level) present[level] = true;
  let most = 1;
  for (const rank of columns.rank) most = Math.max(most, rank + 1);
  return { ...columns, levels, present, most, starts, offsets, ofMaps: levels[0]?.name === MAP_LEVEL };
}

/** The greatest number of children that any node of the trees has. */
export function mostChildren(trees: Tree[]): number {
  return Math.max(...trees.map(({ most }) => most));
}

/** All recorded nodes of a step, parents before children. */
export function nodesAt(tree: Tree, step: number): Node[] {
  const nodes: Node[] = [];
  for (let i = tree.starts[step]; i < tree.starts[step + 1]; i++) nodes.push(toNode(tree, i, nodes));
  for (const node of nodes) node.children.sort((a, b) => a.rank - b.rank);
  const roots = nodes.filter((node) => !node.parent);
  const all = sumAbsolute(roots);
  for (const node of nodes)
    node.held = node.parent
      ? node.parent.held * share(node.relevance, node.parent.total)
      : share(node.relevance, all);
  return nodes;
}

function toNode(tree: Tree, i: number, before: Node[]): Node {
  const parent = tree.parent[i] < 0 ? null : before[tree.parent[i]];
  const node: Node = {
    index: before.length,
    key: parent ? `${parent.key}/${tree.rank[i]}` : `${tree.ofMaps ? tree.channel[i] : 0}.${tree.rank[i]}`,
    parent,
    children: [],
    level: tree.level[i],
    rank: tree.rank[i],
    channel: tree.channel[i],
    row: tree.row[i],
    column: tree.column[i],
    relevance: tree.relevance[i],
    bias: tree.bias[i],
    total: tree.total[i],
    held: 0,
  };
  parent?.children.push(node);
  return node;
}

/** The nodes with n children each, down to `depth` levels. */
export function shownNodes(nodes: Node[], children: number, depth: number): Node[] {
  const shown = new Set<Node>();
  for (const node of nodes)
    if (node.rank < children && node.level < depth && (!node.parent || shown.has(node.parent)))
      shown.add(node);
  return [...shown];
}

/** Share of a node's relevance that its n strongest children hold; NaN at a leaf. */
export function coverage(node: Node, children: number): number {
  if (!(node.total > 0)) return NaN;
  return sumAbsolute(node.children.filter((child) => child.rank < children)) / node.total;
}

/** Per level: the share of all evidence that its nodes hold with n children shown; NaN if none. */
export function levelCoverage(nodes: Node[], levels: number, children: number): number[] {
  const held: number[] = new Array<number>(levels).fill(NaN);
  for (const node of shownNodes(nodes, children, levels))
    held[node.level] = (held[node.level] || 0) + node.held;
  return held;
}

/** The node with that key, or its nearest ancestor that is there, or the first root. */
export function findNode(nodes: Node[], key: string): Node | null {
  const byKey = new Map(nodes.map((node) => [node.key, node]));
  for (let parts = key.split("/"); parts.length; parts = parts.slice(0, -1)) {
    const found = byKey.get(parts.join("/"));
    if (found) return found;
  }
  return nodes[0] ?? null;
}

/** From the root to the node. */
export function pathTo(node: Node | null): Node[] {
  return node ? [...pathTo(node.parent), node] : [];
}

/** The pixels of the input that a node sees. */
export function boxOf(node: Node, level: Level): Box {
  const top = level.stride * node.row;
  const left = level.stride * node.column;
  const last = INPUT - 1;
  return { top, left, bottom: Math.min(top + level.size - 1, last), right: Math.min(left + level.size - 1, last) };
}

/** Whether all nodes of a level see the whole input: their row and column say nothing. */
export function isWhole(level: Level): boolean {
  return level.stride === 0;
}

/** "convolution 3, channel 12", "attention map 1" or "input frame t-2": which of its level's planes a node is in. */
export function nameOf(node: Node, level: Level): string {
  if (level.name === FRAME_LEVEL) return `${level.name} ${frameName(node.channel)}`;
  if (level.name === MAP_LEVEL) return `${level.name} ${node.channel + 1}`;
  return SUMMED_LEVELS.includes(level.name) ? level.name : `${level.name}, channel ${node.channel}`;
}

/** "t" for the newest of the input's frames, "t-1" for the one before it. */
export function frameName(frame: number): string {
  const age = STACK - 1 - frame;
  return age ? `t−${age}` : "t";
}

function sumAbsolute(nodes: Node[]): number {
  return nodes.reduce((sum, node) => sum + Math.abs(node.relevance), 0);
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.abs(part) / whole : 0;
}
