// What may be laid over a frame: a map of attention, all maps, a saliency method, or a number of each
// object. No DOM here.

import type { Header, Method } from "./format";
import { importanceNear, isSeen, LEAST, painted, timesEven, type Objects } from "./objects";
import { betweenSpots, GRID, kernelNamed, type Kernel } from "./receptive";
import type { Recording, Run } from "./recording";
import { linearScale, timesMean, UNIFORM, type Scale } from "./scale";
import { CELLS, INPUT, SPOTS } from "./sizes";
import type { Scope, State } from "./store";

export interface Option {
  id: string;
  text: string;
  about: string;
}

export interface Layer {
  values: ArrayLike<number>; // times `factor` are in units
  factor: number;
  rows: number;
  columns: number;
  signed: boolean;
}

export interface About {
  title: string;
  unit: string;
  signed: boolean;
}

export function attentionOptions(runs: Run[]): Option[] {
  const maps = Math.max(...runs.map((run) => run.maps));
  const options = Array.from({ length: maps }, (_, map) => ({
    id: `map:${map}`,
    text: `Map ${map + 1}`,
    about: `Attention weights of map ${map + 1}`,
  }));
  return maps > 1 ? [{ id: "sum", text: "All maps", about: "Attention weights, the mean of all maps" }, ...options] : options;
}

export function methodOptions(header: Header): Option[] {
  return header.methods.map(({ name, about }) => ({ id: `method:${name}`, text: name.replaceAll("_", " "), about }));
}

/** Numbers of objects, painted where each is seen. */
const OF_OBJECTS: Record<string, { text: string; title: string; about: string; unit: string }> = {
  "objects:importance": {
    text: "Importance", title: "Causal importance of each object", about: "How much the policy changes where an object is moved, held or taken away in the game itself",
    unit: "Nats: how far the policy moves (KL) if the object alone is edited in the game; a placebo's is 0.",
  },
  "objects:attention": {
    text: "Attention on each", title: "Attention on each object", about: "The attention that lies on an object, the mean over the maps",
    unit: "Share of the attention that lies on the object, 1× where it is even; the mean over the maps.",
  },
};

export function objectOptions(runs: Run[]): Option[] {
  const options = Object.entries(OF_OBJECTS).map(([id, { text, about }]) => ({ id, text, about }));
  return options.filter(({ id }) => runs.some((run) => run.objects && (id === "objects:importance" || run.maps > 0)));
}

export function isOfObjects(overlay: string): boolean {
  return Object.hasOwn(OF_OBJECTS, overlay);
}

/** Whether it has a scale of multiples, the same for all such. */
export function isTimes(overlay: string): boolean {
  return isAttention(overlay) || isOfObjects(overlay);
}

export function isAttention(overlay: string): boolean {
  return overlay === "sum" || overlay.startsWith("map:");
}

/** Whether it is known by cell, so that a kernel draws it. */
export function isOfCells(overlay: string, runs: Run[]): boolean {
  return isAttention(overlay) || runs.some((run) => run.saliency.get(methodName(overlay))?.rows === CELLS);
}

/** The overlay at a run's step; null where the run doesn't have it. Objects are where they are at `seenAt`. */
export function layerAt(header: Header, run: Run, t: number, overlay: string, kernel: Kernel, seenAt = t): Layer | null {
  if (isOfObjects(overlay)) return run.objects && objectLayer(run.objects, t, overlay, seenAt);
  return isAttention(overlay) ? attentionLayer(run, t, overlay, kernel) : saliencyLayer(header, run, t, overlay, kernel);
}

/** In nats, or in multiples of even. Null where nothing is known of any object. */
function objectLayer(objects: Objects, t: number, overlay: string, seenAt: number): Layer | null {
  const valueOf = (object: number) => objectValue(objects, t, object, overlay);
  if (objects.about.names.every((_, object) => Number.isNaN(valueOf(object)))) return null;
  return { values: painted(objects, seenAt, valueOf), factor: 1, rows: INPUT, columns: INPUT, signed: false };
}

function objectValue(objects: Objects, t: number, object: number, overlay: string): number {
  return overlay === "objects:importance" ? importanceNear(objects, t, object) : timesEven(objects, t, object);
}

/** In multiples of uniform. */
function attentionLayer(run: Run, t: number, overlay: string, kernel: Kernel): Layer | null {
  const maps = mapsOf(run, overlay);
  if (!maps.length) return null;
  return { values: kernel.spread(timesUniform(run, t, maps)), factor: 1, rows: GRID, columns: GRID, signed: false };
}

/** Each where its pixels, cells or spots lie on the input. */
function saliencyLayer(header: Header, run: Run, t: number, overlay: string, kernel: Kernel): Layer | null {
  const saliency = run.saliency.get(methodName(overlay));
  if (!saliency) return null;
  const { data, rows, columns, scale } = saliency;
  const values = data.subarray(t * rows * columns, (t + 1) * rows * columns);
  const look = { factor: scale[t] / 127, signed: methodOf(header, overlay)?.signed ?? false };
  if (rows === CELLS) return { ...look, values: kernel.spread(Float32Array.from(values)), rows: GRID, columns: GRID };
  if (rows === SPOTS) return { ...look, values: betweenSpots(values), rows: INPUT, columns: INPUT };
  return { ...look, values, rows, columns };
}

function mapsOf(run: Run, overlay: string): number[] {
  const all = Array.from({ length: run.maps }, (_, map) => map);
  return overlay === "sum" ? all : all.filter((map) => overlay === `map:${map}`);
}

/** (49) of each cell: its share of its map, the mean over the maps, times 49. */
function timesUniform(run: Run, t: number, maps: number[]): Float32Array {
  const times = new Float32Array(CELLS * CELLS);
  for (const map of maps) {
    const weights = weightsAt(run, t, map);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total > 0) weights.forEach((weight, cell) => (times[cell] += (weight * CELLS * CELLS) / (total * maps.length)));
  }
  return times;
}

export function weightsAt(run: Run, t: number, map: number): Float32Array {
  const from = (t * run.maps + map) * CELLS * CELLS;
  return run.attention.subarray(from, from + CELLS * CELLS);
}

export function aboutOverlay(header: Header, run: Run, t: number, overlay: string, kernel: Kernel): About {
  if (isAttention(overlay)) {
    const title = overlay === "sum" ? "All attention maps" : `Attention map ${Number(overlay.slice(4)) + 1}`;
    const { gate } = run.about;
    const shares = gate !== "sigmoid" ? "" : ` Shares of each map's total: the weights of the gate ${gate} don't sum to one.`;
    return { title, unit: `Weight, 1× where it is uniform: ${kernel.about}.${shares}`, signed: false };
  }
  if (isOfObjects(overlay)) {
    const { title, unit } = OF_OBJECTS[overlay];
    const at = overlay === "objects:importance" ? (run.objects?.measuredAt[t] ?? t) : t;
    return { title: at === t ? title : `${title}, as of step ${at}`, unit, signed: false };
  }
  const method = methodOf(header, overlay);
  const summed = method && method.frames > 1 ? "The sum of the four input frames' maps. " : "";
  const drawn = isOfCells(overlay, [run]) ? ` Drawn as ${kernel.about}.` : "";
  return { title: methodName(overlay).replaceAll("_", " "), unit: `${summed}${method?.about ?? ""}${drawn}`, signed: method?.signed ?? false };
}

/** What the strongest colour stands for: the reader's choice where it suits the overlay. Attention has a
 * scale that is the same on every page; saliency of next to nothing must not glow beside another run's. */
export function scopeOf({ scope, overlay }: State, runs: Run[]): Scope {
  if (isTimes(overlay)) return scope ?? "uniform";
  return scope && scope !== "uniform" ? scope : runs.length > 1 ? "runs" : "recording";
}

/** How strongly a layer's values are drawn. A run's own scale ends at the peak of its middling step: the
 * highest of all would leave most steps dark. That of a single frame shows even what is next to nothing. */
export function scaleAt(recording: Recording, run: Run, t: number, overlay: string, kernel: string, scope: Scope): Scale {
  const nats = overlay === "objects:importance";
  if (scope === "uniform") return nats && run.objects ? timesMean(run.objects.meanImportance) : UNIFORM;
  const method = methodOf(recording.header, overlay);
  const runs = scope === "runs" ? recording.runs : [run];
  const peak = scope === "frame"
    ? peakOfLayer(layerAt(recording.header, run, t, overlay, kernelNamed(kernel)))
    : Math.max(nats ? LEAST : (method?.least ?? 0), ...runs.map((one) => peakOfRun(recording.header, one, overlay, kernel)));
  return linearScale(peak, scope, { signed: method?.signed ?? false, attention: isTimes(overlay) && !nats });
}

/** Why there is nothing to draw. */
export function missingText(run: Run, t: number, overlay: string): string {
  if (isAttention(overlay)) return "This agent has no such attention map";
  if (!isOfObjects(overlay) || !run.objects) return "Not recorded for this run";
  const { objects } = run;
  const seen = objects.about.names.some((_, object) => isSeen(objects, t, object));
  return seen ? "Not measured at this step" : "No object is seen at this step";
}

function peakOfLayer(layer: Layer | null): number {
  if (!layer) return 0;
  let peak = 0;
  for (let i = 0; i < layer.values.length; i++) peak = Math.max(peak, Math.abs(layer.values[i]));
  return peak * layer.factor;
}

const peaks = new WeakMap<Run, Map<string, number>>(); // whole recordings are long to look through

function peakOfRun(header: Header, run: Run, overlay: string, kernel: string): number {
  const known = peaks.get(run) ?? new Map<string, number>();
  peaks.set(run, known);
  const key = `${overlay} ${kernel}`;
  if (!known.has(key)) {
    const steps = Float64Array.from({ length: run.steps }, (_, t) => peakOfLayer(layerAt(header, run, t, overlay, kernelNamed(kernel))));
    known.set(key, steps.sort()[run.steps >> 1]);
  }
  return known.get(key) ?? 0;
}

function methodName(overlay: string): string {
  return overlay.replace(/^method:/, "");
}

function methodOf(header: Header, overlay: string): Method | undefined {
  return header.methods.find(({ name }) => name === methodName(overlay));
}
