/** Building blocks of the page: elements in one expression, icons, tabs, announcements, saved files. */

const SVG = "http://www.w3.org/2000/svg";
const SAVING = 20_000; // ms that a browser has to start saving
const ANNOUNCEMENTS = 5;

/** @typedef {Record<string, any>} Properties */

/**
 * The element of index.html with an id, which must be of a class.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new (...args: any[]) => T} [type]
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof (type ?? HTMLElement))) throw new Error(`no such element: #${id}`);
  return /** @type {T} */ (element);
}

/**
 * A new element. Properties are attributes (true: present; null or false: absent), `text`, or `on…` listeners.
 * Children that are null are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * An icon of the sprite in index.html. It stands beside text that says the same, so that screen readers skip it.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * A button with an icon; see `make` for its properties.
 * @param {string} iconName
 * @param {string} text
 * @param {Properties} [properties]
 */
export function button(iconName, text, properties = {}) {
  return make("button", { type: "button", ...properties }, icon(iconName), make("span", { text }));
}

/**
 * Set the text of a button.
 * @param {Element} element
 * @param {string} text
 */
export function setButtonText(element, text) {
  const label = element.querySelector("span");
  if (label) setText(label, text);
}

/**
 * Change an element's text only when it differs, so that no selection is lost and nothing is read aloud twice.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Tell people who use a screen reader what happened.
 * @param {string} text
 */
export function announce(text) {
  const log = byId("announcements");
  log.append(make("p", { text }));
  while (log.children.length > ANNOUNCEMENTS) log.firstChild?.remove();
}

let tabLists = 0;

/**
 * Tabs after the ARIA Authoring Practices: arrow keys move between them, and each panel is built when it is first shown.
 * @param {string} label
 * @param {{ title: string, build: () => Node }[]} entries
 */
export function tabs(label, entries) {
  const number = ++tabLists;
  const buttons = entries.map(({ title }, i) => {
    const attributes = { id: `tab-${number}-${i}`, "aria-controls": `panel-${number}-${i}` };
    return make("button", { type: "button", role: "tab", ...attributes, text: title });
  });
  const panels = entries.map((_, i) => {
    const attributes = { id: `panel-${number}-${i}`, "aria-labelledby": `tab-${number}-${i}` };
    return make("div", { role: "tabpanel", class: "panel", ...attributes });
  });
  /** @param {number} selected */
  const select = (selected) => {
    buttons.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === selected));
      tab.tabIndex = i === selected ? 0 : -1;
      panels[i].hidden = i !== selected;
    });
    if (!panels[selected].hasChildNodes()) panels[selected].append(entries[selected].build());
  };
  const last = buttons.length - 1;
  buttons.forEach((tab, i) => {
    tab.addEventListener("click", () => select(i));
    tab.addEventListener("keydown", ({ key }) => {
      const targets = { ArrowRight: i < last ? i + 1 : 0, ArrowLeft: i > 0 ? i - 1 : last, Home: 0, End: last };
      const next = targets[/** @type {keyof typeof targets} */ (key)] ?? i;
      if (next === i) return;
      select(next);
      buttons[next].focus();
    });
  });
  select(0);
  return make("div", {}, make("div", { role: "tablist", class: "tabs", "aria-label": label }, ...buttons), ...panels);
}

/**
 * Save a file on the owner's computer.
 * @param {Blob} blob
 * @param {string} name
 */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), SAVING);
}
