// A step's tree -> what the stage draws: widths and colours from relevance, the chosen path on top.

import { mix, type Color } from "./color";
import type { Level } from "./format";
import { cornersOf, frameDepth, levelDepths, placeNodes, WHOLE, type Point } from "./layout";
import { INPUT, STACK } from "./sizes";
import type { Drawing, Label } from "./scene";
import { boxOf, frameName, FRAME_LEVEL, pathTo, type Box, type Node } from "./tree";
import type { Ball, Tube } from "./tubes";

export interface Paint {
  positive: Color;
  negative: Color;
  ground: Color;
  line: Color;
  chosen: Color;
}

const WIDEST = 1.5; // radius of the strongest edge, pixels of the input
const THINNEST = 0.14;

export interface Placed {
  drawing: Drawing;
  nodes: Node[]; // in the order of the drawing's balls
}

export function drawTree(
  nodes: Node[], chosen: Node | null, levels: Level[], present: boolean[], depth: number, paint: Paint,
): Placed {
  const depths = levelDepths(levels, present);
  const places = placeNodes(nodes, levels, depths);
  const path = new Set(pathTo(chosen));
  const related = new Set([...path, ...nodes.filter((node) => chosen && pathTo(node).includes(chosen))]);
  // Of those with an edge: roots may be a hundred times as strong, and have none.
  const strongest = nodes.reduce((most, node) => (node.parent ? Math.max(most, Math.abs(node.relevance)) : most), 0);
  const strength = (node: Node) => (node.parent && strongest > 0 ? Math.sqrt(Math.abs(node.relevance) / strongest) : 1);
  const colorOf = (node: Node) => {
    const full = node.relevance < 0 ? paint.negative : paint.positive;
    const faint = mix(paint.ground, full, 0.55 + 0.45 * strength(node));
    if (!chosen) return faint;
    return related.has(node) ? full : mix(paint.ground, faint, 0.35);
  };
  const tubes = nodes.flatMap((node) => edge(node, places, strength(node), path.has(node), colorOf(node)));
  const balls = nodes.map((node): Ball => ({
    at: at(places, node),
    radius: node === chosen ? 2.6 : 0.8 + 1.2 * strength(node),
    color: node === chosen ? paint.chosen : colorOf(node),
  }));
  const ends: [number, number] = [frameDepth(0), Math.max(...depths)];
  const decor = [...outlines(levels, present, depths, depth, paint), ...(chosen ? sight(chosen, levels, places, paint) : [])];
  return { nodes, drawing: { tubes: [...tubes, ...decor], balls, labels: labels(levels, present, depths, depth), depth: ends } };
}

function at(places: Map<Node, Point>, node: Node): Point {
  return places.get(node) ?? [0, 0, 0];
}

function edge(node: Node, places: Map<Node, Point>, strength: number, onPath: boolean, color: Color): Tube[] {
  if (!node.parent) return [];
  const radius = THINNEST + (WIDEST - THINNEST) * strength;
  return [{ from: at(places, node.parent), to: at(places, node), radius: onPath ? Math.max(0.5, radius) : radius, color }];
}

/** The edges of each level's plane and each frame. */
function outlines(levels: Level[], present: boolean[], depths: number[], depth: number, paint: Paint): Tube[] {
  const planes = depths.filter((_, i) => present[i] && i < depth && levels[i].name !== FRAME_LEVEL);
  const frames = Array.from({ length: STACK }, (_, frame) => frameDepth(frame));
  return [...planes, ...frames].flatMap((z) => rectangle(WHOLE, z, 0.16, paint.line));
}

/** What a node sees: its box on the frames, and the lines to it. */
function sight(node: Node, levels: Level[], places: Map<Node, Point>, paint: Paint): Tube[] {
  const level = levels[node.level];
  const box = widen(boxOf(node, level));
  if (level.name === FRAME_LEVEL) return rectangle(box, frameDepth(node.channel), 0.35, paint.chosen);
  const boxes = Array.from({ length: STACK }, (_, frame) => rectangle(box, frameDepth(frame), 0.35, paint.chosen));
  const rays = cornersOf(box, frameDepth(STACK - 1)).map((to): Tube => ({ from: at(places, node), to, radius: 0.12, color: paint.chosen }));
  return [...boxes.flat(), ...rays];
}

/** A pixel alone would be hidden by its own node. */
function widen(box: Box): Box {
  if (box.right - box.left >= 3) return box;
  return { top: box.top - 2, left: box.left - 2, bottom: box.bottom + 2, right: box.right + 2 };
}

function rectangle(box: Box, z: number, radius: number, color: Color): Tube[] {
  const corners = cornersOf(box, z);
  return corners.map((from, i) => ({ from, to: corners[(i + 1) % 4], radius, color }));
}

function labels(levels: Level[], present: boolean[], depths: number[], depth: number): Label[] {
  const under = (z: number): Point => [0, -INPUT / 2 - 3, z];
  const frames = Array.from({ length: STACK }, (_, frame): Label => {
    return { text: frameName(frame), at: [-INPUT / 2 + 5, -INPUT / 2 - 3, frameDepth(frame)], kind: "frame" };
  });
  const planes = levels.flatMap(({ name }, i): Label[] =>
    present[i] && i < depth && name !== FRAME_LEVEL ? [{ text: name, at: under(depths[i]), kind: "level" }] : []);
  return [...frames, ...planes];
}
