// The policy as bars, one an action.

import { make, setText } from "./dom";
import { formatShare } from "./numbers";
import type { Run } from "./recording";

const MANY = 9; // actions that are drawn closer together

export interface Actions {
  element: HTMLElement;
  show: (t: number) => void;
}

export function createActions(run: Run): Actions {
  const rows = Array.from({ length: run.actionCount }, (_, action) => createRow(run.about.actions[action] ?? `${action}`));
  const list = make("ul", { class: run.actionCount > MANY ? "actions many" : "actions", "aria-label": "Action probabilities" }, ...rows.map((row) => row.element));
  const longest = Math.max(...run.about.actions.map((name) => name.length));
  list.style.setProperty("--longest", `${longest}`);
  const pressed = make("p", { class: "pressed", hidden: true });
  return {
    element: make("div", { class: "policy" }, list, pressed),
    show: (t) => {
      const [chosen, executed] = [run.actions[t], run.executed[t]];
      rows.forEach((row, action) => {
        row.show(Math.exp(run.logProbs[t * run.actionCount + action]), action === chosen, action === executed && executed !== chosen);
      });
      pressed.hidden = executed === chosen;
      setText(pressed, `${run.about.actions[executed] ?? executed} was pressed instead`);
    },
  };
}

function createRow(name: string) {
  const bar = make("span", { class: "bar" });
  const share = make("span", { class: "share" });
  const mark = make("span", { class: "mark" });
  const track = make("span", { class: "track" }, bar);
  const element = make("li", { "data-action": name }, make("span", { class: "action" }, name), track, share, mark);
  const show = (probability: number, chosen: boolean, pressed: boolean) => {
    bar.style.width = `${100 * probability}%`;
    setText(share, formatShare(probability));
    setText(mark, chosen ? "chosen" : pressed ? "pressed" : "");
    element.classList.toggle("chosen", chosen);
    element.classList.toggle("executed", pressed);
  };
  return { element, show };
}
