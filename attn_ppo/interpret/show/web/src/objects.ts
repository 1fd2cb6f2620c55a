// A game's objects: where each is seen, how much attention lies on it, how much it matters. No DOM here.

import type { ObjectsAbout, Tensor } from "./format";
import { INPUT, STACK } from "./sizes";
import type { Box } from "./tree";

export interface Objects {
  about: ObjectsAbout;
  maps: number;
  masks: Tensor; // (T, C, 882) bits
  share: Float32Array; // (T, K, C) of a map's weight; NaN where the object isn't seen
  chance: Float32Array; // (T, K, C) of the map's mean over the recording
  even: Float32Array; // (T, C) of even attention
  importance: Float32Array; // (T, C) nats, NaN where not measured
  measuredAt: Int32Array; // (T) the nearest step with an importance, -1 where none is near
  meanImportance: number; // of all that are known, at least LEAST
}

const BYTES = (INPUT * INPUT) / 8; // of a mask
export const LEAST = 1e-3; // nats: what matters less must not glow
const NEAR = 8; // steps, half a second
const MOST_PIECES = 8; // of an object that has boxes: pills and walls would have dozens

export function toObjects(about: ObjectsAbout, maps: number, games: Uint16Array, get: (name: string) => Tensor): Objects {
  const numbers = (name: string) => get(name).data as Float32Array;
  const importance = numbers("importance");
  return {
    about, maps, masks: get("masks"), share: numbers("share"), chance: numbers("chance"), even: numbers("even"), importance,
    measuredAt: nearestMeasured(importance, about.names.length, games),
    meanImportance: Math.max(LEAST, meanOf(importance) || 0),
  };
}

function nearestMeasured(importance: Float32Array, count: number, games: Uint16Array): Int32Array {
  const known = Array.from(games, (_, t) => importance.subarray(t * count, (t + 1) * count).some((value) => !Number.isNaN(value)));
  return Int32Array.from(games, (game, t) => {
    for (let away = 0; away <= NEAR; away++)
      for (const step of [t - away, t + away]) if (known[step] && games[step] === game) return step;
    return -1;
  });
}

/** Of the numbers that are known; NaN where none is. */
export function meanOf(numbers: ArrayLike<number>): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < numbers.length; i++) {
    if (Number.isNaN(numbers[i])) continue;
    sum += numbers[i];
    count++;
  }
  return sum / count;
}

/** The first run that has objects, and the one of them that matters most in it. */
export function firstObject(runs: { index: number; objects: Objects | null }[]): { object: string; objectsRun: number } {
  const run = runs.find(({ objects }) => objects);
  if (!run?.objects) return { object: "", objectsRun: 0 };
  const { objects } = run;
  const most = objects.about.names
    .map((name, object) => ({ name, mean: meanOf(columnOf(objects, object, importanceOf)) || 0 }))
    .reduce((best, one) => (one.mean > best.mean ? one : best));
  return { object: most.name, objectsRun: run.index };
}

/** (T) a number of one object. */
export function columnOf(objects: Objects, object: number, read: (objects: Objects, t: number, object: number) => number): number[] {
  return Array.from({ length: objects.importance.length / objects.about.names.length }, (_, t) => read(objects, t, object));
}

export function importanceOf({ about, importance }: Objects, t: number, object: number): number {
  return importance[t * about.names.length + object];
}

/** That of the nearest step where it is known. */
export function importanceNear(objects: Objects, t: number, object: number): number {
  return objects.measuredAt[t] < 0 ? NaN : importanceOf(objects, objects.measuredAt[t], object);
}

/** Of which step an importance is, where that isn't this one. */
export function nearText({ measuredAt }: Objects, t: number): string {
  if (measuredAt[t] < 0) return "Importance isn't measured near this step.";
  return measuredAt[t] === t ? "" : `Importance as of step ${measuredAt[t]}, the nearest measured.`;
}

/** The share of the attention on an object, the mean over the maps; of what a map has at that moment, or always. */
export function shareOf(objects: Objects, t: number, object: number, of: "share" | "chance" = "share"): number {
  let sum = 0;
  for (let map = 0; map < objects.maps; map++) sum += objects[of][(t * objects.maps + map) * objects.about.names.length + object];
  return sum / objects.maps;
}

/** In multiples of what even attention has on the object. */
export function timesEven(objects: Objects, t: number, object: number, of: "share" | "chance" = "share"): number {
  return shareOf(objects, t, object, of) / objects.even[t * objects.about.names.length + object];
}

export function isSeen(objects: Objects, t: number, object: number): boolean {
  return !Number.isNaN(objects.even[t * objects.about.names.length + object]);
}

/** (7056) 1 where the object is seen. */
export function maskAt({ about, masks }: Objects, t: number, object: number): Uint8Array {
  const from = (t * about.names.length + object) * BYTES;
  return Uint8Array.from({ length: INPUT * INPUT }, (_, pixel) => (masks.data[from + (pixel >> 3)] >> (7 - (pixel & 7))) & 1);
}

/** (7056) each object's value where it is seen, the greatest where several are; 0 elsewhere. */
export function painted(objects: Objects, t: number, valueOf: (object: number) => number): Float32Array {
  const values = new Float32Array(INPUT * INPUT);
  objects.about.names.forEach((_, object) => {
    const value = valueOf(object);
    if (!(value > 0)) return;
    maskAt(objects, t, object).forEach((there, pixel) => there && (values[pixel] = Math.max(values[pixel], value)));
  });
  return values;
}

export interface Named {
  box: Box;
  label: string; // empty but at the largest of an object's boxes
}

/** A box around each piece of each object. */
export function boxesAt(objects: Objects, t: number): Named[] {
  return objects.about.names.flatMap((name, object) => {
    if (!isSeen(objects, t, object)) return [];
    const boxes = piecesOf(maskAt(objects, t, object)).sort((a, b) => areaOf(b) - areaOf(a));
    return boxes.length > MOST_PIECES ? [] : boxes.map((box, i) => ({ box, label: i ? "" : name }));
  });
}

function areaOf({ top, left, bottom, right }: Box): number {
  return (bottom - top + 1) * (right - left + 1);
}

/** The boxes of what hangs together, corner to corner too. */
export function piecesOf(mask: Uint8Array): Box[] {
  const left = mask.slice();
  const boxes: Box[] = [];
  for (let start = 0; start < left.length; start++) if (left[start]) boxes.push(take(left, start));
  return boxes;
}

/** Takes one piece out of the mask. */
function take(left: Uint8Array, start: number): Box {
  const box = { top: INPUT, left: INPUT, bottom: 0, right: 0 };
  const open = [start];
  left[start] = 0;
  for (let pixel = open.pop(); pixel !== undefined; pixel = open.pop()) {
    const [row, column] = [Math.floor(pixel / INPUT), pixel % INPUT];
    Object.assign(box, { top: Math.min(box.top, row), bottom: Math.max(box.bottom, row), left: Math.min(box.left, column), right: Math.max(box.right, column) });
    for (let y = Math.max(0, row - 1); y <= Math.min(INPUT - 1, row + 1); y++)
      for (let x = Math.max(0, column - 1); x <= Math.min(INPUT - 1, column + 1); x++) {
        const near = y * INPUT + x;
        if (!left[near]) continue;
        left[near] = 0;
        open.push(near);
      }
  }
  return box;
}

/** The step whose newest frame is frame 0..3 of the input at t; null where that lies before the game. */
export function stepOfFrame(t: number, frame: number, filled: Uint8Array): number | null {
  const age = STACK - 1 - frame;
  return age >= filled[t] || age > t ? null : t - age;
}
