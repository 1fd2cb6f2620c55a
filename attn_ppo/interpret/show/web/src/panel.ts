// One run at one step: the colour frame, the network's input, the policy and the numbers.

import { createActions } from "./actions";
import { GREY, paintIndexed } from "./color";
import { make, setText } from "./dom";
import { createLegend } from "./legend";
import { entropyOf, format, formatReward } from "./numbers";
import { boxesAt, stepOfFrame } from "./objects";
import { aboutOverlay, isOfObjects, layerAt, missingText, scaleAt, scopeOf, weightsAt } from "./overlay";
import { kernelNamed, strongestCell } from "./receptive";
import { stepOf, treeOf, type Recording, type Run } from "./recording";
import { CELLS, INPUT, STACK } from "./sizes";
import type { State, Store } from "./store";
import { selectedNode } from "./selection";
import { boxOf, FRAME_LEVEL, frameName } from "./tree";
import { createView, type Outline, type View } from "./view";

export interface Panel {
  element: HTMLElement;
  update: () => void;
}

export function createPanel(recording: Recording, run: Run, store: Store): Panel {
  const [height, width] = run.about.screen;
  const screen = createView(height, width, `Frame of ${run.about.label}`, "screen");
  const input = createInput(run);
  const legend = createLegend();
  const actions = createActions(run);
  const numbers = createNumbers(run);
  const over = make("p", { class: "over", role: "status", hidden: true });
  screen.element.style.setProperty("--shape", `${width} / ${height}`); // square pixels
  screen.element.append(over);
  const element = make("article", { class: "panel", "data-run": run.index }, heading(run, recording.runs.length > 1),
    make("div", { class: "panel-body" },
      make("div", { class: "stage" }, screen.element, legend.element), input.element, actions.element, numbers.element));
  const update = () => {
    const state = store.get();
    const t = stepOf(run, state.step);
    over.hidden = state.step < run.steps;
    setText(over, `Recording ended at step ${run.steps - 1}`);
    screen.paint((pixels) => paintIndexed(run.screens.subarray(t * height * width, (t + 1) * height * width), run.palette, pixels));
    input.paint(t, state.stack);
    overlay(recording, run, t, state, screen, input.views, legend);
    outline(run, t, state, screen, input.views);
    actions.show(t);
    numbers.show(t);
  };
  return { element, update };
}

function heading(run: Run, several: boolean): HTMLElement {
  const { about } = run;
  const facts = [
    `trained for ${about.env_steps.toLocaleString("en")} agent steps`, `${about.policy} policy`,
  ];
  const identity = `${about.steps.toLocaleString("en")} steps recorded, λ ${about.lambda}, seed ${about.seed}, run ${about.name}, played with seed ${about.recording_seed}`;
  const badge = make("span", { class: `badge run-${run.index % 6}` }, `${run.index + 1}`);
  return make("header", {}, make("h2", { title: about.label }, ...(several ? [badge, about.label] : [about.label])), make("p", { class: "facts", title: identity }, facts.join(" · ")));
}

function createInput(run: Run) {
  const views = Array.from({ length: STACK }, (_, frame) => createView(INPUT, INPUT, `Input frame ${frameName(frame)}`, "input"));
  const captions = views.map(() => make("figcaption", {}));
  const figures = views.map((view, frame) =>
    make("figure", {}, view.element, captions[frame]));
  const element = make("div", { class: "inputs", "aria-label": "The network's input", role: "group" }, ...figures);
  const paint = (t: number, stack: State["stack"]) => {
    element.parentElement?.classList.toggle("four", stack === "all");
    views.forEach((view, frame) => {
      setText(captions[frame], stack === "newest" ? "Network's input" : `Input ${frameName(frame)}`);
      figures[frame].hidden = stack === "newest" && frame < STACK - 1;
      if (!figures[frame].hidden) view.paint((pixels) => paintInput(run, t, frame, pixels));
    });
  };
  return { element, views, paint };
}

/** Frame 0..3 of the input at t, 3 the newest; black where it would lie before the game. */
export function paintInput(run: Run, t: number, frame: number, pixels: Uint32Array): void {
  const step = stepOfFrame(t, frame, run.filled);
  if (step === null) pixels.fill(GREY[0]);
  else paintIndexed(run.frames.subarray(step * INPUT * INPUT, (step + 1) * INPUT * INPUT), GREY, pixels);
}

function overlay(
  recording: Recording, run: Run, t: number, state: State, screen: View, inputs: View[], legend: ReturnType<typeof createLegend>,
): void {
  const kernel = kernelNamed(state.kernel);
  const layer = state.overlay === "none" ? null : layerAt(recording.header, run, t, state.overlay, kernel);
  const scope = scopeOf(state, recording.runs);
  const scale = scaleAt(recording, run, t, state.overlay, state.kernel, scope);
  screen.lay(layer, scale, state.opacity);
  inputs.forEach((view, frame) => {
    const seenAt = stepOfFrame(t, frame, run.filled);
    const own = layer && isOfObjects(state.overlay) ? seenAt !== null && layerAt(recording.header, run, t, state.overlay, kernel, seenAt) : layer;
    view.lay(own || null, scale, state.opacity);
  });
  if (layer) legend.show(aboutOverlay(recording.header, run, t, state.overlay, kernel), scale, state.opacity);
  else if (state.overlay === "none") legend.say("No overlay");
  else legend.say(missingText(run, t, state.overlay));
}

function outline(run: Run, t: number, state: State, screen: View, inputs: View[]): void {
  const outlines: Outline[] = state.outline ? strongestBoxes(run, t) : [];
  const tree = state.treeRun === run.index ? treeOf(run, state.treeRoot) : null;
  const node = tree && selectedNode(tree, t, state.selected);
  const level = node && tree.levels[node.level];
  const chosen: Outline[] = level ? [{ box: boxOf(node, level), kind: "selected" }] : [];
  screen.outline([...objectBoxes(run, t, state), ...outlines, ...chosen]);
  inputs.forEach((view, frame) => {
    const elsewhere = level?.name === FRAME_LEVEL && node?.channel !== frame;
    const seenAt = stepOfFrame(t, frame, run.filled);
    const objects = seenAt === null ? [] : objectBoxes(run, seenAt, state).map(({ box, kind }) => ({ box, kind }));
    view.outline([...objects, ...outlines, ...(elsewhere ? [] : chosen)]);
  });
}

function objectBoxes(run: Run, t: number, { boxes }: State): Outline[] {
  return boxes && run.objects ? boxesAt(run.objects, t).map((named) => ({ ...named, kind: "object" })) : [];
}

function strongestBoxes(run: Run, t: number): Outline[] {
  return Array.from({ length: run.maps }, (_, map) => {
    const best = strongestCell(weightsAt(run, t, map));
    const [top, left] = [8 * Math.floor(best / CELLS), 8 * (best % CELLS)];
    return { box: { top, left, bottom: top + 35, right: left + 35 }, kind: "strongest" };
  });
}

function createNumbers(run: Run) {
  const rows: { value: HTMLElement; read: (t: number) => string }[] = [];
  const element = make("dl", { class: "numbers readings-now" });
  const add = (id: string, name: string, about: string, read: (t: number) => string, unit = "") => {
    const value = make("span");
    const small = unit ? [" ", make("small", {}, unit)] : [];
    element.append(make("div", { title: about }, make("dt", {}, name), make("dd", { "data-number": id }, value, ...small)));
    rows.push({ value, read });
  };
  add("reward", "Reward", "Raw reward of the action taken at this step", (t) => formatReward(run.rewards[t]));
  add("return", "Return", "Sum of raw rewards in this game, this step's included", (t) => formatReward(run.returns[t]).replace("+", ""));
  add("lives", "Lives", "Lives left", (t) => `${run.lives[t]}`);
  add("game", "Game", "Whole games in this recording, counted from 1", (t) => `${run.games[t] + 1}`);
  add("value", "Value", "The critic's estimate of the return, in clipped rewards", (t) => format(run.value[t]));
  add("policy-entropy", "Policy entropy", "Of the action probabilities, nats", (t) =>
    format(entropyOf(run.logProbs, t * run.actionCount, run.actionCount)), "nats");
  for (let map = 0; map < run.maps; map++) {
    const name = run.maps > 1 ? `Map ${map + 1}` : "Attention";
    const at = (t: number) => run.entropy[t * run.maps + map];
    add(`attention-entropy-${map}`, `${name} entropy`, "Of the attention weights, nats", (t) => format(at(t)), "nats");
    add(`effective-cells-${map}`, run.maps > 1 ? `Map ${map + 1} cells` : "Effective cells",
      "Effective cells, exp of the attention entropy: so many, were all weighed alike", (t) => format(Math.exp(at(t))), `of ${CELLS * CELLS}`);
  }
  return { element, show: (t: number) => rows.forEach(({ value, read }) => setText(value, read(t))) };
}
