// How much of the evidence the shown tree holds, level by level: a pretty tree may hold little of it.

import { make, setText } from "./dom";
import type { Level } from "./format";
import { formatShare } from "./numbers";
import { levelCoverage, type Node } from "./tree";

export interface Coverage {
  verdict: HTMLElement; // on the deepest level shown, in words
  element: HTMLElement;
  show: (nodes: Node[], present: boolean[], children: number, depth: number) => void;
}

export function createCoverage(levels: Level[]): Coverage {
  const rows = levels.map(({ name }) => {
    const bar = make("span", { class: "bar" });
    const share = make("b");
    const element = make("li", { "data-level": name }, make("span", {}, name), make("span", { class: "track" }, bar), share);
    return { element, bar, share };
  });
  const verdict = make("p", { id: "coverage-verdict", class: "verdict" });
  const element = make("div", { id: "coverage", class: "coverage" },
    make("h3", {}, "Evidence held, by level"),
    make("ol", { "aria-label": "Share of the evidence held, by level" }, ...rows.map((row) => row.element)));
  return {
    verdict,
    element,
    show: (nodes, present, children, depth) => {
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
      setText(verdict, deepest < 0 ? "No tree at this step." : judge(held[deepest], levels[deepest].name, children));
    },
  };
}

const LITTLE = 0.25;

function judge(held: number, level: string, children: number): string {
  const kept = children === 1 ? "the strongest child alone" : `the ${children} strongest children`;
  const text = `With ${kept}, the tree holds ${formatShare(held)} of the roots' evidence at ${level}`;
  return held < LITTLE ? `${text}: most of it is not shown.` : `${text}.`;
}
