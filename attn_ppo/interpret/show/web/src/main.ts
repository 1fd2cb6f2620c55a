// The page: reads the data, makes the parts, and lets them follow the reader's choices.

import { createControls, createControlsButton } from "./controls";
import { make } from "./dom";
import { decode } from "./format";
import { applyTheme, createHeader, savedTheme } from "./header";
import { createHowTo } from "./howto";
import { createHelp, listenToKeys } from "./keys";
import { firstObject } from "./objects";
import { createObjectsView } from "./objectsview";
import { attentionOptions, methodOptions } from "./overlay";
import { createPanel } from "./panel";
import { createPlayer } from "./player";
import { KERNELS } from "./receptive";
import { toRecording, treeOf, type Recording } from "./recording";
import { defaultRoot } from "./roots";
import { createStore, type State } from "./store";
import { createTraces } from "./traces";
import { createTransport } from "./transport";
import { mostChildren } from "./tree";
import { createTreeView } from "./treeview";

const DEFAULT_CHILDREN = 3;

async function main(): Promise<void> {
  const app = document.getElementById("app");
  const data = document.getElementById("data");
  if (!app) return;
  try {
    applyTheme(savedTheme());
    const recording = toRecording(await decode(data?.textContent ?? ""));
    data?.remove(); // the text is as large as the recording
    app.replaceChildren(...createPage(recording));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    app.replaceChildren(make("p", { class: "failure", role: "alert" }, "This recording can't be shown. ", message));
  }
  app.setAttribute("aria-busy", "false");
}

function createPage(recording: Recording): HTMLElement[] {
  const store = createStore(initialState(recording));
  const player = createPlayer(recording, store);
  const help = createHelp();
  store.on(["theme"], () => applyTheme(store.get().theme)); // first, since others read colours from the page
  const panels = recording.runs.map((run) => createPanel(recording, run, store));
  const update = () => panels.forEach((panel) => panel.update());
  store.on(["step", "overlay", "kernel", "scope", "opacity", "outline", "boxes", "stack", "treeRun", "treeRoot", "selected"], update);
  update();
  listenToKeys(player, store, recording.steps - 1, help);
  expose(store.get);
  const controls = createControls(recording, store, player);
  return [
    createHeader(recording, store, () => help.showModal()),
    make("div", { class: "layout" },
      controls,
      make("main", {},
        make("section", { id: "panels", class: "panels", "data-runs": recording.runs.length, "aria-label": "Runs" },
          ...panels.map((panel) => panel.element)),
        make("section", { id: "traces", class: "card traces", "aria-label": "Traces" }, createTraces(recording, store, player)),
        createObjectsView(recording, store, player),
        createTreeView(recording, store),
        createHowTo())),
    createTransport(recording, store, player, createControlsButton(controls)),
    help,
  ];
}

function initialState({ header, runs }: Recording): State {
  const [first] = [...attentionOptions(runs), ...methodOptions(header)];
  const root = defaultRoot(header.trees);
  const trees = runs.map((run) => treeOf(run, root));
  return {
    step: 0, playing: false, speed: 1,
    overlay: first?.id ?? "none", kernel: KERNELS[0].name, scope: null, opacity: 0.6, outline: false, boxes: false, stack: "newest",
    ...firstObject(runs),
    treeRun: 0, treeRoot: root, children: Math.min(DEFAULT_CHILDREN, mostChildren(trees)), depth: trees[0].levels.length, selected: "",
    theme: savedTheme(),
  };
}

/** For tests: the state, to read. */
function expose(read: () => Readonly<State>): void {
  Object.defineProperty(window, "attnPage", { value: Object.freeze({ state: () => ({ ...read() }) }) });
}

void main();
