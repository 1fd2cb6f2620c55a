// The question, the answer in words, and right below it the intervals that it is made of.

import * as Plot from "@observablehq/plot";
import { make } from "../dom";
import type { Difference, Report } from "./data";
import { TIP } from "./curves";
import { percent, signed, ticksOf } from "./numbers";
import { color, keepDrawn } from "./panels";

interface Axis { label: string; format: (value: number) => string; tick: number; farthest: number; least: number }
interface Unit extends Axis { domain: [number, number]; margin?: number }

const ROW = 30, LEFT = 80; // pixels
// Intervals that are longer than `farthest` run out of the picture; `least` is always in it.
const PERCENT: Axis = { label: "score against λ = 0, % of what is learned there", format: percent, tick: 58, farthest: 150, least: 10 };
const NORMALISED: Axis = { label: "human-normalised score less that of λ = 0, interquartile mean over games", format: signed, tick: 50, farthest: 1e9, least: 0.05 };

export function answerSection(report: Report): HTMLElement {
  const section = make("section", { id: "answer" }, make("h1", {}, report.question));
  for (const { variant, headline, more } of report.answers) {
    const { letter, name } = report.variants[variant]!;
    const part = make("div", { class: "answer", "data-variant": variant });
    if (report.variants.length > 1) part.append(make("h2", {}, `${letter}: ${name}`));
    const [first = [], ...others] = more.map((text) => make("p", { class: "more" }, text));
    part.append(make("p", { class: "headline" }, headline), ...[first].flat());
    const figure = intervals(report, variant);
    if (figure) part.append(figure);
    if (others.length) part.append(make("div", { class: "others" }, ...others));
    section.append(part);
  }
  if (report.warning) section.append(make("p", { class: "warning" }, report.warning));
  section.append(make("p", { class: "hint" }, report.marginWords));
  return section;
}

function intervals(report: Report, variant: number): HTMLElement | null {
  const all = report.differences.filter((each) => each.variant === variant);
  const games = [...new Set(all.map(({ game }) => game))];
  if (!games.length) return null;
  const grid = make("div", { class: "grid intervals" });
  grid.style.setProperty("--columns", String(Math.min(3, games.filter((game) => game !== null).length)));
  const units = { games: unitOf(all.filter(({ game }) => game !== null), PERCENT, report.margin), all: unitOf(all.filter(({ game }) => game === null), NORMALISED) };
  for (const game of games) {
    const rows = all.filter((each) => each.game === game);
    const unit = game === null ? units.all : units.games;
    const chart = make("div", { class: "chart" });
    const title = game === null ? "all games" : report.games[game]!;
    const n = [...new Set(rows.map((row) => row.seeds))].sort((a, b) => a - b);
    const seeds = make("span", { class: "hint" }, ` n = ${n.length > 1 ? `${n[0]} to ${n.at(-1)}` : n[0]} seed${n.at(-1) === 1 ? "" : "s"}`);
    grid.append(make("figure", { class: game === null ? "panel whole" : "panel" }, make("h3", {}, title, seeds), chart, make("p", { class: "axis" }, unit.label)));
    queueMicrotask(() => keepDrawn(chart, (width) => draw(report, rows, width, unit)));
  }
  return grid;
}

function draw(report: Report, rows: Difference[], width: number, { format, tick, margin, domain }: Unit): Element {
  const name = ({ lambda }: Difference) => `λ = ${report.lambdas[lambda]!.text}`;
  const known = rows.filter((row) => row.low !== null && row.high !== null);
  const [left, right] = domain, marginRight = Math.min(120, 0.3 * width);
  return Plot.plot({
    width, height: ROW * rows.length + 30, marginLeft: LEFT, marginRight, marginTop: 6, marginBottom: 22,
    className: "plot",
    x: { domain, label: null, ticks: ticksOf(domain, width - LEFT - marginRight, tick), tickFormat: format },
    y: { domain: rows.map(name), label: null, tickSize: 0 },
    marks: [
      margin === undefined ? null : Plot.rectX([0], { x1: -margin, x2: right, fill: "var(--free)" }),
      margin === undefined ? null : Plot.ruleX([-margin], { stroke: "var(--good)", strokeDasharray: "4,3" }),
      Plot.ruleX([0], { stroke: "currentColor" }),
      Plot.ruleY(known, { y: name, x1: (row: Difference) => Math.max(row.low!, left), x2: (row: Difference) => Math.min(row.high!, right), stroke: (row: Difference) => color(row.lambda), strokeWidth: 3, className: "intervals" }),
      Plot.dot(rows, { y: name, x: (row: Difference) => Math.min(Math.max(row.value, left), right), fill: (row: Difference) => color(row.lambda), r: 5, className: "differences" }),
      Plot.text(rows, { y: name, text: "verdict", fill: (row: Difference) => `var(--${row.tone})`, frameAnchor: "right", textAnchor: "start", dx: 10, fontWeight: 600, className: "verdicts" }),
      Plot.tip(rows, Plot.pointer({ y: name, x: (row: Difference) => Math.min(Math.max(row.value, left), right), title: (row: Difference) => row.told.join("\n"), ...TIP, maxRadius: 60 })),
    ],
  });
}

/** An axis that holds all values, and intervals as far as FARTHEST. */
function unitOf(rows: Difference[], axis: Axis, margin?: number): Unit {
  const ends = rows.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const least = margin === undefined ? axis.least : 1.6 * margin;
  const low = Math.max(-axis.farthest, Math.min(-least, ...ends));
  const high = Math.min(axis.farthest, Math.max(least, ...ends));
  const room = 0.03 * (high - low);
  const domain: [number, number] = [low - room, high + room];
  return { ...axis, domain, ...(margin === undefined ? {} : { margin }) };
}
