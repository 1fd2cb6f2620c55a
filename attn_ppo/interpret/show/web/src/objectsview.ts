// The section of the objects: attention on each beside how much it matters, now and over the recording.

import { colorOf, css } from "./color";
import { group, head } from "./controls";
import { choices, make, setText } from "./dom";
import { format, formatShare } from "./numbers";
import { columnOf, importanceNear, importanceOf, isSeen, meanOf, nearText, shareOf, timesEven, type Objects } from "./objects";
import type { Player } from "./player";
import { stepOf, type Recording, type Run } from "./recording";
import { attentionStrength } from "./scale";
import type { Store } from "./store";
import { createChart, type Line, type Quantity } from "./traces";

export function createObjectsView(recording: Recording, store: Store, player: Player): HTMLElement {
  const runs = recording.runs.filter((run) => run.objects);
  const title = head("Objects");
  title.id = "objects-title";
  const section = make("section", { id: "objects", class: "card objects", "aria-labelledby": "objects-title" }, title);
  const notes = missing(recording).map((text) => make("p", { class: "hint" }, text));
  if (!runs.length) {
    section.append(...notes);
    return section;
  }
  const run = choices("objects-run", "Run", runs.map(({ about, index }) => ({ value: `${index}`, text: `${index + 1}  ${about.label}` })),
    (value) => store.set({ objectsRun: Number(value) }));
  const table = createTable(recording, store);
  const near = make("p", { class: "hint", "data-text": "near" });
  const charts = createCharts(recording, runs, store, player);
  const update = () => {
    const { step, objectsRun } = store.get();
    const shown = recording.runs[objectsRun];
    run.show(`${objectsRun}`);
    setText(near, shown.objects ? nearText(shown.objects, stepOf(shown, step)) : "");
  };
  store.on(["step", "objectsRun"], update);
  update();
  section.append(
    ...(recording.runs.length > 1 ? [group("Run", run.element)] : []), ...notes,
    make("div", { class: "objects-body" }, make("div", { class: "objects-left" }, table, near, make("p", { class: "hint" }, EXPLAIN)), charts));
  return section;
}

const EXPLAIN = "Bars are on the scale of the colours, ticks at 1×: even attention, and this recording's mean importance. " +
  "By chance is what the agent's own mean map has on the object, which knows nothing of the moment, and of importance the 0 of a placebo. Click an object for its traces.";

/** Of which runs objects aren't known, and why. */
function missing({ header, runs }: Recording): string[] {
  const known = header.games_with_objects;
  const games = [...new Set(runs.filter((run) => !run.objects).map((run) => run.about.game))];
  return games.map((game) => known.includes(game) ? `The objects of ${game} weren't measured for this page.`
    : `Objects and their importance are known for ${known.join(", ")}; not for ${game}.`);
}

function createTable(recording: Recording, store: Store): HTMLElement {
  const body = make("tbody", {});
  const [headings, titles] = [COLUMNS.map(([text]) => text), COLUMNS.map(([, about]) => about)];
  const headRow = make("tr", {}, ...headings.map((text, i) => make("th", { scope: "col", title: titles[i] }, text)));
  let rows: Row[] = [];
  const fill = () => {
    const { objects } = recording.runs[store.get().objectsRun];
    rows = objects ? objects.about.names.map((name, object) => createRow(objects, name, object, () => store.set({ object: name }))) : [];
    body.replaceChildren(...rows.map((row) => row.element));
  };
  const update = () => {
    const { step, object, objectsRun } = store.get();
    const run = recording.runs[objectsRun];
    rows.forEach((row) => row.show(stepOf(run, step), object));
  };
  store.on(["objectsRun"], fill);
  store.on(["step", "object", "objectsRun"], update);
  fill();
  update();
  return make("table", { class: "objects-table" }, make("thead", {}, headRow), body);
}

const COLUMNS = [
  ["Object", ""],
  ["Attention, × even", "At this step, in multiples of what even attention has on the object; the mean over the maps"],
  ["Importance, nats", "At this step"],
  ["Share now", "Of the attention, at this step"],
  ["Mean × chance", "Attention on the object over the recording, in multiples of chance"],
  ["Mean nats", "Importance over the recording"],
];

interface Row {
  element: HTMLElement;
  show: (t: number, chosen: string) => void;
}

function createRow(objects: Objects, name: string, object: number, choose: () => void): Row {
  const pick = make("button", { type: "button", "data-object": name }, name);
  pick.addEventListener("click", choose);
  const [attention, importance] = [createBar("attention"), createBar("importance")];
  const by = meanOf(columnOf(objects, object, shareOf)) / meanOf(columnOf(objects, object, (...at) => shareOf(...at, "chance")));
  const share = make("td", { "data-number": "share" });
  const mean = meanOf(columnOf(objects, object, importanceOf));
  const element = make("tr", {}, make("th", { scope: "row" }, pick), attention.element, importance.element,
    share, make("td", { "data-number": "by-chance" }, times(by)), make("td", { "data-number": "mean-importance" }, format(mean)));
  return {
    element,
    show: (t, chosen) => {
      element.classList.toggle("unseen", !isSeen(objects, t, object));
      element.classList.toggle("chosen", name === chosen);
      pick.setAttribute("aria-pressed", String(name === chosen));
      const [even, nats] = [timesEven(objects, t, object), importanceNear(objects, t, object)];
      attention.show(even, times(even));
      setText(share, formatShare(shareOf(objects, t, object)));
      importance.show(nats / objects.meanImportance, format(nats));
    },
  };
}

function times(value: number): string {
  return Number.isNaN(value) ? "–" : `${format(value)}×`;
}

/** As long, and of the colour, that so many times the usual has on the pictures. */
function createBar(id: string) {
  const bar = make("span", { class: "bar" });
  const tick = make("i", {});
  tick.style.left = `${100 * attentionStrength(1)}%`;
  const text = make("span", { class: "amount", "data-number": id });
  const element = make("td", {}, make("span", { class: "measure" }, make("span", { class: "track" }, bar, tick), text));
  const show = (value: number, words: string) => {
    const strength = attentionStrength(Math.max(0, value || 0));
    bar.style.width = `${100 * strength}%`;
    bar.style.background = css(colorOf(strength, false));
    setText(text, words);
  };
  return { element, show };
}

function createCharts(recording: Recording, runs: Run[], store: Store, player: Player): HTMLElement {
  const of = (run: Run) => ({ objects: run.objects as Objects, object: run.objects?.about.names.indexOf(store.get().object) ?? -1 });
  const read = (number: (objects: Objects, t: number, object: number) => number) => (run: Run, t: number) => {
    const { objects, object } = of(run);
    return object < 0 ? NaN : number(objects, t, object);
  };
  const chance = read((...at) => timesEven(...at, "chance"));
  const attentive = runs.filter((run) => run.maps > 0);
  const plain = (run: Run): Line => ({ run, map: null, name: run.about.label });
  const lines = attentive.flatMap((run) => [plain(run), { ...plain(run), name: "chance", chance: (t: number) => chance(run, t) }]);
  const attention: Quantity = { id: "object-attention", name: "", about: "× even; dotted: by chance", read: read(timesEven), show: times };
  const importance: Quantity = { id: "object-importance", name: "", about: "nats; by chance 0", stems: true, read: read(importanceOf), show: format };
  const charts = [
    ...(lines.length ? [{ words: "Attention on", chart: createChart(recording, store, player, attention, lines) }] : []),
    { words: "Importance of", chart: createChart(recording, store, player, importance, runs.map(plain)) },
  ];
  const follow = () => charts.forEach(({ chart }) => chart.follow(store.get().step));
  const renew = () => {
    charts.forEach(({ words, chart }) => chart.renew(`${words} ${store.get().object}`));
    follow();
  };
  store.on(["step"], follow);
  store.on(["object"], renew);
  store.on(["theme"], () => charts.forEach(({ chart }) => chart.redraw()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(({ chart }) => chart.redraw()));
  renew();
  return make("div", { class: "objects-charts" }, ...charts.map(({ chart }) => chart.element));
}
