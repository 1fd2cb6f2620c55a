// What is drawn over a frame, its colours and its numbers.

import { alphaOf, colorOf, css } from "./color";
import { make, setText } from "./dom";
import type { About } from "./overlay";
import type { Scale } from "./scale";

export interface Legend {
  element: HTMLElement;
  show: (about: About, scale: Scale, opacity: number) => void;
  say: (message: string) => void; // in place of a legend
}

export function createLegend(): Legend {
  const title = make("span", { class: "legend-title" });
  const scope = make("span", { class: "legend-scope" });
  const bar = make("div", { class: "legend-bar" });
  const ticks = make("div", { class: "legend-ticks" });
  const unit = make("p", { class: "legend-unit" });
  const element = make("div", { class: "legend" }, make("p", {}, title, scope), bar, ticks, unit);
  let drawn = "";
  return {
    element,
    say: (message) => {
      setText(title, message);
      setText(scope, "");
      setText(unit, "");
      element.classList.add("empty");
    },
    show: (about, scale, opacity) => {
      element.classList.remove("empty");
      setText(title, about.title);
      setText(scope, scale.text);
      setText(unit, about.unit);
      unit.title = about.unit;
      const key = JSON.stringify([scale.ticks, about.signed, opacity]);
      if (key === drawn) return;
      drawn = key;
      bar.style.backgroundImage = gradient(about.signed, opacity);
      bar.replaceChildren(...scale.ticks.filter((tick) => tick.mark).map(({ at }) => placed(make("i"), at)));
      ticks.replaceChildren(...scale.ticks.map(({ at, text }) => placed(make("span", {}, text), at)));
    },
  };
}

function placed(element: HTMLElement, at: number): HTMLElement {
  element.style.left = `${100 * at}%`;
  element.style.setProperty("--back", `${-100 * (at === 0 || at === 1 ? at : 0.5)}%`); // the ends stay within
  return element;
}

/** As over black, with the transparency that the frame shows through. */
function gradient(signed: boolean, opacity: number): string {
  const stops = Array.from({ length: 21 }, (_, i) => {
    const value = signed ? i / 10 - 1 : i / 20;
    return css(colorOf(value, signed), alphaOf(value) * opacity);
  });
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}
