// Elements made from names, attributes and text. Text from the data only ever becomes text nodes.

type Attributes = Record<string, string | number | boolean>;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAll(element, attributes);
  element.append(...children);
  return element;
}

export function makeSvg<K extends keyof SVGElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAll(element, attributes);
  element.append(...children);
  return element;
}

/** True sets the bare attribute, false leaves it away. */
function setAll(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes))
    if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
}

/** Sets the text only where it differs: most of it stays the same from step to step. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  forward: "M6 5l9 7-9 7zM16 5h2.5v14H16z",
  back: "M18 5l-9 7 9 7zM8 5H5.5v14H8z",
  next: "M4 4h8v16l-4-3.6L4 20zM14 8l6 4-6 4z",
};

export type Icon = keyof typeof ICONS;

export function icon(name: Icon): SVGSVGElement {
  const path = makeSvg("path", { d: ICONS[name], fill: "currentColor" });
  return makeSvg("svg", { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true" }, path);
}

export function button(id: string, label: string, onClick: () => void, ...children: (Node | string)[]): HTMLButtonElement {
  const made = make("button", { type: "button", id, title: label, "aria-label": label }, ...children);
  made.addEventListener("click", onClick);
  return made;
}

/** Buttons of which one is pressed, told to assistive technology as such. */
export function choices<T extends string>(
  id: string, label: string, options: { value: T; text: string; title?: string }[], choose: (value: T) => void,
): { element: HTMLElement; show: (value: string) => void } {
  const buttons = options.map(({ value, text, title }) => {
    const made = make("button", { type: "button", "data-value": value, title: title ?? "" }, text);
    if (!title) made.removeAttribute("title");
    made.addEventListener("click", () => choose(value));
    return made;
  });
  const element = make("div", { id, class: "choices", role: "group", "aria-label": label }, ...buttons);
  const show = (value: string) => {
    for (const made of buttons) made.setAttribute("aria-pressed", String(made.dataset["value"] === value));
  };
  return { element, show };
}

export function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
