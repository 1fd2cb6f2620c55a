// The column at the left: what is laid over the frames, shared by all runs, and the bookmarks.

import { button, choices, make, setText } from "./dom";
import { attentionOptions, isOfCells, isTimes, methodOptions, objectOptions, scopeOf } from "./overlay";
import { bookmarksOf, type Player } from "./player";
import { KERNELS } from "./receptive";
import type { Recording } from "./recording";
import { targetText } from "./roots";
import type { Scope, State, Store } from "./store";

export function createControls(recording: Recording, store: Store, player: Player): HTMLElement {
  return make("aside", { id: "controls", class: "controls", "aria-label": "Overlay and bookmarks" },
    createOverlays(recording, store),
    createLooks(recording, store),
    createBookmarks(recording, store, player));
}

/** Unfolds the controls, on screens too narrow for their column. */
export function createControlsButton(controls: HTMLElement): HTMLButtonElement {
  const made = button("show-controls", "Overlay and bookmarks", () => {
    made.setAttribute("aria-expanded", String(controls.classList.toggle("open")));
  }, "Overlay");
  made.setAttribute("aria-controls", controls.id);
  made.setAttribute("aria-expanded", "false");
  return made;
}

function createOverlays(recording: Recording, store: Store): HTMLElement {
  // A second click takes an overlay off again.
  const choose = (id: string) => store.set({ overlay: store.get().overlay === id ? "none" : id });
  const toOptions = (options: { id: string; text: string; about: string }[]) =>
    options.map(({ id, text, about }) => ({ value: id, text, title: about }));
  const none = choices("overlay-none", "No overlay", [{ value: "none", text: "None" }], choose);
  const attention = choices("overlay-attention", "Attention", toOptions(attentionOptions(recording.runs)), choose);
  const objects = choices("overlay-objects", "Objects", toOptions(objectOptions(recording.runs)), choose);
  const methods = choices("overlay-saliency", "Saliency", toOptions(methodOptions(recording.header)), choose);
  const update = () => [none, attention, objects, methods].forEach((group) => group.show(store.get().overlay));
  store.on(["overlay"], update);
  update();
  const { target } = recording.header;
  const parts: HTMLElement[] = [make("div", { class: "headline" }, head("Overlay"), none.element)];
  if (attention.element.children.length) parts.push(small("Attention"), attention.element);
  if (objects.element.children.length) parts.push(small("Objects"), objects.element);
  if (methods.element.children.length)
    parts.push(small(`Saliency of ${targetText(target.name)}`), methods.element, make("p", { class: "hint" }, target.about));
  return make("section", {}, ...parts);
}

function createLooks(recording: Recording, store: Store): HTMLElement {
  const kernel = make("select", { id: "kernel" }, ...KERNELS.map(({ name, label }) => make("option", { value: name }, label)));
  kernel.addEventListener("change", () => store.set({ kernel: kernel.value }));
  const scopes: { value: Scope; text: string; title: string }[] = [
    { value: "uniform", text: "× uniform", title: "Multiples of uniform attention, or of an object's mean importance: the same on every page" },
    { value: "frame", text: "Per frame", title: "Up to each frame's strongest value" },
    { value: "recording", text: "Recording", title: "Up to the peak of the run's middling step" },
  ];
  if (recording.runs.length > 1) scopes.push({ value: "runs", text: "All runs", title: "Up to the greatest such peak of the runs" });
  const scope = choices<Scope>("scale", "Colour scale", scopes, (value) => store.set({ scope: value }));
  const stack = choices<State["stack"]>("stack", "The network's input", [{ value: "newest", text: "Newest" }, { value: "all", text: "All four" }],
    (value) => store.set({ stack: value }));
  const update = () => {
    const state = store.get();
    scope.show(scopeOf(state, recording.runs));
    stack.show(state.stack);
    kernel.disabled = !isOfCells(state.overlay, recording.runs);
    scope.element.firstElementChild?.toggleAttribute("hidden", !isTimes(state.overlay));
  };
  store.on(["scope", "stack", "overlay"], update);
  update();
  return make("section", {},
    field("Cells drawn by", kernel),
    group("Colour scale", scope.element),
    createOpacity(store),
    row("Input", stack.element),
    check("outline", "Outline each map's strongest cell", (outline) => store.set({ outline })),
    ...(recording.runs.some((run) => run.objects) ? [check("boxes", "Outline objects", (boxes) => store.set({ boxes }))] : []));
}

function createOpacity(store: Store): HTMLElement {
  const slider = make("input", { type: "range", id: "opacity", min: 0, max: 100, step: 5, value: 100 * store.get().opacity, "aria-label": "Opacity" });
  const shown = make("output", { for: "opacity" });
  slider.addEventListener("input", () => store.set({ opacity: Number(slider.value) / 100 }));
  const update = () => setText(shown, `${Math.round(100 * store.get().opacity)}%`);
  store.on(["opacity"], update);
  update();
  return make("label", { class: "field row" }, make("span", {}, "Opacity ", shown), slider);
}

function check(id: string, text: string, set: (checked: boolean) => void): HTMLElement {
  const box = make("input", { type: "checkbox", id });
  box.addEventListener("change", () => set(box.checked));
  return make("label", { class: "check" }, box, text);
}

function createBookmarks(recording: Recording, store: Store, player: Player): HTMLElement {
  const marks = bookmarksOf(recording);
  const several = recording.runs.length > 1;
  const buttons = marks.map(({ step, why, run }) => {
    const swatch = several ? [make("span", { class: `swatch run-${run % 6}`, title: recording.runs[run].about.label })] : [];
    const made = make("button", { type: "button", "data-step": step }, make("span", { class: "step" }, `${step}`), ...swatch, make("span", {}, why));
    made.addEventListener("click", () => {
      store.set({ playing: false });
      player.go(step);
    });
    return made;
  });
  store.on(["step"], () => {
    const step = String(store.get().step);
    for (const made of buttons) made.toggleAttribute("aria-current", made.dataset["step"] === step);
  });
  const list = make("ol", { id: "bookmarks" }, ...buttons.map((made) => make("li", {}, made)));
  return make("section", { class: "bookmarks" }, head("Bookmarks"), marks.length ? list : make("p", { class: "hint" }, "None in this recording."));
}

export function head(text: string): HTMLElement {
  return make("h2", { class: "eyebrow" }, text);
}

function small(text: string): HTMLElement {
  return make("h3", { class: "sub" }, text);
}

function field(text: string, control: HTMLElement): HTMLElement {
  return make("label", { class: "field" }, make("span", {}, text), control);
}

function row(text: string, control: HTMLElement): HTMLElement {
  const made = group(text, control);
  made.classList.add("row");
  return made;
}

export function group(text: string, control: HTMLElement): HTMLElement {
  return make("div", { class: "field" }, make("span", { "aria-hidden": "true" }, text), control);
}
