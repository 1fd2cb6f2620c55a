// Final score against attention entropy: a dot a run, a cross the mean of a lambda.

import * as Plot from "@observablehq/plot";
import type { Choice } from "./choice";
import type { Report, Run } from "./data";
import { TIP } from "./curves";
import { plain, ticksOf } from "./numbers";
import { color, references, shown, withHuman, yLabel, type Panel } from "./panels";

/** What the scatter shows of what is chosen: a score in any case. */
export function ofScatter(choice: Choice): Choice {
  return { ...choice, measure: choice.measure === "human" ? "human" : "score" };
}

/** An axis that holds the scores of a panel's runs, random play or zero, and a human who is near. */
export function heights(panel: Panel, choice: Choice): [number, number] {
  const y = (value: number | null) => shown(value, choice, panel.protocol);
  const found = [y(panel.protocol?.random ?? null) ?? 0, ...panel.runs.flatMap(({ score, entropy }) => entropy === null ? [] : y(score) ?? [])];
  const [low, high] = [Math.min(...found), Math.max(...found)];
  return withHuman([low, low < high ? high : low + 1], choice, panel.protocol);
}

export function drawScatter(choice: Choice, panel: Panel, width: number, right: number): Element {
  const y = (value: number | null) => shown(value, choice, panel.protocol);
  const dots = panel.runs.flatMap((run) => {
    const at = y(run.score);
    return at === null || run.entropy === null ? [] : [{ x: run.entropy, y: at, run, title: run.told.join("\n") }];
  });
  const means = panel.groups.flatMap(({ mean, lambda, seeds }) => {
    const at = y(mean?.score ?? null);
    return at === null || !mean ? [] : [{ x: mean.entropy, y: at, lambda, seeds }];
  });
  const [low, high] = heights(panel, choice);
  const room = 0.06 * (high - low);
  const stroke = (dot: { run: Run }) => color(dot.run.lambda);
  return Plot.plot({
    width, height: Math.round(Math.max(210, Math.min(340, width * 0.62))), marginLeft: 46, marginRight: 12, marginTop: 24, marginBottom: 36,
    className: "plot",
    x: { domain: [0, right], label: "attention entropy, nats, sum over maps", tickFormat: plain, ticks: ticksOf([0, right], width - 58, 40), labelArrow: "none" },
    y: { domain: [low - room, high + room], label: yLabel(choice), ticks: 5, tickFormat: plain, grid: true, labelArrow: "none" },
    marks: [
      ...references(panel, choice, [low, high]),
      Plot.line(means, { x: "x", y: "y", stroke: "var(--edge)" }),
      Plot.dot(dots.filter(({ run }) => run.evaluated), { x: "x", y: "y", r: 4.5, fill: stroke, stroke: "var(--card)", strokeWidth: 0.8, className: "runs" }),
      Plot.dot(dots.filter(({ run }) => !run.evaluated), { x: "x", y: "y", r: 4, fill: "var(--card)", stroke, strokeWidth: 1.5, className: "runs hollow" }),
      Plot.dot(means.filter(({ seeds }) => seeds > 1), { x: "x", y: "y", symbol: "times", r: 6, stroke: "var(--card)", strokeWidth: 5 }),
      Plot.dot(means.filter(({ seeds }) => seeds > 1), { x: "x", y: "y", symbol: "times", r: 6, stroke: (mean: { lambda: number }) => color(mean.lambda), strokeWidth: 2.4, className: "means" }),
      Plot.tip(dots, Plot.pointer({ x: "x", y: "y", title: "title", ...TIP })),
    ],
  });
}

/** The right end of the axis that all panels share. */
export function widestEntropy(report: Report): number {
  return 1.06 * Math.max(0.01, ...report.runs.map(({ entropy }) => entropy ?? 0));
}
