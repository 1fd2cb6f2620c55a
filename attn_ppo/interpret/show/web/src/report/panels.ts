// The charts' panels: one a game, or a game and settings, that keep their chart as wide as they are.

import * as Plot from "@observablehq/plot";
import { make } from "../dom";
import type { Choice } from "./choice";
import type { Group, Protocol, Report, Run } from "./data";
import { score } from "./numbers";

export interface Panel {
  title: string;
  game: number;
  runs: Run[]; groups: Group[]; protocol: Protocol | undefined;
}

type Placed = { game: number; variant: number; lambda: number };
export type Draw = (panel: Panel, width: number) => Element;

const NARROWEST = 180; // of a chart, in pixels: while a page is laid out it may have next to none
const WIDEST = 1080;

/** The panels of what is chosen, each with at least one run. */
export function panelsOf(report: Report, choice: Choice): Panel[] {
  const panels: Panel[] = [];
  for (const game of choice.games)
    for (const variant of choice.variants) {
      const here = (each: Placed) =>
        each.game === game && each.variant === variant && choice.lambdas.has(each.lambda);
      const runs = report.runs.filter(here);
      if (!runs.length) continue;
      const letter = report.variants.length > 1 ? ` · ${report.variants[variant]!.letter}` : "";
      const protocol = report.protocols.find((each) => each.game === game && each.variant === variant);
      panels.push({ title: `${report.games[game]}${letter}`, game, runs, groups: report.groups.filter(here), protocol });
    }
  return panels.sort((a, b) => a.game - b.game);
}

/** Shows the panels in `grid`; calls `draw` again where their width changes. `note` stands beside a title. */
export function fill(grid: HTMLElement, panels: Panel[], draw: Draw, note: (panel: Panel) => string): void {
  const slots = panels.map((panel) => {
    const chart = make("div", { class: "chart" });
    return { panel, chart, figure: make("figure", { class: "panel" }, make("h3", {}, panel.title, make("span", { class: "hint" }, note(panel))), chart) };
  });
  grid.style.setProperty("--columns", String(Math.min(3, panels.length)));
  grid.replaceChildren(...slots.map(({ figure }) => figure));
  if (!slots.length) grid.append(make("p", { class: "hint" }, "Nothing is chosen that has been run."));
  for (const { panel, chart } of slots) keepDrawn(chart, (width) => draw(panel, width));
}

/** Draws into `chart` now and whenever it gets another width. */
export function keepDrawn(chart: HTMLElement, draw: (width: number) => Element): void {
  let drawn = 0;
  const redraw = () => {
    const width = Math.min(Math.floor(chart.clientWidth), WIDEST);
    if (width < NARROWEST || Math.abs(width - drawn) < 2 || matchMedia("print").matches) return;
    drawn = width;
    chart.replaceChildren(draw(width));
  };
  redraw();
  new ResizeObserver(redraw).observe(chart);
}

export function color(lambda: number): string {
  return `var(--lambda-${lambda})`;
}

/** The score as it is shown; null where it has no human-normalised one. */
export function shown(score: number | null, choice: Choice, protocol: Protocol | undefined): number | null {
  if (score === null || choice.measure !== "human") return score;
  const scale = protocol?.scale;
  return scale ? scale[0] + scale[1] * score : null;
}

const NEAR = 0.25; // of an axis' length, by which it grows so that a human is on it

/** The axis, longer where the human's score is a little above it. */
export function withHuman([low, high]: [number, number], choice: Choice, protocol: Protocol | undefined): [number, number] {
  const human = choice.measure === "entropy" ? null : shown(protocol?.human ?? null, choice, protocol);
  return [low, human !== null && human <= high + NEAR * (high - low) ? Math.max(high, human) : high];
}

/** Lines at the scores of random play and of a human. */
export function references({ protocol }: Panel, choice: Choice, [, high]: [number, number]): (Plot.Markish | null)[] {
  if (choice.measure === "entropy") return [];
  const [random, human] = [protocol?.random ?? null, protocol?.human ?? null].map((each) => shown(each, choice, protocol));
  return [
    random == null ? null : Plot.ruleY([random], { stroke: "currentColor", strokeDasharray: "1,3", className: "random" }),
    human == null || human > high ? null : Plot.ruleY([human], { stroke: "currentColor", strokeDasharray: "8,3,1,3", className: "human" }),
  ];
}

/** The same in words, with where the human is who isn't on the axis. */
export function told({ protocol }: Panel, choice: Choice, [, high]: [number, number]): string {
  if (choice.measure === "entropy") return "";
  const [random, human] = [protocol?.random ?? null, protocol?.human ?? null].map((each) => shown(each, choice, protocol));
  const words = [random == null ? "" : `random play ${score(random)}`, human == null ? "" : `human ${score(human)}${human > high ? ": above this axis" : ""}`];
  return words.filter(Boolean).join(", ");
}

export function yLabel(choice: Choice): string {
  return { score: "score", human: "human-normalised score", entropy: "attention entropy, nats" }[choice.measure];
}
