// What the charts show, and the controls that choose it.

import { choices, make } from "../dom";
import type { Report } from "./data";

export type Measure = "score" | "human" | "entropy";
export type Lines = "both" | "mean" | "seeds";
export interface Choice {
  games: Set<number>; lambdas: Set<number>; variants: Set<number>;
  measure: Measure; lines: Lines;
}

const MOST_PANELS = 24;
const MEASURES: { value: Measure; text: string; title: string }[] = [
  { value: "score", text: "score", title: "raw score of whole games" },
  { value: "human", text: "human-normalised", title: "0 is random play, 1 a human tester" },
  { value: "entropy", text: "attention entropy", title: "nats, summed over maps; of the curves only" },
];
const LINES: { value: Lines; text: string; title: string }[] = [
  { value: "both", text: "both", title: "mean, band and single seeds" },
  { value: "mean", text: "mean ± SD", title: "mean over seeds and a band of one SD" },
  { value: "seeds", text: "seeds", title: "a line a run" },
];

export function firstChoice(report: Report): Choice {
  const all = (list: readonly unknown[]) => new Set(list.keys());
  const fits = report.games.length * report.variants.length <= MOST_PANELS;
  return {
    games: all(report.games), lambdas: all(report.lambdas),
    variants: fits ? all(report.variants) : new Set([0]),
    measure: "score", lines: "both",
  };
}

export function controls(report: Report, choice: Choice, changed: () => void): HTMLElement {
  const bar = make("div", { class: "controls", role: "group", "aria-label": "what the charts show" });
  const lambdas = report.lambdas.map(({ text }, index) => ({ text: `λ = ${text}`, color: `var(--lambda-${index})` }));
  const variants = report.variants.map(({ letter, name }) => ({ text: `${letter}: ${name}` }));
  bar.append(several("lambdas", "λ", lambdas, choice.lambdas, changed));
  if (report.games.length > 1)
    bar.append(several("games", "game", report.games.map((text) => ({ text })), choice.games, changed));
  if (report.variants.length > 1) bar.append(several("variants", "settings", variants, choice.variants, changed));
  const known = report.protocols.some(({ scale }) => scale);
  const measures = MEASURES.filter(({ value }) => value !== "human" || known);
  bar.append(one("measure", "y axis", measures, choice.measure, (value) => { choice.measure = value; changed(); }));
  bar.append(one("lines", "curves", LINES, choice.lines, (value) => { choice.lines = value; changed(); }));
  return bar;
}

/** Buttons that are on or off; of a single one left, another press brings all back. */
function several(
  id: string, label: string, options: { text: string; color?: string }[], chosen: Set<number>, changed: () => void,
): HTMLElement {
  const buttons = options.map(({ text, color }, index) => {
    const made = make("button", { type: "button", "data-value": index }, text);
    if (color) made.prepend(make("i", { class: "swatch", style: `background:${color}` }));
    made.addEventListener("click", () => {
      const all = chosen.size === options.length;
      if (all) chosen.clear(); // the first press shows this one alone
      if (chosen.has(index)) chosen.delete(index);
      else chosen.add(index);
      if (!chosen.size) options.forEach((_, other) => chosen.add(other));
      show();
      changed();
    });
    return made;
  });
  const show = () => buttons.forEach((made, index) => made.setAttribute("aria-pressed", String(chosen.has(index))));
  show();
  return field(label, make("div", { id, class: "choices several", role: "group", "aria-label": label }, ...buttons));
}

function one<T extends string>(
  id: string, label: string, options: { value: T; text: string; title: string }[], chosen: T, choose: (value: T) => void,
): HTMLElement {
  const { element, show } = choices(id, label, options, (value) => { show(value); choose(value); });
  show(chosen);
  return field(label, element);
}

function field(label: string, element: HTMLElement): HTMLElement {
  return make("div", { class: "field" }, make("span", {}, label), element);
}
