// What analysis/report/data.py writes into the page, as JSON: the two change together.

export const FORMAT = 1;

/** A number as the CSV has it beside the text that is shown; `tone` colours a verdict. */
export interface Cell { text: string; value?: string; tone?: Tone; href?: string }
export type Tone = "good" | "bad" | "open";
export interface Column { key: string; title: string; about?: string; left?: boolean }
export interface Table { columns: Column[]; rows: Cell[][] }

export interface Link { text: string; href: string }
export interface Video { text: string; href: string; data?: string }
/** A PNG; `text` says what it shows. */
export interface Picture { text: string; href: string; data: string }
export type Block =
  | { kind: "text"; text: string }
  | { kind: "list"; items: string[]; caption: string; quiet: boolean }
  | { kind: "table"; table: Table; caption: string }
  | { kind: "pairs"; pairs: [string, string][]; caption: string }
  | { kind: "links"; links: Link[] }
  | { kind: "videos"; videos: Video[] }
  | ({ kind: "picture" } & Picture);
export interface Section { id: string; title: string; folded?: boolean; blocks: Block[] }

export interface Lambda { text: string; light: string; dark: string }
export interface Variant { letter: string; name: string }
export interface Curve { steps: number[]; score: (number | null)[]; entropy: (number | null)[] }
export interface Run {
  game: number; lambda: number; variant: number; seed: number;
  told: string[]; // the lines of its tooltip
  finished: boolean; evaluated: boolean;
  score: number | null; entropy: number | null;
  curve: Curve;
}
export interface Band { steps: number[]; mean: number[]; low: number[]; high: number[] }
export interface Group {
  game: number; lambda: number; variant: number;
  seeds: number; begun: boolean; // begun: none of its runs is finished
  mean: { entropy: number; score: number } | null;
  curves: { score: Band | null; entropy: Band | null };
}
/** Scores of random play and of a human, and the human-normalised one as `scale[0] + scale[1] * score`. */
export interface Protocol {
  game: number; variant: number;
  random: number | null; human: number | null; scale: [number, number] | null;
}
export interface Difference {
  game: number | null; lambda: number; variant: number; // null: over games
  // Per cent of what is learned at lambda 0; over games human-normalised.
  value: number; low: number | null; high: number | null;
  seeds: number; // of the one of both that has fewer
  verdict: string; tone: Tone; told: string[];
}
export interface Answer { variant: number; headline: string; more: string[] }

export interface Report {
  format: number;
  name: string; facts: string; question: string; warning: string;
  answers: Answer[];
  margin: number; marginWords: string; // per cent
  games: string[]; lambdas: Lambda[]; variants: Variant[];
  lastStep: number;
  runs: Run[]; groups: Group[]; protocols: Protocol[]; differences: Difference[];
  others: string[]; // what others scored, a line each
  scores: Table; scoreNotes: string[];
  sections: Section[];
}

export function read(): Report {
  const text = document.getElementById("data")?.textContent ?? "";
  const report = JSON.parse(text) as Report;
  if (report.format !== FORMAT) throw new Error(`its data have format ${report.format}, not ${FORMAT}`);
  return report;
}
