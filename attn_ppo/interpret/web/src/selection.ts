// A step's tree, worked out once for all who show it. No DOM here.

import type { Run } from "./recording";
import { findNode, nodesAt, type Node } from "./tree";

const last = new WeakMap<Run, { t: number; nodes: Node[] }>();

/** All nodes of a run's step; none where the run has no tree. */
export function nodesOf(run: Run, t: number): Node[] {
  const known = last.get(run);
  if (known?.t === t) return known.nodes;
  const nodes = run.tree ? nodesAt(run.tree, t) : [];
  last.set(run, { t, nodes });
  return nodes;
}

/** The node that is chosen, or its nearest ancestor at this step; null where none is. */
export function selectedNode(run: Run, t: number, key: string): Node | null {
  return key ? findNode(nodesOf(run, t), key) : null;
}
