// The container of FORMAT.md: base64 of gzip of a header and arrays -> Recording. No DOM here.

export const FORMAT = 3;

export interface ArrayAbout {
  type: string;
  shape: number[];
  offset: number;
  delta?: boolean;
}

export interface Method {
  name: string;
  signed: boolean;
  frames: number; // maps an observation, of which the page has the sum
  least: number; // what full colour stands for at least, but in a frame's own scale
  about: string;
}

export interface Level {
  name: string;
  stride: number;
  size: number;
}

export interface TreeAbout {
  root: string;
  levels: Level[];
}

export interface ObjectsAbout {
  names: string[];
  method: string; // by which they were found
  steps: number; // of which any importance is known
}

export interface RunAbout {
  game: string;
  label: string;
  lambda: string;
  seed: number;
  name: string;
  env_steps: number;
  gate: string;
  policy: string;
  recording_seed: number;
  actions: string[];
  steps: number;
  screen: [number, number];
  maps: number;
  jumps: { step: number; why: string }[];
  objects: ObjectsAbout | null; // null where they aren't measured
  arrays: Record<string, ArrayAbout>;
}

export interface Header {
  format: number;
  target: { name: string; about: string };
  methods: Method[];
  trees: TreeAbout[];
  games_with_objects: string[];
  runs: RunAbout[];
}

export type Numbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Float32Array;

export interface Tensor {
  readonly data: Numbers; // unpacked when first read: of several trees most readers see one
  shape: number[];
}

export interface Container {
  header: Header;
  arrays: Map<string, Tensor>[]; // of each run, by name
}

/** Text of the page's data element -> Container. Throws an Error that a reader can act on. */
export async function decode(text: string): Promise<Container> {
  const bytes = fromBase64(text.replace(/\s+/g, ""));
  return parse(await gunzip(bytes));
}

/** The bytes of an unpacked container -> Container. */
export function parse(buffer: ArrayBuffer): Container {
  const length = buffer.byteLength < 4 ? NaN : new DataView(buffer).getUint32(0, true);
  if (!(4 + length <= buffer.byteLength)) throw new Error("The data end before their header does.");
  const header = parseHeader(new Uint8Array(buffer, 4, length));
  const start = Math.ceil((4 + length) / 8) * 8;
  const arrays = header.runs.map((run) => {
    const named = Object.entries(run.arrays);
    return new Map(named.map(([name, about]) => [name, readArray(buffer, start, name, about)]));
  });
  return { header, arrays };
}

function parseHeader(bytes: Uint8Array): Header {
  const header = JSON.parse(new TextDecoder().decode(bytes)) as Header;
  if (header.format !== FORMAT)
    throw new Error(`The data are of format ${String(header.format)}; this page reads ${FORMAT}.`);
  if (!header.runs?.length) throw new Error("The data hold no run.");
  if (!header.trees?.length) throw new Error("The data hold no tree.");
  return header;
}

function readArray(buffer: ArrayBuffer, start: number, name: string, about: ArrayAbout): Tensor {
  const view = VIEWS[about.type];
  if (!view) throw new Error(`Array ${name} is of unknown type ${about.type}.`);
  const length = about.shape.reduce((product, size) => product * size, 1);
  const from = start + about.offset;
  let unpacked: Numbers | undefined;
  if (from + length * view.bytes > buffer.byteLength) throw new Error(`The data end before ${name} does.`);
  const unpack = () => {
    const data = view.read(buffer, from, length);
    if (about.delta) undoDelta(data as Uint8Array, length / (about.shape[0] || 1));
    return data;
  };
  return { get data() { return (unpacked ??= unpack()); }, shape: about.shape };
}

const VIEWS: Record<string, { bytes: number; read: (b: ArrayBuffer, from: number, n: number) => Numbers }> = {
  u8: { bytes: 1, read: (b, from, n) => new Uint8Array(b, from, n) },
  i8: { bytes: 1, read: (b, from, n) => new Int8Array(b, from, n) },
  u16: { bytes: 2, read: (b, from, n) => new Uint16Array(b, from, n) },
  i16: { bytes: 2, read: (b, from, n) => new Int16Array(b, from, n) },
  f32: { bytes: 4, read: (b, from, n) => new Float32Array(b, from, n) },
  f16: { bytes: 2, read: (b, from, n) => fromHalf(new Uint16Array(b, from, n)) },
};

/** Each item XORed with the one before it -> the items, in place: recordings are large. */
export function undoDelta(data: Uint8Array, item: number): void {
  for (let i = item; i < data.length; i++) data[i] ^= data[i - item];
}

/** IEEE half precision, as bits -> float32. */
export function fromHalf(bits: Uint16Array): Float32Array {
  const numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) numbers[i] = halfToNumber(bits[i]);
  return numbers;
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const CHUNK = 1 << 20; // a multiple of 4: the whole text at once would need it in memory thrice
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  for (let from = 0; from < text.length; from += CHUNK) {
    const part = decodeChunk(text.slice(from, from + CHUNK));
    for (let i = 0; i < part.length; i++) bytes[at++] = part.charCodeAt(i);
  }
  return bytes.subarray(0, at);
}

function decodeChunk(text: string): string {
  try {
    return atob(text);
  } catch {
    throw new Error("The data are not base64: the file was changed on its way here.");
  }
}

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  if (typeof DecompressionStream === "undefined")
    throw new Error("This browser has no DecompressionStream: it takes Chrome 80, Firefox 113, Safari 16.4 or later.");
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return await new Response(stream).arrayBuffer();
  } catch {
    throw new Error("The data don't unpack: the file is damaged or was cut short.");
  }
}
