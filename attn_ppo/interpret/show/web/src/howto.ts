// How to read the page, and how not to.

import { make } from "./dom";

const POINTS: [string, string][] = [
  ["What attention is.", "The weights by which the network scales what its last convolution saw, before it decides. " +
    "What gets no weight can't reach the policy; this is part of the network, not an estimate."],
  ["What it isn't.", "A weight says that a place was let through, not which way it pushed the decision, nor that it mattered. " +
    "The features that are weighed have been mixed from all that their cell sees."],
  ["Cells overlap.", "Each of the 7 × 7 cells sees a box of 36 × 36 of the input's 84 × 84 pixels, and a pixel in the middle lies in up to 25 of them. " +
    "“Box sum” therefore glows in the centre even when attention is uniform; “box mean” doesn't, but draws a single cell brightest at the side where fewest others see, towards the picture's rim. A box's edge is no object's edge."],
  ["Mind the scale.", "“Per frame” gives each frame's strongest value the strongest colour, so that a faint map can look as strong as any; the other scales do so for a middling frame. " +
    "To compare moments choose the recording's scale, to compare runs the scale of all runs; the legend has the numbers."],
  ["Saliency.", "A map of what the score named at the left is sensitive to, at this input. Methods differ in what they ask, and disagree; " +
    "where one gives a sign, orange is positive and blue negative, and the line under the colours says of what."],
  ["The tree.", "Relevance is split from a root down to pixels, and each node keeps only its strongest children. " +
    "Coverage says what share of the evidence those hold. It shrinks with every level: read it before you read the picture. " +
    "“Tree of” chooses what is split: the attention's peaks, unit by unit through the attention module's 512 hidden units, of which three hold next to nothing, " +
    "or with these summed, straight to the last convolution; or else the chosen action's log probability, its lead over the next best, or the value."],
  ["Frames.", "The frame is what was on the screen before the action of that step. The input holds the last four steps' frames; " +
    "those from before the game are black."],
];

export function createHowTo(): HTMLElement {
  const points = POINTS.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
  return make("details", { id: "how-to-read", class: "card" },
    make("summary", {}, "How to read this"), make("dl", {}, ...points));
}
