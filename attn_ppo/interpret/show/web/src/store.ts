// What the reader has chosen, and who wants to know when it changes.

export type Scope = "uniform" | "frame" | "recording" | "runs";
export type Theme = "auto" | "light" | "dark";

export interface State {
  step: number;
  playing: boolean;
  speed: number;
  overlay: string; // "none", "sum", "map:0", "method:gradient": see overlay.ts
  kernel: string;
  scope: Scope | null; // what the colours stand for; until somebody chooses, as suits the overlay
  opacity: number;
  outline: boolean; // of each map's strongest cell
  boxes: boolean; // around objects
  object: string; // name of the one whose traces are shown
  objectsRun: number;
  stack: "newest" | "all";
  treeRun: number;
  treeRoot: string; // one of the header's trees
  children: number;
  depth: number;
  selected: string; // key of a tree's node
  theme: Theme;
}

export interface Store {
  get: () => Readonly<State>;
  set: (patch: Partial<State>) => void;
  on: (keys: (keyof State)[], listener: () => void) => void;
}

export function createStore(initial: State): Store {
  let state = initial;
  const listeners: { keys: (keyof State)[]; listener: () => void }[] = [];
  return {
    get: () => state,
    set: (patch) => {
      const before = state;
      state = { ...state, ...patch };
      const changed = (key: keyof State) => state[key] !== before[key];
      for (const { keys, listener } of listeners) if (keys.some(changed)) listener();
    },
    on: (keys, listener) => void listeners.push({ keys, listener }),
  };
}
