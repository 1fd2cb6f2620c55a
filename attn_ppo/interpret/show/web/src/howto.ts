// How to read the page, and how not to.

import { make } from "./dom";

const POINTS: [string, string][] = [
  ["What attention is.", "The weights by which the network scales what its last convolution saw, before it decides. " +
    "What gets no weight can't reach the policy; this is part of the network, not an estimate."],
  ["What it isn't.", "A weight says that a place was let through, not which way it pushed the decision, nor that it mattered. " +
    "The features that are weighed have been mixed from all that their cell sees."],
  ["Cells overlap.", "Each of the 7 × 7 cells sees a box of 36 × 36 of the input's 84 × 84 pixels, and a pixel in the middle lies in up to 25 of them. " +
    "A pixel shows the strongest cell that sees it, so that one strong cell is its whole box; the other ways to draw mislead each in its own way: " +
    "“box sum” and “density” glow in the centre even when attention is uniform, and “box mean” draws a lone cell brightest at the side where fewest others see. " +
    "Grad-CAM's map is of the same cells, and drawn alike. A box's edge is no object's edge."],
  ["Mind the scale.", "Attention is drawn in multiples of uniform: 1× where all cells weigh the same, 49× where one has everything; in proportion up to 4×, logarithmic beyond, " +
    "and the same on every page and in the videos. “Per frame” gives each frame's strongest value the strongest colour, so that a faint map can look as strong as any. " +
    "“Recording” and “all runs” do so for a middling frame: use them to compare moments or runs. The numbers are under the colours."],
  ["Saliency.", "A map of what the target, named above the methods, is sensitive to at this input. Methods differ in what they ask, and disagree; " +
    "where one gives a sign, orange is positive and blue negative, and the line under the colours says of what. " +
    "Where one gives a map for each of the four input frames, their sum is shown, on all frames alike."],
  ["Objects.", "Each is found by its colours and the game's memory, and outlined where it is seen. Its causal importance is how far the policy moves, in nats, " +
    "where that object alone is moved, held or taken away in the emulator, which then draws the four frames itself: what the agent sees is a picture of its game. " +
    "Edits that the game can't show are left out. Attention on an object is the share of the map's weight, spread on the pixels its cells see, that lies on the object's; small objects have small shares of any map, " +
    "so read it in multiples of even attention, and beside the dotted line: what this agent's mean map has there, which knows nothing of the moment. " +
    "Attention that lies on what matters follows importance, above that line."],
  ["The tree.", "Relevance is split from a root down to pixels, and each node keeps only its strongest children. " +
    "Coverage says what share of the evidence those hold; what goes to biases is evidence that none holds. It shrinks with every level: read it before you read the picture. " +
    "“Tree of” chooses what is split: the attention's peaks, unit by unit through the attention module's hidden units, of which three hold next to nothing, " +
    "or with these summed, straight to the last convolution; or else the chosen action's log probability (plus the policy's entropy, which is of no place), its lead over the next best, or the value."],
  ["Frames.", "The frame is what was on the screen before the action of that step, its 160 × 210 pixels square, where a television stretched them to 4 : 3. " +
    "The network gets the whole screen as 84 × 84 grey pixels, and the last four steps at once; those from before the game are black."],
];

export function createHowTo(): HTMLElement {
  const points = POINTS.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
  return make("details", { id: "how-to-read", class: "card" },
    make("summary", {}, "How to read this"), make("dl", {}, ...points));
}
