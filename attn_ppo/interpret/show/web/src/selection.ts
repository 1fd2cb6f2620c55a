// A step's tree, worked out once for all who show it. No DOM here.

import { findNode, nodesAt, type Node, type Tree } from "./tree";

const last = new WeakMap<Tree, { t: number; nodes: Node[] }>();

/** All nodes of a tree's step. */
export function nodesOf(tree: Tree, t: number): Node[] {
  const known = last.get(tree);
  if (known?.t === t) return known.nodes;
  const nodes = nodesAt(tree, t);
  last.set(tree, { t, nodes });
  return nodes;
}

/** The node that is chosen, or its nearest ancestor at this step; null where none is. */
export function selectedNode(tree: Tree, t: number, key: string): Node | null {
  return key ? findNode(nodesOf(tree, t), key) : null;
}
