// Numbers on axes.

export function short(value: number): string {
  for (const [scale, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const)
    if (Math.abs(value) >= scale) return `${+(value / scale).toPrecision(3)}${letter}`;
  return `${+value.toPrecision(3)}`;
}

export function plain(value: number): string {
  return Math.abs(value) >= 10_000 ? short(value) : `${+value.toPrecision(6)}`.replace("-", "−");
}

export function percent(value: number): string {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(Math.round(value))} %`;
}

export function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${plain(value)}`;
}

/** A score in three digits or more. */
export function score(value: number): string {
  return plain(Math.abs(value) >= 100 ? Math.round(value) : +(+value.toPrecision(3)).toFixed(4));
}

/** Round numbers on an axis of so many pixels, at least two, else each with room for a label of `each`. */
export function ticksOf([low, high]: [number, number], pixels: number, each: number): number[] {
  const least = (high - low) / Math.max(1, Math.floor(pixels / each));
  const scale = 10 ** Math.floor(Math.log10(least));
  const steps = [0.2, 0.5, 1, 2, 5, 10].map((times) => times * scale);
  for (let index = steps.findIndex((step) => step > 0.999 * least); ; index--) {
    const step = steps[index]!;
    const [first, last] = [Math.ceil(low / step - 1e-6), Math.floor(high / step + 1e-6)];
    if (last > first || !index) return Array.from({ length: last - first + 1 }, (_, n) => +((first + n) * step).toPrecision(12));
  }
}
