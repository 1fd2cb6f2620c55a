// How much of the evidence the shown tree holds, level by level: a pretty tree may hold little of it.

import { make, setText } from "./dom";
import { formatShare } from "./numbers";
import { levelCoverage, type Node, type Tree } from "./tree";

export interface Coverage {
  verdict: HTMLElement; // on the deepest level shown, in words
  element: HTMLElement;
  show: (tree: Tree, nodes: Node[], children: number, depth: number) => void;
}

export function createCoverage(): Coverage {
  const list = make("ol", { "aria-label": "Share of the evidence held, by level" });
  let rows: Row[] = [];
  const verdict = make("p", { id: "coverage-verdict", class: "verdict" });
  const element = make("div", { id: "coverage", class: "coverage" },
    make("h3", {}, "Evidence held, by level"), list);
  return {
    verdict,
    element,
    show: ({ levels, present, ofMaps }, nodes, children, depth) => {
      if (levels.some(({ name }, i) => name !== rows[i]?.name) || rows.length !== levels.length) {
        rows = levels.map(({ name }) => createRow(name));
        list.replaceChildren(...rows.map((row) => row.element));
      }
      const held = levelCoverage(nodes, levels.length, children);
      rows.forEach(({ element: row, bar, share }, i) => {
        row.hidden = !present[i];
        row.classList.toggle("beyond", i >= depth);
        row.classList.toggle("little", held[i] < LITTLE);
        bar.style.width = `${100 * Math.min(1, held[i] || 0)}%`;
        setText(share, formatShare(held[i]));
      });
      const deepest = held.slice(0, depth).reduce((last, share, i) => (Number.isNaN(share) ? last : i), -1);
      verdict.classList.toggle("little", held[deepest] < LITTLE);
      setText(verdict, deepest < 0 ? "No tree at this step." : judge(held[deepest], levels[deepest].name, children, ofMaps));
    },
  };
}

const LITTLE = 0.25;

interface Row {
  name: string; // of its level
  element: HTMLElement;
  bar: HTMLElement;
  share: HTMLElement;
}

function createRow(name: string): Row {
  const bar = make("span", { class: "bar" });
  const share = make("b");
  const element = make("li", { "data-level": name }, make("span", {}, name), make("span", { class: "track" }, bar), share);
  return { name, element, bar, share };
}

function judge(held: number, level: string, children: number, ofMaps: boolean): string {
  const kept = children === 1 ? "the strongest child alone" : `the ${children} strongest children`;
  const text = `With ${kept}, the tree holds ${formatShare(held)} of the ${ofMaps ? "roots'" : "target's"} evidence at ${level}`;
  return held < LITTLE ? `${text}: most of it is not shown.` : `${text}.`;
}
