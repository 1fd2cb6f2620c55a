// The page's head: what was recorded, of whom, and the look of the page.

import { button, make, setText } from "./dom";
import type { Recording } from "./recording";
import { targetText } from "./roots";
import type { Store, Theme } from "./store";

const THEMES: Record<Theme, { next: Theme; text: string }> = {
  auto: { next: "light", text: "Theme: auto" },
  light: { next: "dark", text: "Theme: light" },
  dark: { next: "auto", text: "Theme: dark" },
};
const KEY = "attn_ppo theme";

export function createHeader({ header, runs }: Recording, store: Store, showHelp: () => void): HTMLElement {
  const games = [...new Set(runs.map((run) => run.about.game))];
  const facts = [
    "attn_ppo", runs.length === 1 ? "one run" : `${runs.length} runs side by side`,
    `saliency explains ${targetText(header.target.name)}`,
  ];
  const theme = button("theme", "The page's colours: as the system's, light or dark", () => store.set({ theme: THEMES[store.get().theme].next }));
  const update = () => {
    const now = store.get().theme;
    setText(theme, THEMES[now].text);
    theme.setAttribute("aria-label", THEMES[now].text);
  };
  store.on(["theme"], update);
  update();
  return make("header", { class: "masthead" },
    make("div", {}, make("h1", { title: games.join(", ") }, games.join(", ")), make("p", { title: header.target.about }, facts.join(" · "))),
    make("div", { class: "tools" }, theme, button("show-help", "Keyboard (?)", showHelp, "?")));
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Some browsers keep nothing for pages from disk.
  }
}

export function savedTheme(): Theme {
  try {
    const saved = localStorage.getItem(KEY);
    return saved === "light" || saved === "dark" ? saved : "auto";
  } catch {
    return "auto";
  }
}
