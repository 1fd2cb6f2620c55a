// The report of a sweep: question and answer, curves, scatter, tables, and how it was made.

import { make } from "../dom";
import { answerSection } from "./answer";
import { sectionOf, tableOf } from "./blocks";
import { controls, firstChoice, type Choice, type Measure } from "./choice";
import { domainOf, drawCurves } from "./curves";
import { read, type Report } from "./data";
import { fill, panelsOf, told, type Panel } from "./panels";
import { drawScatter, heights, ofScatter, widestEntropy } from "./scatter";
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
  const [curvesTitle, curvesHint] = [make("h2"), make("p", { class: "hint" })];
  const [scatterTitle, scatterHint] = [make("h2"), make("p", { class: "hint" })];
  const right = widestEntropy(report);
  const draw = () => {
    const panels = panelsOf(report, choice), final = ofScatter(choice);
    const domain = (panel: Panel) => domainOf(panels.filter(({ game }) => game === panel.game), choice);
    fill(curves, panels, (panel, width) => drawCurves(report, choice, panel, width, domain(panel)), (panel) => told(panel, choice, domain(panel)));
    fill(scatter, panels, (panel, width) => drawScatter(final, panel, width, right), (panel) => told(panel, final, heights(panel, final)));
    const [what, about] = MEASURED[choice.measure];
    curvesTitle.textContent = `${what} during training`;
    curvesHint.textContent = `Over agent steps: ${about}. ${LINES} ${choice.measure === "entropy" ? "" : REFERENCES}`;
    scatterTitle.textContent = `Final ${MEASURED[final.measure][0].toLowerCase()} and attention entropy`;
    scatterHint.textContent = `${SCATTER} ${REFERENCES}`;
  };
  requestAnimationFrame(draw);
  const others = make("ul", { class: "hint", id: "others" }, ...report.others.map((line) => make("li", {}, line)));
  const section = make("section", { id: "charts" }, curvesTitle, controls(report, choice, draw), curves, curvesHint);
  if (report.others.length) section.append(others);
  if (report.runs.some(({ entropy }) => entropy !== null)) section.append(scatterTitle, scatter, scatterHint);
  expose(choice);
  return section;
}

const MEASURED: Record<Measure, [string, string]> = {
  score: ["Score", "mean raw score of the last 100 training games"],
  human: ["Human-normalised score", "mean score of the last 100 training games, 0 at random play and 1 for a human"],
  entropy: ["Attention entropy", "mean over an update's samples, in nats, summed over maps; 0 is each map on a single cell"],
};
const LINES = "Thick: mean over seeds, band ± 1 SD (n − 1); thin: a run, dashed while unfinished.";
const REFERENCES = "Dotted: random play; dashes and dots: a human.";
const SCATTER = "A dot is a run, hollow without an evaluation, with the score and the entropy of its evaluation's games, else of the end of its training; a cross is the mean of a λ, joined in λ's order.";

/** For tests, which can't see what is chosen otherwise. */
function expose(choice: Choice): void {
  Object.defineProperty(window, "attnReport", { value: Object.freeze({ choice: () => choice }) });
}

main();
