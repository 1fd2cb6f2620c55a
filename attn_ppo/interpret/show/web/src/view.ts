// A picture with an overlay and boxes on it: two canvases and a drawing, each at its own resolution.
// The browser stretches them without smoothing, so that no box or pixel looks finer than it is.

import { tint } from "./color";
import { make, makeSvg } from "./dom";
import type { Layer } from "./overlay";
import type { Scale } from "./scale";
import { INPUT } from "./sizes";
import type { Box } from "./tree";

export interface Outline {
  box: Box;
  kind: "strongest" | "selected" | "object";
  label?: string;
}

export interface View {
  element: HTMLElement;
  paint: (fill: (pixels: Uint32Array) => void) => void;
  lay: (layer: Layer | null, scale: Scale, opacity: number) => void;
  outline: (outlines: Outline[]) => void;
}

export function createView(rows: number, columns: number, label: string, className: string): View {
  const picture = surface(rows, columns);
  const overlay = surface(1, 1);
  const drawing = makeSvg("svg", { viewBox: `0 0 ${INPUT} ${INPUT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  overlay.canvas.classList.add("overlay");
  const element = make("div", { class: `view ${className}`, role: "img", "aria-label": label });
  const labels = make("div", { class: "names", "aria-hidden": "true" });
  element.append(picture.canvas, overlay.canvas, drawing, labels);
  return {
    element,
    paint: (fill) => {
      fill(picture.pixels);
      picture.show();
    },
    lay: (layer, scale, opacity) => {
      overlay.canvas.hidden = !layer;
      if (!layer) return;
      overlay.resize(layer.rows, layer.columns);
      tint(layer.values, (value) => scale.strength(value * layer.factor), layer.signed, opacity, overlay.pixels);
      overlay.show();
    },
    outline: (outlines) => {
      drawing.replaceChildren(...outlines.flatMap(drawOutline));
      labels.replaceChildren(...outlines.filter(({ label }) => label).map(drawLabel));
    },
  };
}

interface Surface {
  canvas: HTMLCanvasElement;
  pixels: Uint32Array;
  resize: (rows: number, columns: number) => void;
  show: () => void;
}

function surface(rows: number, columns: number): Surface {
  const canvas = make("canvas");
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser draws no canvas.");
  let image = new ImageData(columns, rows);
  const made: Surface = {
    canvas,
    pixels: new Uint32Array(image.data.buffer),
    resize: (height, width) => {
      if (canvas.height === height && canvas.width === width) return;
      canvas.height = height;
      canvas.width = width;
      image = new ImageData(width, height);
      made.pixels = new Uint32Array(image.data.buffer);
    },
    show: () => context.putImageData(image, 0, 0),
  };
  made.resize(rows, columns);
  return made;
}

/** At the box's top, above it; below where it is at the top of the picture. */
function drawLabel({ box, label = "" }: Outline): HTMLElement {
  const below = box.top < INPUT / 12;
  const name = make("span", { class: below ? "below" : "" }, label);
  name.style.top = `${(100 * (below ? box.bottom + 1 : box.top)) / INPUT}%`;
  const right = box.left > INPUT / 2;
  if (right) name.style.right = `${(100 * (INPUT - 1 - box.right)) / INPUT}%`;
  else name.style.left = `${(100 * box.left) / INPUT}%`;
  return name;
}

/** A box in two strokes, dark below light: seen on any picture. */
function drawOutline({ box, kind }: Outline): SVGElement[] {
  const place = {
    x: box.left,
    y: box.top,
    width: box.right - box.left + 1,
    height: box.bottom - box.top + 1,
  };
  return ["under", "over"].map((layer) => makeSvg("rect", { ...place, class: `outline ${kind} ${layer}` }));
}
