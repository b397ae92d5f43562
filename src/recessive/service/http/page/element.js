/** Elements in one expression, and icons of the sprite in index.html. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. Properties are attributes (true: present, null or false: absent), `text`, or `on…` listeners.
 * Children that are null are left out.
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

/** A picture beside words that say the same: hidden from those who listen. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon. `properties` as those of `make`. */
export function button(name, words, properties = {}) {
  return make("button", { type: "button", ...properties }, icon(name), make("span", { text: words }));
}

/** Words for those who listen: what happened, once, when the voice is free. */
export function say(words) {
  const line = make("p", { text: words });
  const said = document.getElementById("said");
  said.append(line);
  while (said.children.length > 5) said.firstChild.remove();
}

/** Text that changes often, written only when it did, so that nobody's selection or voice is disturbed. */
export function put(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
