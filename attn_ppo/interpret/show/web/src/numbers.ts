// Numbers as people read them. No DOM here.

/** Three significant digits, a true minus sign, no needless zeros of precision. */
export function format(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  const text = size >= 1e5 || size < 1e-3 ? size.toExponential(1) : size >= 100 ? size.toFixed(0) : size.toPrecision(3);
  return (value < 0 ? "−" : "") + text.replace("e-", "e−").replace("e+", "e");
}

export function formatSigned(value: number): string {
  return (value > 0 ? "+" : "") + format(value);
}

/** An integer or a plain decimal as it is: rewards. */
export function formatReward(value: number): string {
  const text = Number.isInteger(value) ? Math.abs(value).toLocaleString("en") : format(Math.abs(value));
  return (value < 0 ? "−" : value > 0 ? "+" : "") + text;
}

export function formatShare(share: number): string {
  if (Number.isNaN(share)) return "–";
  const percent = 100 * share;
  if (percent > 0 && percent < 0.1) return "<0.1%";
  return `${percent.toFixed(percent < 10 ? 1 : 0)}%`;
}

/** Entropy, nats, of a distribution given by its logarithms, from `from` on. */
export function entropyOf(logProbs: Float32Array, from: number, count: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) if (logProbs[i] > -Infinity) sum -= Math.exp(logProbs[i]) * logProbs[i];
  return sum;
}

/** Seconds of play at frame skip 4 and 60 frames a second. */
export function formatTime(step: number): string {
  const seconds = step / STEPS_A_SECOND;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
}

export const STEPS_A_SECOND = 15;
