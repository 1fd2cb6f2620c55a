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
