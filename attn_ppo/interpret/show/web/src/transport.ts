// The bar at the foot of the page: play, step, speed and the scrubber with its marks.

import { button, icon, make, makeSvg, setText } from "./dom";
import { formatTime } from "./numbers";
import { bookmarksOf, type Player } from "./player";
import { gameStarts, type Recording } from "./recording";
import type { Store } from "./store";

const LANES = 13; // pixels that the bookmarks have above the scrubber
const SPEEDS = [0.25, 0.5, 1, 2, 4];

export function createTransport(recording: Recording, store: Store, player: Player, more: HTMLElement): HTMLElement {
  const last = recording.steps - 1;
  const play = button("play", "Play (space)", player.toggle, icon("play"));
  const scrubber = make("input", { type: "range", id: "scrubber", min: 0, max: last, step: 1, value: 0, "aria-label": "Step" });
  const readout = make("output", { id: "step-readout", for: "scrubber" });
  const why = make("span", { id: "bookmark-here", class: "why" });
  scrubber.addEventListener("input", () => {
    store.set({ playing: false });
    player.go(Number(scrubber.value));
  });
  const here = new Map<number, string>();
  for (const { step, why: text, run } of bookmarksOf(recording)) {
    const named = recording.runs.length > 1 ? `${run + 1}: ${text}` : text;
    here.set(step, [here.get(step), named].filter(Boolean).join(", "));
  }
  const update = () => {
    const { step, playing } = store.get();
    scrubber.value = String(step);
    scrubber.setAttribute("aria-valuetext", `Step ${step} of ${last}${here.has(step) ? `, ${here.get(step)}` : ""}`);
    setText(readout, `${step} / ${last}`);
    const text = here.get(step) ?? `${formatTime(step)} of play`;
    setText(why, text);
    why.title = text;
    why.classList.toggle("marked", here.has(step));
    const label = playing ? "Pause (space)" : "Play (space)";
    if (play.title === label) return;
    play.replaceChildren(icon(playing ? "pause" : "play"));
    play.title = label;
    play.setAttribute("aria-label", label);
  };
  store.on(["step", "playing"], update);
  update();
  play.setAttribute("aria-label", play.title);
  return make("footer", { class: "transport", role: "region", "aria-label": "Playback" },
    make("div", { class: "buttons" },
      button("previous-bookmark", "Previous bookmark ([)", () => player.bookmark(-1), flip(icon("next"))),
      button("step-back", "One step back (←)", () => player.move(-1), icon("back")),
      play,
      button("step-forward", "One step forward (→)", () => player.move(1), icon("forward")),
      button("next-bookmark", "Next bookmark (])", () => player.bookmark(1), icon("next")),
      createSpeed(store), more),
    make("div", { class: "track-holder" }, createMarks(recording), scrubber),
    make("div", { class: "readouts" }, readout, why));
}

function flip(svg: SVGSVGElement): SVGSVGElement {
  svg.style.transform = "scaleX(-1)";
  return svg;
}

function createSpeed(store: Store): HTMLElement {
  const options = SPEEDS.map((speed) => make("option", { value: speed, selected: speed === 1 }, `${speed}×`));
  const select = make("select", { id: "speed", "aria-label": "Speed", title: "Speed: 1× is real time, 15 steps a second" }, ...options);
  select.addEventListener("change", () => store.set({ speed: Number(select.value) }));
  return select;
}

/** Bookmarks and the beginnings of games, at their steps' places. Decoration: the list says the same. */
function createMarks(recording: Recording): SVGSVGElement {
  const span = Math.max(1, recording.steps - 1);
  const several = recording.runs.length > 1;
  const line = (step: number, y1: number, y2: number, name: string) => {
    const x = `${(100 * step) / span}%`;
    return makeSvg("line", { x1: x, x2: x, y1, y2, class: name });
  };
  const games = several ? [] : gameStarts(recording.runs[0]).map((step) => line(step, 3, 32, "game"));
  const lane = LANES / recording.runs.length; // each run has its own, so that no mark hides another's
  const marks = bookmarksOf(recording).map(({ step, run }) =>
    line(step, lane * run, lane * (run + 1) - 1, several ? `mark run-${run % 6}` : "mark"));
  return makeSvg("svg", { class: "marks", "aria-hidden": "true" }, ...games, ...marks);
}
