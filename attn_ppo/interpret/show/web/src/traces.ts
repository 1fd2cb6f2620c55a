// Values over the whole recording, one chart a quantity, all with the scrubber's line.

import uPlot from "uplot";
import { cssColor, make, setText } from "./dom";
import { entropyOf, format, formatReward } from "./numbers";
import type { Player } from "./player";
import { gameStarts, stepOf, type Recording, type Run } from "./recording";
import { CELLS } from "./sizes";
import type { Store } from "./store";

export interface Quantity {
  id: string;
  name: string;
  about: string;
  stems?: boolean;
  read: (run: Run, t: number) => number;
  show: (value: number) => string;
}

export interface Line {
  run: Run;
  map: number | null; // null for all of a run's maps together
  name: string;
  chance?: (t: number) => number; // in place of the quantity: what would come of itself
}

const WHOLE_STEPS = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5].map((power) => n * 10 ** power)).sort((a, b) => a - b);
const AXIS = 18; // room for the steps
const DASHES = [[], [5, 3], [2, 2], [8, 3, 2, 3]];

const QUANTITIES: Quantity[] = [
  { id: "value", name: "Value", about: "in clipped rewards", read: (run, t) => run.value[t], show: format },
  { id: "reward", name: "Reward", about: "raw", stems: true, read: (run, t) => run.rewards[t], show: formatReward },
  { id: "return", name: "Return", about: "of this game so far", read: (run, t) => run.returns[t], show: format },
  { id: "policy-entropy", name: "Policy entropy", about: "nats", read: (run, t) => entropyOf(run.logProbs, t * run.actionCount, run.actionCount), show: format },
];

export function createTraces(recording: Recording, store: Store, player: Player): HTMLElement {
  const holder = make("div", { class: "charts" });
  const charts = chartsOf(recording).map(({ quantity, lines }) => createChart(recording, store, player, quantity, lines));
  holder.dataset["count"] = `${charts.length}`;
  holder.append(...charts.map((chart) => chart.element));
  const follow = () => charts.forEach((chart) => chart.follow(store.get().step));
  store.on(["step"], follow);
  store.on(["theme"], () => charts.forEach((chart) => chart.redraw()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.redraw()));
  follow();
  return holder;
}

function chartsOf({ runs }: Recording): { quantity: Quantity; lines: Line[] }[] {
  const whole = runs.map((run) => ({ run, map: null, name: run.about.label }));
  const attentive = runs.filter((run) => run.maps > 0);
  const lines = runs.length > 1 ? whole.filter(({ run }) => run.maps > 0) : attentive.flatMap(linesOfMaps);
  const charts = QUANTITIES.map((quantity) => ({ quantity, lines: whole as Line[] }));
  const several = runs.length > 1 && attentive.some((run) => run.maps > 1);
  return lines.length ? [...charts, ...attentionQuantities(several, lines)] : charts;
}

function linesOfMaps(run: Run): Line[] {
  return Array.from({ length: run.maps }, (_, map) => ({ run, map, name: `Map ${map + 1}` }));
}

function attentionQuantities(several: boolean, lines: Line[]): { quantity: Quantity; lines: Line[] }[] {
  const [summed, mean] = several ? [", summed over maps", ", mean over maps"] : ["", ""];
  const entropy = { id: "attention-entropy", name: "Attention entropy", about: `nats${summed}`, show: format };
  const cells = { id: "effective-cells", name: "Effective cells", about: `of ${CELLS * CELLS}${mean}`, show: format };
  return [
    { quantity: { ...entropy, read: (run, t) => sumOverMaps(run, t, (h) => h) }, lines },
    { quantity: { ...cells, read: (run, t) => sumOverMaps(run, t, Math.exp) / run.maps }, lines },
  ];
}

function sumOverMaps(run: Run, t: number, of: (entropy: number) => number): number {
  let sum = 0;
  for (let map = 0; map < run.maps; map++) sum += of(run.entropy[t * run.maps + map]);
  return sum;
}

function readLine(quantity: Quantity, { run, map, chance }: Line, t: number): number {
  if (chance) return chance(t);
  if (map === null) return quantity.read(run, t);
  const entropy = run.entropy[t * run.maps + map];
  return quantity.id === "effective-cells" ? Math.exp(entropy) : entropy;
}

export function createChart(recording: Recording, store: Store, player: Player, quantity: Quantity, lines: Line[]) {
  const plot = make("div", { class: "plot", "data-trace": quantity.id });
  const read = recording.runs.length > 1 ? lines.filter(({ chance }) => !chance) : lines;
  const values = read.map((line) => createReading(recording, line, lines));
  const name = make("h3", {}, quantity.name);
  const title = make("div", { class: "chart-title" }, name, make("span", { class: "hint", title: quantity.about }, quantity.about),
    make("span", { class: "readings" }, ...values.map(({ element }) => element)));
  const chart = new uPlot(options(recording, quantity, lines), dataOf(recording, quantity, lines), plot);
  const marker = make("div", { class: "now", "aria-hidden": "true" });
  chart.over.append(marker);
  let step = store.get().step;
  const place = () => (marker.style.transform = `translateX(${chart.valToPos(step, "x")}px)`);
  scrubOn(chart, store, player);
  new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = plot;
    if (width < 50) return;
    chart.setSize({ width, height });
    place();
  }).observe(plot);
  return {
    element: make("section", { class: "chart", "aria-label": `${quantity.name} over the recording` }, title, plot),
    redraw: () => chart.redraw(),
    renew: (text: string) => {
      setText(name, text);
      chart.setData(dataOf(recording, quantity, lines));
    },
    follow: (to: number) => {
      step = to;
      place();
      values.forEach(({ value }, i) => setText(value, quantity.show(readLine(quantity, read[i], stepOf(read[i].run, step)))));
    },
  };
}

function createReading(recording: Recording, line: Line, lines: Line[]) {
  const value = make("b");
  const swatch = make("span", { class: `swatch line run-${line.run.index % 6}` });
  if (line.map) swatch.classList.add("dashed");
  if (line.chance) swatch.classList.add("chance");
  const plain = (line.map === null && !line.chance) || lines.length === 1;
  const text = recording.runs.length > 1 ? `${line.run.index + 1}` : plain ? "" : line.name;
  const name = make("span", {}, text);
  return { element: make("span", { class: "reading", title: line.name }, swatch, name, value), value };
}

function dataOf({ steps }: Recording, quantity: Quantity, lines: Line[]): uPlot.AlignedData {
  const x = Array.from({ length: steps }, (_, t) => t);
  return [x, ...lines.map((line) => x.map((t) => (t < line.run.steps ? known(readLine(quantity, line, t)) : null)))];
}

/** A gap where a number isn't known. */
function known(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function options(recording: Recording, quantity: Quantity, lines: Line[]): uPlot.Options {
  const axis = { stroke: () => cssColor("--muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
  const grid = { stroke: () => cssColor("--hairline"), width: 1 };
  return {
    width: 400,
    height: 80,
    padding: [6, 10, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [0, Math.max(1, recording.steps - 1)] }, y: { range: rangeOf } },
    axes: [
      { ...axis, size: AXIS, gap: 3, incrs: WHOLE_STEPS, grid: { show: false } },
      { ...axis, size: 46, gap: 6, space: 20, grid, values: (_, ticks) => ticks.map((tick) => Number(tick.toPrecision(6)).toLocaleString("en").replace("-", "−")) },
    ],
    series: [{}, ...lines.map((line) => seriesOf(quantity, line))],
    hooks: { drawClear: [(chart) => drawGames(chart, recording)] },
  };
}

/** The data's range, never empty, with 0 where it is near. */
function rangeOf(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  if (low === high) return low === 0 ? [0, 1] : [Math.min(0, 1.2 * low), Math.max(0, 1.2 * low)];
  const bottom = low > 0 && low < 0.6 * high ? 0 : low;
  const room = Math.max(1e-6, high - bottom, Math.abs(high) * 0.02) * 0.08;
  return [bottom === 0 ? 0 : bottom - room, high + room];
}

function seriesOf(quantity: Quantity, { run, map, chance }: Line): uPlot.Series {
  const stroke = () => cssColor(`--run-${run.index % 6}`);
  if (chance) return { stroke, width: 1, points: { show: false }, dash: [1, 3] };
  const base = { stroke, width: 1.5, points: { show: false }, dash: DASHES[(map ?? 0) % DASHES.length] };
  return quantity.stems ? { ...base, width: 2, paths: stems } : base;
}

/** A stroke from 0 to each value that isn't 0, those of several runs side by side. */
function stems(chart: uPlot, series: number, from: number, to: number): uPlot.Series.Paths {
  const path = new Path2D();
  const beside = (series - chart.series.length / 2) * 2 * devicePixelRatio;
  const zero = chart.valToPos(0, "y", true);
  for (let t = from; t <= to; t++) {
    const value = chart.data[series][t];
    if (!value) continue;
    const x = chart.valToPos(t, "x", true) + beside;
    path.moveTo(x, zero);
    path.lineTo(x, chart.valToPos(value, "y", true));
  }
  return { stroke: path };
}

function drawGames(chart: uPlot, { runs }: Recording): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const run of runs) {
    ctx.strokeStyle = cssColor(runs.length > 1 ? `--run-${run.index % 6}` : "--muted");
    for (const step of gameStarts(run)) {
      const x = Math.round(chart.valToPos(step - 0.5, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
  }
  ctx.restore();
}

function scrubOn(chart: uPlot, store: Store, player: Player): void {
  const scrub = (event: PointerEvent) => {
    store.set({ playing: false });
    player.go(chart.posToVal(event.clientX - chart.over.getBoundingClientRect().left, "x"));
  };
  chart.over.addEventListener("pointerdown", (event) => {
    chart.over.setPointerCapture(event.pointerId);
    scrub(event);
  });
  chart.over.addEventListener("pointermove", (event) => {
    if (chart.over.hasPointerCapture(event.pointerId)) scrub(event);
  });
}
