// The keyboard, and the sheet that explains it.

import { button, make } from "./dom";
import type { Player } from "./player";
import type { Store } from "./store";

const KEYS: [string, string][] = [
  ["Space", "Play or pause"],
  ["← →", "One step back or forward"],
  ["Shift + ← →", "Ten steps"],
  ["Home, End", "First and last step"],
  ["[ ]", "Previous and next bookmark"],
  ["?", "This sheet"],
  ["Esc", "Close it"],
];
const TREE_KEYS: [string, string][] = [
  ["3-D view: arrows", "Turn it"],
  ["3-D view: + − 0", "Nearer, further, as at first"],
  ["List: ↑ ↓", "Previous and next node: chooses it"],
  ["List: ← →", "Close or open a node"],
];

export function createHelp(): HTMLDialogElement {
  const rows = [...KEYS, ...TREE_KEYS].map(([key, what]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, key)), make("td", {}, what)));
  const dialog = make("dialog", { id: "help", "aria-labelledby": "help-title" });
  dialog.append(
    make("h2", { id: "help-title" }, "Keyboard"),
    make("table", {}, make("tbody", {}, ...rows)),
    button("help-close", "Close", () => dialog.close(), "Close"));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}

export function listenToKeys(player: Player, store: Store, last: number, help: HTMLDialogElement): void {
  // A button that was clicked would keep the space bar for itself; one reached by Tab may.
  document.addEventListener("click", ({ target, detail }) => {
    if (detail > 0 && target instanceof Element) target.closest("button")?.blur();
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (!isFree(event)) return;
    const act = action(event, player, store, last, help);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function action(event: KeyboardEvent, player: Player, store: Store, last: number, help: HTMLDialogElement): (() => void) | undefined {
  const far = event.shiftKey ? 10 : 1;
  const end = (step: number) => () => {
    store.set({ playing: false });
    player.go(step);
  };
  const actions: Record<string, () => void> = {
    " ": player.toggle,
    ArrowLeft: () => player.move(-far),
    ArrowRight: () => player.move(far),
    Home: end(0),
    End: end(last),
    "[": () => player.bookmark(-1),
    "]": () => player.bookmark(1),
    "?": () => help.showModal(),
  };
  return actions[event.key];
}

/** Whether the focused control has no use of its own for the key. */
function isFree({ key, target }: KeyboardEvent): boolean {
  const element = target instanceof Element ? target : null;
  if (!element || element.id === "scrubber") return true;
  if (element.matches("input, select, textarea")) return key === "?" || ((key === "[" || key === "]") && !element.matches("textarea"));
  return !(key === " " && element.closest("button, summary, a"));
}
