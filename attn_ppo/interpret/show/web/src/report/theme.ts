// Light or dark: the system's until the switch is pressed; prints are light and unfolded.

import { button, make } from "../dom";
import type { Lambda } from "./data";

const KEY = "attn-report-theme";

export function lambdaStyle(lambdas: Lambda[]): HTMLElement {
  const list = (of: "light" | "dark") => lambdas.map((each, index) => `--lambda-${index}:${hex(each[of])}`).join(";");
  return make("style", {}, `:root,:root[data-theme="light"]{${list("light")}}
    @media screen and (prefers-color-scheme: dark){:root:not([data-theme="light"]){${list("dark")}}}
    @media screen{:root[data-theme="dark"]{${list("dark")}}}`);
}

export function themeSwitch(): HTMLElement {
  const root = document.documentElement;
  const dark = () => (root.dataset["theme"] ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const kept = remembered();
  if (kept) root.dataset["theme"] = kept;
  const made = button("theme", "switch between light and dark", () => {
    root.dataset["theme"] = dark() ? "light" : "dark";
    remember(root.dataset["theme"]);
  }, "light / dark");
  return made;
}

/** Opens what is folded while the page is printed. */
export function unfoldInPrint(): void {
  const opened = new Set<HTMLDetailsElement>();
  matchMedia("print").addEventListener("change", ({ matches }) => {
    if (matches) for (const each of document.querySelectorAll<HTMLDetailsElement>("details:not([open])")) {
      each.open = true;
      opened.add(each);
    }
    else for (const each of opened) each.open = false;
    if (!matches) opened.clear();
  });
}

function hex(color: string): string {
  return /^#[0-9a-f]{6}$/i.test(color) ? color : "#777777";
}

function remembered(): string | null {
  try { return localStorage.getItem(KEY); } catch { return null; } // some browsers give file:// no storage
}

function remember(theme: string): void {
  try { localStorage.setItem(KEY, theme); } catch { /* as above */ }
}
