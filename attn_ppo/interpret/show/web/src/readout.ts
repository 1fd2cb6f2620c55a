// The chosen node in numbers.

import { make, setText } from "./dom";
import type { Level } from "./format";
import { format, formatShare, formatSigned } from "./numbers";
import { boxOf, coverage, isWhole, nameOf, type Node } from "./tree";

export interface Readout {
  element: HTMLElement;
  show: (node: Node | null, levels: Level[], children: number, offset: number) => void;
}

export function createReadout(): Readout {
  const title = make("h3", {});
  const list = make("dl", { class: "numbers" });
  const rows = ROWS.map(({ id, name, about, read }) => {
    const value = make("dd", { "data-readout": id });
    const element = make("div", { title: about }, make("dt", {}, name), value);
    list.append(element);
    return { element, value, read };
  });
  return {
    element: make("div", { id: "readout", class: "readout" }, title, list),
    show: (node, levels, children, offset) => {
      list.hidden = !node;
      if (!node) return setText(title, "Choose a node, here or in the 3-D view");
      const level = levels[node.level];
      setText(title, nameOf(node, level));
      for (const { element, value, read } of rows) {
        const text = read(node, level, children, offset);
        element.hidden = !text;
        setText(value, text);
      }
    },
  };
}

/** What can be read off a node; a row without text isn't shown. */
const ROWS: { id: string; name: string; about: string; read: (node: Node, level: Level, children: number, offset: number) => string }[] = [
  { id: "place", name: "Place", about: "In the level's own grid", read: placeText },
  { id: "box", name: "Sees", about: "Its receptive field, pixels of the 84 × 84 input", read: boxText },
  { id: "relevance", name: "Relevance", about: "Signed, in units of what the tree explains", read: (node) => formatSigned(node.relevance) },
  { id: "offset", name: "Log probability", about: "The root's relevance less the policy's entropy, which no place accounts for", read: offsetText },
  { id: "bias", name: "Of it, to biases", about: "Relevance that goes to constants, not to children", read: (node) => (node.total > 0 ? formatSigned(node.bias) : "none") },
  { id: "coverage", name: "Coverage", about: "Share of its relevance that the children shown hold", read: coverageText },
  { id: "held", name: "Held along the path", about: "Share of all evidence that reaches it along its path", read: (node) => formatShare(node.held) },
];

function placeText(node: Node, level: Level): string {
  return isWhole(level) ? "everywhere" : `row ${node.row}, column ${node.column}`;
}

/** The target itself, at a root that is not all of it. */
function offsetText(node: Node, _: Level, __: number, offset: number): string {
  return node.parent || !offset ? "" : `${format(node.relevance + offset)} nats, after the policy's entropy of ${format(-offset)}`;
}

function boxText(node: Node, level: Level): string {
  if (isWhole(level)) return "the whole input";
  const { top, left, bottom, right } = boxOf(node, level);
  return top === bottom && left === right ? `pixel (${top}, ${left})` : `rows ${top}–${bottom}, columns ${left}–${right}`;
}

function coverageText(node: Node, _: Level, children: number): string {
  const share = coverage(node, children);
  if (Number.isNaN(share)) return "a leaf";
  const shown = Math.min(children, node.children.length);
  return `${formatShare(share)} in ${shown} ${shown === 1 ? "child" : "children"}, of ${format(node.total)}`;
}
