// Where the tree's nodes and the input's frames lie in space. No DOM, no three.js here.
//
// One unit is a pixel of the input: x to the right, y up, (0, 0) its centre. z is depth: the newest
// frame at 0, older ones behind it, the levels of the network before it, the roots foremost.

import type { Level } from "./format";
import { INPUT, STACK } from "./sizes";
import { FRAME_LEVEL, type Box, type Node } from "./tree";

export type Point = readonly [x: number, y: number, z: number];

const FRAME_GAP = 24;
const LEVEL_GAP = 34;
const CHANNEL_GAP = 3.2; // between channels that share a place
const CHANNEL_ROOM = 16; // that they take together at most

export function frameDepth(frame: number): number {
  return -(STACK - 1 - frame) * FRAME_GAP;
}

/** Depths of the levels, of those that the run has; frames aside. */
export function levelDepths(levels: Level[], present: boolean[]): number[] {
  let at = 0;
  const depths = new Array<number>(levels.length).fill(0);
  for (let i = levels.length - 1; i >= 0; i--)
    if (present[i] && levels[i].name !== FRAME_LEVEL) depths[i] = at += LEVEL_GAP;
  return depths;
}

/** Each node at the centre of what it sees; channels of one place behind one another. */
export function placeNodes(nodes: Node[], levels: Level[], depths: number[]): Map<Node, Point> {
  const shared = new Map<string, Node[]>();
  for (const node of nodes) {
    const key = `${node.level} ${node.row} ${node.column}${levels[node.level].name === FRAME_LEVEL ? ` ${node.channel}` : ""}`;
    shared.set(key, [...(shared.get(key) ?? []), node]);
  }
  const places = new Map<Node, Point>();
  for (const together of shared.values())
    together.forEach((node, i) => {
      const { stride, size, name } = levels[node.level];
      const centre = (cell: number) => stride * cell + size / 2 - INPUT / 2;
      const z = name === FRAME_LEVEL ? frameDepth(node.channel) : depths[node.level] + offset(i, together.length);
      places.set(node, [centre(node.column), -centre(node.row), z]);
    });
  return places;
}

function offset(i: number, count: number): number {
  const gap = count > 1 ? Math.min(CHANNEL_GAP, CHANNEL_ROOM / (count - 1)) : 0;
  return (i - (count - 1) / 2) * gap;
}

/** Corners of a box at a depth, clockwise from the top left. */
export function cornersOf(box: Box, z: number): Point[] {
  const [left, right] = [box.left - INPUT / 2, box.right + 1 - INPUT / 2];
  const [top, bottom] = [INPUT / 2 - box.top, INPUT / 2 - box.bottom - 1];
  return [[left, top, z], [right, top, z], [right, bottom, z], [left, bottom, z]];
}

export const WHOLE: Box = { top: 0, left: 0, bottom: INPUT - 1, right: INPUT - 1 };
