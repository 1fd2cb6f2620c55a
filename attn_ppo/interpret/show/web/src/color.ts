// Colours of numbers, and how values become pixels. No DOM here.

export type Color = readonly [number, number, number];

// Dark violet to pale yellow, rising in lightness throughout: ordered without hue too (plasma's stops).
const SEQUENTIAL: Color[] = [
  [92, 22, 168], [138, 16, 176], [184, 46, 146], [216, 87, 107], [245, 137, 64], [253, 190, 56], [247, 240, 120],
];
// Blue and orange stay apart for every common colour blindness. The middle is seen through.
const NEGATIVE: Color[] = [[36, 96, 190], [52, 136, 235], [130, 202, 255]];
const POSITIVE: Color[] = [[196, 88, 16], [245, 138, 36], [255, 212, 120]];

export const GREY: Uint32Array = Uint32Array.from(
  { length: 256 },
  (_, v) => ((255 << 24) | (v << 16) | (v << 8) | v) >>> 0,
);

/** A value in -1..1 (0..1 where unsigned) -> its colour. */
export function colorOf(value: number, signed: boolean): Color {
  const stops = signed ? (value < 0 ? NEGATIVE : POSITIVE) : SEQUENTIAL;
  const at = Math.min(1, Math.abs(value)) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return mix(stops[low], stops[low + 1], at - low);
}

/** How much of the frame a value hides, 0..1: nothing at 0, so that what isn't looked at is seen. */
export function alphaOf(value: number): number {
  return Math.min(1, Math.abs(value)) ** 0.7;
}

export function mix(a: Color, b: Color, share: number): Color {
  return [0, 1, 2].map((i) => Math.round(a[i] + (b[i] - a[i]) * share)) as unknown as Color;
}

export function css([red, green, blue]: Color, alpha = 1): string {
  return `rgb(${red} ${green} ${blue} / ${alpha.toFixed(3)})`;
}

/** Values -> pixels, by how strongly each is drawn, from -1 to 1; most opaque at `opacity`. Writes to `pixels`. */
export function tint(
  values: ArrayLike<number>, strength: (value: number) => number, signed: boolean, opacity: number, pixels: Uint32Array,
): void {
  const table = signed ? DIVERGING_TABLE : SEQUENTIAL_TABLE;
  for (let i = 0; i < pixels.length; i++) {
    const pixel = table[Math.round(255 * strength(values[i])) + 255];
    pixels[i] = (pixel & 0xffffff) | (Math.round((pixel >>> 24) * opacity) << 24);
  }
}

/** Numbers of a palette -> pixels. Writes to `pixels`. */
export function paintIndexed(numbers: Uint8Array, palette: Uint32Array, pixels: Uint32Array): void {
  for (let i = 0; i < pixels.length; i++) pixels[i] = palette[numbers[i]];
}

const SEQUENTIAL_TABLE = makeTable(false);
const DIVERGING_TABLE = makeTable(true);

function makeTable(signed: boolean): Uint32Array {
  return Uint32Array.from({ length: 511 }, (_, i) => {
    const value = (i - 255) / 255;
    if (!signed && value < 0) return 0;
    const [red, green, blue] = colorOf(value, signed);
    return ((Math.round(alphaOf(value) * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
