// What may be laid over a frame: a map of attention, their sum, or a saliency method. No DOM here.

import type { Header } from "./format";
import { GRID, kernelNamed, type Kernel } from "./receptive";
import type { Recording, Run } from "./recording";
import { CELLS } from "./sizes";
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
  return maps > 1 ? [...options, { id: "sum", text: "Sum of maps", about: "Attention weights summed over maps" }] : options;
}

export function methodOptions(header: Header): Option[] {
  return header.methods.map(({ name, about }) => ({ id: `method:${name}`, text: name.replaceAll("_", " "), about }));
}

export function isAttention(overlay: string): boolean {
  return overlay === "sum" || overlay.startsWith("map:");
}

/** The overlay at a run's step; null where the run doesn't have it. */
export function layerAt(header: Header, run: Run, t: number, overlay: string, kernel: Kernel): Layer | null {
  if (isAttention(overlay)) return attentionLayer(run, t, overlay, kernel);
  const saliency = run.saliency.get(methodName(overlay));
  if (!saliency) return null;
  const { data, rows, columns, scale } = saliency;
  const values = data.subarray(t * rows * columns, (t + 1) * rows * columns);
  return { values, factor: scale[t] / 127, rows, columns, signed: isSigned(header, overlay) };
}

function attentionLayer(run: Run, t: number, overlay: string, kernel: Kernel): Layer | null {
  const maps = mapsOf(run, overlay);
  if (!maps.length) return null;
  const values = new Float32Array(GRID * GRID);
  for (const map of maps) kernel.spread(weightsAt(run, t, map)).forEach((value, i) => (values[i] += value));
  return { values, factor: 1, rows: GRID, columns: GRID, signed: false };
}

export function mapsOf(run: Run, overlay: string): number[] {
  const all = Array.from({ length: run.maps }, (_, map) => map);
  return overlay === "sum" ? all : all.filter((map) => overlay === `map:${map}`);
}

export function weightsAt(run: Run, t: number, map: number): Float32Array {
  const from = (t * run.maps + map) * CELLS * CELLS;
  return run.attention.subarray(from, from + CELLS * CELLS);
}

export function aboutOverlay(header: Header, overlay: string, kernel: Kernel): About {
  if (overlay === "sum") return { title: `Sum of maps, ${kernel.label.toLowerCase()}`, unit: kernel.unit, signed: false };
  if (isAttention(overlay)) {
    const title = `Attention map ${Number(overlay.slice(4)) + 1}, ${kernel.label.toLowerCase()}`;
    return { title, unit: kernel.unit, signed: false };
  }
  const method = header.methods.find(({ name }) => name === methodName(overlay));
  return { title: methodName(overlay).replaceAll("_", " "), unit: method?.about ?? "", signed: method?.signed ?? false };
}

/** The scale of the colours. Weights sum to one in every run, but saliency of next to nothing must not glow. */
export function scopeOf({ scope, overlay }: State, runs: Run[]): Scope {
  return scope ?? (runs.length > 1 && !isAttention(overlay) ? "runs" : "recording");
}

/** What the strongest colour stands for, in units; in a run's scale, the peak of its middling step:
 * the highest of all would leave most steps dark. */
export function peakOf(recording: Recording, run: Run, t: number, overlay: string, kernel: string, scope: Scope): number {
  if (scope === "frame") return peakOfLayer(layerAt(recording.header, run, t, overlay, kernelNamed(kernel)));
  const runs = scope === "runs" ? recording.runs : [run];
  return Math.max(...runs.map((one) => peakOfRun(recording.header, one, overlay, kernel)));
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

function isSigned(header: Header, overlay: string): boolean {
  return header.methods.find(({ name }) => name === methodName(overlay))?.signed ?? false;
}
