// src/ -> dist/<page>.html: files with style and script in them, and placeholders for title and data.
// The same source gives the same bytes; `--check` writes nothing and fails where dist/ differs.

import { readFile, mkdir, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const HERE = new URL("./", import.meta.url);
const PAGES = { page: "src", report: "src/report" }; // each with page.html, style.css and main.ts

for (const [name, folder] of Object.entries(PAGES)) await make(`dist/${name}.html`, folder);

async function make(file, folder) {
  const out = new URL(file, HERE);
  const page = fill(await read(`${folder}/page.html`), {
    "{{STYLE}}": (await bundle(`${folder}/style.css`)).text,
    "{{SCRIPT}}": await script(`${folder}/main.ts`),
  });
  for (const name of ["{{TITLE}}", "{{DATA}}"])
    if (page.split(name).length !== 2) fail(`${name} must be in ${file} exactly once.`);
  if (process.argv.includes("--check")) {
    const built = await readFile(out, "utf8").catch(() => "");
    if (built !== page) fail(`${file} is not what src/ builds: run \`npm run build\`.`);
  } else {
    await mkdir(new URL("./", out), { recursive: true });
    await writeFile(out, page);
    console.log(`${file}: ${Math.round(page.length / 1024)} KiB`);
  }
}

async function script(entry) {
  const { text, packages } = await bundle(entry);
  return (await notices(packages)) + text;
}

/** The text of an entry and what it imports, and the names of the packages that are in it. */
async function bundle(entry) {
  const style = entry.endsWith(".css");
  const result = await build({
    absWorkingDir: new URL(".", HERE).pathname,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "iife",
    target: ["chrome103", "firefox113", "safari16.4"], // the first with DecompressionStream, or near it
    charset: "utf8",
    legalComments: "inline",
    logLevel: "warning",
  });
  const text = result.outputFiles[0].text;
  // Either would end the element that the text stands in, or keep it from ending.
  if (style ? /<\/style/i.test(text) : /<\/script|<script|<!--/i.test(text))
    fail(`${entry} holds text that HTML would take for its own.`);
  const [{ inputs }] = Object.values(result.metafile.outputs);
  const used = Object.keys(inputs).filter((path) => inputs[path].bytesInOutput);
  const names = used.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return { text, packages: [...new Set(names.filter(Boolean))].sort() };
}

/** The licences of packages, which ask that their text stays with the code. */
async function notices(packages) {
  const texts = packages.map(async (name) => {
    const { version } = JSON.parse(await read(`node_modules/${name}/package.json`));
    return `${name} ${version}\n\n${(await licence(name)).trim()}`;
  });
  return `/*! This script contains:\n\n${(await Promise.all(texts)).join("\n\n\n")}\n*/\n`;
}

async function licence(name) {
  for (const file of ["LICENSE", "LICENSE.txt", "LICENSE.md"]) {
    const text = await read(`node_modules/${name}/${file}`).catch(() => "");
    if (text) return text;
  }
  fail(`${name} has no licence file.`);
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
