// Moving through the steps: by hand, by bookmark, in time.

import { STEPS_A_SECOND } from "./numbers";
import type { Recording } from "./recording";
import type { Store } from "./store";

export interface Bookmark {
  step: number;
  why: string;
  run: number;
}

export interface Player {
  go: (step: number) => void; // to the nearest step there is
  move: (steps: number) => void;
  toggle: () => void;
  bookmark: (direction: 1 | -1) => void;
}

export function bookmarksOf(recording: Recording): Bookmark[] {
  const all = recording.runs.flatMap((run) => run.about.jumps.map(({ step, why }) => ({ step, why: why.replace(/-(?=\d)/g, "−"), run: run.index })));
  return all.sort((a, b) => a.step - b.step || a.run - b.run);
}

export function createPlayer(recording: Recording, store: Store): Player {
  const last = recording.steps - 1;
  const bookmarks = bookmarksOf(recording);
  const go = (step: number) => store.set({ step: Math.max(0, Math.min(last, Math.round(step))) });
  const player: Player = {
    go,
    move: (steps) => {
      store.set({ playing: false });
      go(store.get().step + steps);
    },
    toggle: () => {
      const { playing, step } = store.get();
      if (!playing && step === last) go(0);
      store.set({ playing: !playing });
    },
    bookmark: (direction) => {
      const { step } = store.get();
      const ahead = bookmarks.filter((mark) => (mark.step - step) * direction > 0);
      const next = direction > 0 ? ahead[0] : ahead[ahead.length - 1];
      store.set({ playing: false });
      if (next) go(next.step);
    },
  };
  store.on(["playing"], () => store.get().playing && run(store, player, last));
  return player;
}

/** Plays until paused or over. A slow machine skips steps rather than falls behind. */
function run(store: Store, player: Player, last: number): void {
  let before = performance.now();
  let owed = 0;
  const tick = (now: number) => {
    if (!store.get().playing) return;
    owed += ((now - before) / 1000) * STEPS_A_SECOND * store.get().speed;
    before = now;
    const steps = Math.floor(Math.max(0, owed));
    owed -= steps;
    if (steps) player.go(store.get().step + steps);
    if (store.get().step >= last) store.set({ playing: false });
    else requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}
