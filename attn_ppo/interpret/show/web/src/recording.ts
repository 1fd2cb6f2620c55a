// What the page shows of each run: the container's arrays by their meaning. No DOM here.

import type { Container, Header, Numbers, RunAbout, Tensor, TreeAbout } from "./format";
import { toObjects, type Objects } from "./objects";
import { toTree, TREE_ARRAYS, type Tree } from "./tree";

export interface Saliency {
  data: Int8Array;
  rows: number;
  columns: number;
  scale: Float32Array; // (T), what 127 stands for
}

export interface Run {
  about: RunAbout;
  index: number;
  steps: number;
  maps: number;
  actionCount: number;
  palette: Uint32Array; // as an ImageData's 32-bit pixels
  screens: Uint8Array;
  frames: Uint8Array;
  filled: Uint8Array;
  games: Uint16Array;
  actions: Uint8Array;
  executed: Uint8Array;
  rewards: Float32Array;
  returns: Float32Array; // of the game so far, the step's own reward included
  lives: Uint8Array;
  value: Float32Array;
  logProbs: Float32Array;
  attention: Float32Array;
  entropy: Float32Array;
  saliency: Map<string, Saliency>;
  objects: Objects | null;
  trees: Map<string, () => Tree>; // by root; made when first asked for
}

export interface Recording {
  header: Header;
  runs: Run[];
  steps: number; // of the longest run
}

export function toRecording({ header, arrays }: Container): Recording {
  const runs = header.runs.map((about, index) => toRun(about, index, arrays[index], header.trees));
  return { header, runs, steps: Math.max(...runs.map((run) => run.steps)) };
}

function toRun(about: RunAbout, index: number, arrays: Map<string, Tensor>, trees: TreeAbout[]): Run {
  const get = <T extends Numbers>(name: string): T => need(arrays, name).data as T;
  const rewards = get<Float32Array>("rewards");
  const games = get<Uint16Array>("games");
  return {
    about,
    index,
    steps: about.steps,
    maps: about.maps,
    actionCount: need(arrays, "log_probs").shape[1],
    palette: toPixels(get("palette")),
    screens: get("screens"),
    frames: get("frames"),
    filled: get("filled"),
    games,
    actions: get("actions"),
    executed: get("executed"),
    rewards,
    returns: sumWithin(rewards, games),
    lives: get("lives"),
    value: get("value"),
    logProbs: get("log_probs"),
    attention: get("attention"),
    entropy: get("entropy"),
    saliency: toSaliency(arrays),
    objects: about.objects && toObjects(about.objects, about.maps, games, (name) => need(arrays, `objects/${name}`)),
    trees: new Map(trees.map((tree) => [tree.root, growTree(arrays, tree)])),
  };
}

function need(arrays: Map<string, Tensor>, name: string): Tensor {
  const found = arrays.get(name);
  if (!found) throw new Error(`The data lack the array ${name}.`);
  return found;
}

/** (256, 3) RGB -> (256) pixels, opaque. Little-endian, as every machine that runs a browser is. */
export function toPixels(palette: Uint8Array): Uint32Array {
  return Uint32Array.from({ length: palette.length / 3 }, (_, i) => {
    return ((255 << 24) | (palette[3 * i + 2] << 16) | (palette[3 * i + 1] << 8) | palette[3 * i]) >>> 0;
  });
}

/** Running sums that begin anew with each game. */
export function sumWithin(rewards: Float32Array, games: Uint16Array): Float32Array {
  let sum = 0;
  return rewards.map((reward, t) => (sum = t > 0 && games[t] === games[t - 1] ? sum + reward : reward));
}

/** Steps at which a new game begins, the first step left out. */
export function gameStarts(run: Run): number[] {
  const starts: number[] = [];
  for (let t = 1; t < run.steps; t++) if (run.games[t] !== run.games[t - 1]) starts.push(t);
  return starts;
}

/** A run's own step: a shorter run stays at its last. */
export function stepOf(run: Run, step: number): number {
  return Math.min(step, run.steps - 1);
}

/** A run's tree with that root, one of the header's. */
export function treeOf(run: Run, root: string): Tree {
  const grow = run.trees.get(root);
  if (!grow) throw new Error(`The data lack the tree ${root}.`);
  return grow();
}

function toSaliency(arrays: Map<string, Tensor>): Map<string, Saliency> {
  const found = [...arrays.keys()].filter((name) => name.startsWith("saliency/"));
  return new Map(
    found.map((key) => {
      const name = key.slice("saliency/".length);
      const { data, shape } = need(arrays, key);
      const scale = need(arrays, `scale/${name}`).data as Float32Array;
      return [name, { data: data as Int8Array, rows: shape[1], columns: shape[2], scale }];
    }),
  );
}

function growTree(arrays: Map<string, Tensor>, { root, levels }: TreeAbout): () => Tree {
  const tensors = TREE_ARRAYS.map((name) => [name, need(arrays, `tree/${root}/${name}`)] as const);
  const counts = need(arrays, `tree/${root}/counts`);
  const offsets = need(arrays, `tree/${root}/offset`);
  let grown: Tree | undefined;
  return () => (grown ??= toTree(levels, counts.data, offsets.data, new Map(tensors.map(([name, { data }]) => [name, data]))));
}
