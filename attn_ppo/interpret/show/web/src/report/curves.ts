// Reward curves: single seeds, mean and a band of one SD over agent steps.

import * as Plot from "@observablehq/plot";
import type { Choice } from "./choice";
import type { Band, Report, Run } from "./data";
import { plain, short, ticksOf } from "./numbers";
import { color, references, shown, withHuman, yLabel, type Panel } from "./panels";

interface Point { x: number; y: number; run: Run; id: number; title: string }
interface MeanPoint { x: number; y: number; low: number; high: number; lambda: number; title: string }

export function drawCurves(report: Report, choice: Choice, panel: Panel, width: number, domain: [number, number]): Element {
  const seeds = choice.lines === "mean" ? [] : panel.runs.flatMap((run, id) => points(run, id, choice, panel));
  const means = choice.lines === "seeds" ? [] : panel.groups.flatMap((group) => {
    const band = choice.measure === "entropy" ? group.curves.entropy : group.curves.score;
    return band ? meanPoints(report, band, group.lambda, group.seeds, choice, panel) : [];
  });
  const begun = new Set(panel.groups.filter((group) => group.begun).map((group) => group.lambda));
  const thin = means.length > 0;
  const line = { x: "x", y: "y", clip: true } as const;
  const seedLine = { ...line, z: "id", stroke: (p: Point) => color(p.run.lambda), strokeWidth: thin ? 0.8 : 1.3, strokeOpacity: thin ? 0.5 : 0.85 };
  const meanLine = { ...line, z: "lambda", stroke: (p: MeanPoint) => color(p.lambda), strokeWidth: 2.2 };
  const pointed: (Point | MeanPoint)[] = seeds.length ? seeds : means;
  return Plot.plot({
    width, height: Math.round(Math.max(210, Math.min(340, width * 0.62))), marginLeft: 46, marginRight: 12, marginTop: 24, marginBottom: 36,
    className: "plot",
    x: { domain: [0, report.lastStep], label: "agent steps", ticks: ticksOf([0, report.lastStep], width - 58, 48), tickFormat: short, labelArrow: "none" },
    y: { domain, label: yLabel(choice), ticks: 5, tickFormat: plain, grid: true, labelArrow: "none" },
    marks: [
      ...references(panel, choice, domain),
      Plot.areaY(means, { x: "x", y1: "low", y2: "high", z: "lambda", fill: (p: MeanPoint) => color(p.lambda), fillOpacity: 0.14, clip: true }),
      Plot.lineY(seeds.filter((p) => p.run.finished), { ...seedLine, className: "seeds" }),
      Plot.lineY(seeds.filter((p) => !p.run.finished), { ...seedLine, strokeDasharray: "4,2", className: "seeds unfinished" }),
      Plot.lineY(means.filter((p) => !begun.has(p.lambda)), { ...meanLine, className: "means" }),
      Plot.lineY(means.filter((p) => begun.has(p.lambda)), { ...meanLine, strokeDasharray: "4,2", className: "means unfinished" }),
      Plot.dot(pointed, Plot.pointer({ x: "x", y: "y", r: 4, fill: (p: Point | MeanPoint) => color(lambdaOf(p)), maxRadius: 30 })),
      Plot.tip(pointed, Plot.pointer({ x: "x", y: "y", title: "title", ...TIP })),
    ],
  });
}

export const TIP = {
  fill: "var(--card)", stroke: "var(--edge)", lineWidth: 24, fontSize: 11, maxRadius: 30, className: "tip",
} as const;

/** From the lowest to the highest of what panels of one game show, with random play or zero in it, and a human who is near. */
export function domainOf(panels: Panel[], choice: Choice): [number, number] {
  const values: number[] = [0];
  for (const panel of panels) {
    const random = shown(panel.protocol?.random ?? null, choice, panel.protocol);
    if (choice.measure !== "entropy" && random !== null) values[0] = Math.min(values[0]!, random);
    for (const run of panel.runs) for (const { y } of points(run, 0, choice, panel)) values.push(y);
  }
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  return withHuman(low < high ? [low, high] : [low, low + 1], choice, panels[0]?.protocol);
}

function points(run: Run, id: number, choice: Choice, panel: Panel): Point[] {
  const measure = choice.measure === "entropy" ? run.curve.entropy : run.curve.score;
  const found: Point[] = [];
  run.curve.steps.forEach((x, index) => {
    const y = shown(measure[index] ?? null, choice, panel.protocol);
    if (y === null) return;
    const here = `at ${short(x)} agent steps: ${plain(+y.toPrecision(4))}`;
    found.push({ x, y, run, id, title: [...run.told, "", here].join("\n") });
  });
  return found;
}

function meanPoints(report: Report, band: Band, lambda: number, seeds: number, choice: Choice, panel: Panel): MeanPoint[] {
  return band.steps.flatMap((x, index) => {
    const [y, low, high] = [band.mean, band.low, band.high].map((all) => shown(all[index]!, choice, panel.protocol));
    if (y == null || low == null || high == null) return [];
    const sd = seeds > 1 ? ` ± ${plain(+((high - low) / 2).toPrecision(3))}` : "";
    const told = [`${panel.title} λ = ${report.lambdas[lambda]!.text}`, `mean of ${seeds} seed${seeds > 1 ? "s" : ""}${sd ? ", ± SD" : ""}`];
    return [{ x, y, low, high, lambda, title: [...told, "", `at ${short(x)} agent steps: ${plain(+y.toPrecision(4))}${sd}`].join("\n") }];
  });
}

function lambdaOf(point: Point | MeanPoint): number {
  return "run" in point ? point.run.lambda : point.lambda;
}
