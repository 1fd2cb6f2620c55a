// The bar at the foot of the page: play, step, speed and the scrubber with its marks.

import { button, icon, make, makeSvg, setText } from "./dom";
import { formatTime } from "./numbers";
import { bookmarksOf, type Player } from "./player";
import { gameStarts, type Recording } from "./recording";
import type { Store } from "./store";

const SPEEDS = [0.25, 0.5, 1, 2, 4];

export function createTransport(recording: Recording, store: Store, player: Player): HTMLElement {
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
    setText(why, here.get(step) ?? `${formatTime(step)} of play`);
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
      createSpeed(store)),
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
  const line = (step: number, name: string) => {
    const x = `${(100 * step) / span}%`;
    return makeSvg("line", { x1: x, x2: x, y1: name === "mark" ? 1 : 3, y2: name === "mark" ? 9 : 29, class: name });
  };
  const games = recording.runs.length === 1 ? gameStarts(recording.runs[0]).map((step) => line(step, "game")) : [];
  const marks = bookmarksOf(recording).map(({ step, run }) => {
    const made = line(step, "mark");
    if (recording.runs.length > 1) made.classList.add(`run-${run % 6}`);
    return made;
  });
  return makeSvg("svg", { class: "marks", "aria-hidden": "true" }, ...games, ...marks);
}
