// The tree as a list that is open and closed and walked by keyboard: what the 3-D view shows, in words.

import { make } from "./dom";
import type { Level } from "./format";
import { formatShare, formatSigned } from "./numbers";
import { isWhole, nameOf, type Node } from "./tree";

export interface TreeList {
  element: HTMLElement;
  show: (shown: Node[], chosen: Node | null, levels: Level[]) => void;
}

export function createTreeList(onChoose: (node: Node) => void): TreeList {
  const element = make("ul", { id: "tree-list", role: "tree", "aria-label": "Relevance tree" });
  const open = new Set<string>(); // keys, so that a path stays open from step to step
  let openLevels: Level[] | undefined; // of the tree whose keys those are
  let items = new Map<HTMLElement, Node>();
  let redraw: () => void = () => undefined;
  const toggle = (node: Node, to: boolean) => {
    if (to) open.add(node.key);
    else open.delete(node.key);
    redraw();
  };
  const show: TreeList["show"] = (shown, chosen, levels) => {
    const focused = element.contains(document.activeElement);
    const among = new Set(shown);
    if (openLevels !== levels) {
      open.clear();
      open.add(FIRST);
      openLevels = levels;
    }
    for (let above = chosen?.parent; above; above = above.parent) open.add(above.key);
    redraw = () => {
      items = new Map();
      const roots = shown.filter((node) => !node.parent);
      element.replaceChildren(...roots.map((node) => createItem(node, among, chosen, levels, open, items)));
      if (!element.querySelector("[tabindex='0']")) element.querySelector("[role='treeitem']")?.setAttribute("tabindex", "0");
      if (focused || element.dataset["keep"]) element.querySelector<HTMLElement>("[tabindex='0']")?.focus({ preventScroll: true });
    };
    redraw();
  };
  element.addEventListener("click", (event) => {
    const [item, node] = itemOf(event.target, items);
    if (!node) return;
    const onTwist = event.target instanceof Element && event.target.classList.contains("twist");
    if (onTwist && item) toggle(node, item.getAttribute("aria-expanded") !== "true");
    else {
      open.add(node.key);
      onChoose(node);
      redraw(); // where it was chosen already
    }
  });
  element.addEventListener("keydown", (event) => {
    const [item, node] = itemOf(event.target, items);
    if (!item || !node || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keyAction(event.key, item, node, items, toggle, onChoose);
    if (!act) return;
    event.preventDefault();
    element.dataset["keep"] = "focus";
    act();
    delete element.dataset["keep"];
  });
  return { element, show };
}

const FIRST = "0.0"; // key of the first root

function keyAction(
  key: string, item: HTMLElement, node: Node, items: Map<HTMLElement, Node>,
  toggle: (node: Node, to: boolean) => void, choose: (node: Node) => void,
): (() => void) | undefined {
  const order = [...items.values()];
  const at = order.indexOf(node);
  const expanded = item.getAttribute("aria-expanded");
  const to = (target: Node | null | undefined) => () => target && choose(target);
  const actions: Record<string, () => void> = {
    ArrowDown: to(order[at + 1]),
    ArrowUp: to(order[at - 1]),
    Home: to(order[0]),
    End: to(order[order.length - 1]),
    ArrowRight: expanded === "false" ? () => toggle(node, true) : to(expanded ? order[at + 1] : null),
    ArrowLeft: expanded === "true" ? () => toggle(node, false) : to(node.parent),
    Enter: to(node),
    " ": to(node),
  };
  return actions[key];
}

function itemOf(target: EventTarget | null, items: Map<HTMLElement, Node>): [HTMLElement | null, Node | undefined] {
  const item = target instanceof Element ? target.closest<HTMLElement>("[role='treeitem']") : null;
  return [item, item ? items.get(item) : undefined];
}

function createItem(
  node: Node, among: Set<Node>, chosen: Node | null, levels: Level[], open: Set<string>, items: Map<HTMLElement, Node>,
): HTMLElement {
  const children = node.children.filter((child) => among.has(child));
  const expanded = children.length > 0 && open.has(node.key);
  const level = levels[node.level];
  const row = make("div", { class: "node" }, make("span", { class: `twist${children.length ? "" : " leaf"}`, "aria-hidden": "true" }),
    ...describe(node, level));
  const place = isWhole(level) ? "" : `, row ${node.row}, column ${node.column}`;
  const words = `${nameOf(node, level)}${place}, relevance ${formatSigned(node.relevance)}, held ${formatShare(node.held)}`;
  const item = make("li", { role: "treeitem", "aria-label": words, "aria-level": node.level + 1, "aria-selected": String(node === chosen),
    tabindex: node === chosen ? 0 : -1, "data-key": node.key }, row);
  items.set(item, node);
  if (children.length) item.setAttribute("aria-expanded", String(expanded));
  // Children of closed nodes aren't made: a tree may have thousands.
  if (expanded) item.append(make("ul", { role: "group" }, ...children.map((child) => createItem(child, among, chosen, levels, open, items))));
  return item;
}

function describe(node: Node, level: Level): HTMLElement[] {
  const sign = node.relevance < 0 ? "negative" : "positive";
  const cell = isWhole(level) ? "" : ` (${node.row}, ${node.column})`;
  return [
    make("span", { class: "where" }, nameOf(node, level).replace("channel ", ""), make("span", { class: "cell" }, cell)),
    make("span", { class: `relevance ${sign}` }, formatSigned(node.relevance)),
    make("span", { class: "held", title: "Share of all evidence that reaches this node along its path" }, formatShare(node.held)),
  ];
}
