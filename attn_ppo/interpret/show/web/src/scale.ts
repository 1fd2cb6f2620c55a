// How strongly a value is drawn, and the numbers under the colours. No DOM here.

import { CELLS } from "./sizes";
import { format } from "./numbers";
import type { Scope } from "./store";

export interface Tick {
  at: number; // 0..1 along the colours
  text: string;
  mark?: boolean; // drawn across the colours, too
}

export interface Scale {
  strength: (value: number) => number; // 0..1, or -1..1 where signed
  ticks: Tick[];
  text: string;
}

const ALL = CELLS * CELLS; // times uniform, where one cell has all the attention
const HALF = 4; // times uniform, drawn at half strength; linear up to here, logarithmic beyond

/** Of attention in multiples of uniform: 0 -> 0, 1 -> 1/8, 4 -> 1/2, 49 -> 1. As in drawing.py. */
export function attentionStrength(times: number): number {
  if (times <= HALF) return times / (2 * HALF);
  return Math.min(1, 0.5 + (0.5 * Math.log(times / HALF)) / Math.log(ALL / HALF));
}

export const UNIFORM: Scale = {
  strength: attentionStrength,
  ticks: [
    { at: 0, text: "0" }, { at: attentionStrength(1), text: "1×", mark: true },
    { at: attentionStrength(HALF), text: `${HALF}×` }, { at: 1, text: `${ALL}×` },
  ],
  text: "",
};

/** The same of a quantity whose mean is known, in multiples of it. */
export function timesMean(mean: number): Scale {
  return { ...UNIFORM, strength: (value) => attentionStrength(value / mean), text: `1× is the mean, ${format(mean)} nats` };
}

const SCOPES: Record<Scope, string> = {
  uniform: UNIFORM.text,
  frame: "scale of this frame",
  recording: "scale of the recording",
  runs: "scale of all runs",
};

/** From 0, or -peak, to the peak; of attention in multiples of uniform, which is marked. */
export function linearScale(peak: number, scope: Scope, { signed, attention }: { signed: boolean; attention: boolean }): Scale {
  const most = scope === "frame" ? "" : "≥";
  const strength = (value: number) => (peak > 0 ? Math.max(-1, Math.min(1, value / peak)) : 0);
  if (signed) {
    const ticks = [{ at: 0, text: `${most && "≤"}${format(-peak)}` }, { at: 0.5, text: "0" }, { at: 1, text: `${most}+${format(peak)}` }];
    return { strength, ticks, text: SCOPES[scope] };
  }
  const uniform = attention && peak > 1.2 ? [{ at: 1 / peak, text: "1×", mark: true }] : [];
  return { strength, ticks: [{ at: 0, text: "0" }, ...uniform, { at: 1, text: `${most}${format(peak)}${attention ? "×" : ""}` }], text: SCOPES[scope] };
}
