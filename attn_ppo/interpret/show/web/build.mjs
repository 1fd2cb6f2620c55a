// src/ -> dist/page.html: one file with style and script in it, and placeholders for title and data.
// The same source gives the same bytes; `--check` writes nothing and fails where dist/ differs.

import { readFile, mkdir, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const HERE = new URL("./", import.meta.url);
const OUT = new URL("dist/page.html", HERE);
const BUNDLED = ["three", "uplot"]; // whose licences ask that their text stays with the code

const page = fill(await read("src/page.html"), {
  "{{STYLE}}": await bundle("src/style.css"),
  "{{SCRIPT}}": await bundle("src/main.ts", await notices()),
});
for (const name of ["{{TITLE}}", "{{DATA}}"])
  if (page.split(name).length !== 2) fail(`${name} must be in the page exactly once.`);

if (process.argv.includes("--check")) {
  const built = await readFile(OUT, "utf8").catch(() => "");
  if (built !== page) fail("dist/page.html is not what src/ builds: run `npm run build`.");
} else {
  await mkdir(new URL("./", OUT), { recursive: true });
  await writeFile(OUT, page);
  console.log(`dist/page.html: ${Math.round(page.length / 1024)} KiB`);
}

async function bundle(entry, banner = "") {
  const style = entry.endsWith(".css");
  const result = await build({
    absWorkingDir: new URL(".", HERE).pathname,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["chrome103", "firefox113", "safari16.4"], // the first with DecompressionStream, or near it
    charset: "utf8",
    legalComments: "inline",
    logLevel: "warning",
  });
  const text = `${banner}${result.outputFiles[0].text}`;
  // Either would end the element that the text stands in, or keep it from ending.
  if (style ? /<\/style/i.test(text) : /<\/script|<script|<!--/i.test(text))
    fail(`${entry} holds text that HTML would take for its own.`);
  return text;
}

async function notices() {
  const texts = BUNDLED.map(async (name) => {
    const { version } = JSON.parse(await read(`node_modules/${name}/package.json`));
    return `${name} ${version}\n\n${(await read(`node_modules/${name}/LICENSE`)).trim()}`;
  });
  return `/*! This script contains:\n\n${(await Promise.all(texts)).join("\n\n\n")}\n*/\n`;
}

function fill(template, parts) {
  // Functions, since a replacement text may hold "$&" and its like.
  return Object.entries(parts).reduce((text, [name, part]) => text.replace(name, () => part), template);
}

function read(path) {
  return readFile(new URL(path, HERE), "utf8");
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
