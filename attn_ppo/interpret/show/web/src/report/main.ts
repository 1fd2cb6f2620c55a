// The report of a sweep: question and answer, curves, scatter, tables, and how it was made.

import { make } from "../dom";
import { answerSection } from "./answer";
import { sectionOf, tableOf } from "./blocks";
import { controls, firstChoice, type Choice } from "./choice";
import { domainOf, drawCurves } from "./curves";
import { read, type Report } from "./data";
import { fill, panelsOf } from "./panels";
import { drawScatter, widestEntropy } from "./scatter";
import { lambdaStyle, themeSwitch, unfoldInPrint } from "./theme";

function main(): void {
  const app = document.getElementById("app")!;
  try {
    show(app, read());
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    app.replaceChildren(make("p", { class: "failure", role: "alert" }, `This report can't be shown: ${what}.`));
  }
  app.setAttribute("aria-busy", "false");
}

function show(app: HTMLElement, report: Report): void {
  document.head.append(lambdaStyle(report.lambdas));
  const about = make("div", {}, make("strong", {}, report.name), make("span", {}, report.facts));
  const masthead = make("header", { class: "masthead" }, about, themeSwitch());
  const page = make("main", {}, answerSection(report));
  app.replaceChildren(masthead, page);
  page.append(charts(report));
  const notes = make("ul", { class: "hint" }, ...report.scoreNotes.map((note) => make("li", {}, note)));
  page.append(make("section", { id: "scores" }, make("h2", {}, "Scores"), tableOf(report.scores), notes));
  page.append(...report.sections.map(sectionOf));
  unfoldInPrint();
}

function charts(report: Report): HTMLElement {
  const choice = firstChoice(report);
  const [curves, scatter] = [make("div", { class: "grid" }), make("div", { class: "grid" })];
  const right = widestEntropy(report);
  const draw = () => {
    const panels = panelsOf(report, choice);
    fill(curves, panels, (panel, width) => {
      const ofGame = panels.filter(({ game }) => game === panel.game);
      return drawCurves(report, choice, panel, width, domainOf(ofGame, choice));
    });
    fill(scatter, panels, (panel, width) => drawScatter(choice, panel, width, right));
  };
  requestAnimationFrame(draw);
  const section = make("section", { id: "charts" }, make("h2", {}, "Score during training"), controls(report, choice, draw), curves);
  section.append(make("p", { class: "hint" }, CURVES));
  if (report.runs.some(({ entropy }) => entropy !== null))
    section.append(make("h2", {}, "Final score and attention entropy"), scatter, make("p", { class: "hint" }, SCATTER));
  expose(choice);
  return section;
}

const CURVES = "Thick: mean over seeds, band ± 1 SD (n − 1); thin: a run, dashed while unfinished; mean raw score of the last 100 training games. Dotted: random play.";
const SCATTER = "A dot is a run, hollow without an evaluation; a cross is the mean of a λ, joined in λ's order. Dotted: random play.";

/** For tests, which can't see what is chosen otherwise. */
function expose(choice: Choice): void {
  Object.defineProperty(window, "attnReport", { value: Object.freeze({ choice: () => choice }) });
}

main();
