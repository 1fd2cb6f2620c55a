// What a tree may begin at and saliency explain, in people's words. No DOM here.

import type { TreeAbout } from "./format";

const ROOTS: Record<string, { text: string; about: string }> = {
  attention: { text: "Attention, unit by unit", about: "Why the peaks of each attention map stand out, by way of the attention module's hidden units" },
  attention_direct: { text: "Attention, hidden units summed", about: "Why the peaks of each attention map stand out, straight from the last convolution" },
  log_prob: { text: "Action", about: "What the chosen action's log probability, the policy's entropy added, owes to each place" },
  margin: { text: "Action vs next best", about: "What the chosen action's lead over the next best owes to each place" },
  value: { text: "Value", about: "What the critic's estimate owes to each place" },
};
const TARGETS: Record<string, string> = {
  log_prob: "the action's log probability",
  margin: "the action's lead over the next best",
  value: "the value",
  focus: "how narrowly the agent looks",
  attended: "where the agent looks",
};
const FIRST_CHOICE = "attention_direct";

export function rootOption(root: string): { value: string; text: string; title?: string } {
  const known = Object.hasOwn(ROOTS, root) ? ROOTS[root] : undefined;
  return known ? { value: root, text: known.text, title: known.about } : { value: root, text: root.replaceAll("_", " ") };
}

/** What saliency explains. */
export function targetText(name: string): string {
  return Object.hasOwn(TARGETS, name) ? TARGETS[name] : name.replaceAll("_", " ");
}

/** The root whose tree is shown at first. */
export function defaultRoot(trees: TreeAbout[]): string {
  return (trees.find(({ root }) => root === FIRST_CHOICE) ?? trees[0]).root;
}
