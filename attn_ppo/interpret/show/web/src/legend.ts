// What is drawn over a frame, its colours and its numbers.

import { alphaOf, colorOf, css } from "./color";
import { make, setText } from "./dom";
import { format } from "./numbers";
import type { About } from "./overlay";
import type { Scope } from "./store";

const SCOPES: Record<Scope, string> = {
  frame: "scale of this frame",
  recording: "scale of the recording",
  runs: "scale of all runs",
};

export interface Legend {
  element: HTMLElement;
  show: (about: About | null, peak: number, scope: Scope, opacity: number) => void;
  say: (message: string) => void; // in place of a legend
}

export function createLegend(): Legend {
  const title = make("span", { class: "legend-title" });
  const scale = make("span", { class: "legend-scope" });
  const bar = make("div", { class: "legend-bar" });
  const [low, middle, high] = [make("span"), make("span"), make("span")];
  const ticks = make("div", { class: "legend-ticks" }, low, middle, high);
  const unit = make("p", { class: "legend-unit" });
  const element = make("div", { class: "legend" }, make("p", {}, title, scale), bar, ticks, unit);
  let drawn = "";
  const say = (message: string) => {
    setText(title, message);
    setText(scale, "");
    setText(unit, "");
    element.classList.add("empty");
  };
  return {
    element,
    say,
    show: (about, peak, scope, opacity) => {
      if (!about) return say("No overlay");
      element.classList.remove("empty");
      setText(title, about.title);
      setText(scale, SCOPES[scope]);
      setText(unit, about.unit);
      unit.title = about.unit;
      const most = scope === "frame" ? "" : "≥ ";
      setText(low, about.signed ? `${most && "≤ "}${format(-peak)}` : "0");
      setText(middle, about.signed ? "0" : format(peak / 2));
      setText(high, `${most}${about.signed ? "+" : ""}${format(peak)}`);
      const key = `${about.signed} ${opacity}`;
      if (key !== drawn) bar.style.backgroundImage = gradient(about.signed, opacity);
      drawn = key;
    },
  };
}

/** As over black, with the transparency that the frame shows through. */
function gradient(signed: boolean, opacity: number): string {
  const stops = Array.from({ length: 21 }, (_, i) => {
    const value = signed ? i / 10 - 1 : i / 20;
    return css(colorOf(value, signed), alphaOf(value) * opacity);
  });
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}
