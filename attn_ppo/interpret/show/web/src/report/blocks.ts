// Sections of text, lists, tables, links, videos and pictures, as the report's data has them.

import { make } from "../dom";
import type { Block, Cell, Section, Table } from "./data";

const LONG = 32; // letters, from which a cell's text may take several lines

export function sectionOf({ id, title, folded, blocks }: Section): HTMLElement {
  const parts = blocks.map(blockOf);
  if (!folded) return make("section", { id }, make("h2", {}, title), ...parts);
  const details = make("details", {}, make("summary", {}, make("h2", {}, title)), ...parts);
  return make("section", { id }, details);
}

export function tableOf({ columns, rows }: Table): HTMLElement {
  const heads = columns.map(({ title, about, left, key }) => {
    const head = make("th", { scope: "col", class: left ? "left" : "", "data-key": key }, title);
    if (about) head.title = about;
    return head;
  });
  const lines = rows.map((cells, row) => {
    const first = row > 0 && cells[0]!.text !== rows[row - 1]![0]!.text && columns[0]!.key === "game";
    return make("tr", { class: first ? "first" : "" }, ...cells.map((cell, index) => cellOf(cell, columns[index]!.left ?? false)));
  });
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...lines));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table" }, table);
}

function cellOf({ text, value, tone, href }: Cell, left: boolean): HTMLElement {
  const long = text.length > LONG ? "long" : "";
  const cell = make("td", { class: [left ? "left" : "", long, tone ?? ""].filter(Boolean).join(" ") });
  cell.append(href ? make("a", { href }, text) : text);
  if (value !== undefined) cell.dataset["value"] = value;
  return cell;
}

function blockOf(block: Block): HTMLElement {
  switch (block.kind) {
    case "text": return make("p", {}, block.text);
    case "list": return captioned(block.caption, make("ul", { class: block.quiet ? "hint" : "" }, ...block.items.map((item) => make("li", {}, item))));
    case "links": return make("ul", { class: "links" }, ...block.links.map(({ text, href }) => make("li", {}, make("a", { href }, text))));
    case "table": return captioned(block.caption, tableOf(block.table));
    case "pairs": return captioned(block.caption, make("dl", { class: block.pairs.some(([, value]) => value.length > LONG) ? "pairs long" : "pairs" }, ...block.pairs.map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, value)))));
    case "videos": return make("div", { class: "grid videos" }, ...block.videos.map(({ text, href, data }) => {
      const link = make("a", { href }, text);
      const player = data ? [make("video", { src: data, controls: true, loop: true, muted: true, playsinline: true, preload: "metadata" })] : [];
      return make("figure", { class: "panel" }, ...player, make("figcaption", {}, link));
    }));
    case "picture": return make("figure", { class: "picture" }, make("a", { href: block.href }, make("img", { src: block.data, alt: block.text })));
  }
}

function captioned(caption: string, block: HTMLElement): HTMLElement {
  return caption ? make("div", { class: "captioned" }, make("h3", {}, caption), block) : block;
}
