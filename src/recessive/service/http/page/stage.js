/** The large picture: compare, difference, and what the encoder looks at, as tabs. */

import { compare } from "./compare.js";
import { difference } from "./difference.js";
import { make } from "./element.js";
import { heat } from "./heat.js";

let stages = 0;

/** Tabs by the pattern of the ARIA practices: arrow keys move, one panel is shown, drawn when it is first seen. */
function tabs(label, entries) {
  const number = ++stages;
  const buttons = entries.map(([words], i) =>
    make("button", {
      type: "button",
      role: "tab",
      id: `tab-${number}-${i}`,
      "aria-controls": `panel-${number}-${i}`,
      text: words,
    }),
  );
  const panels = entries.map((_, i) =>
    make("div", {
      role: "tabpanel",
      class: "panel",
      id: `panel-${number}-${i}`,
      "aria-labelledby": `tab-${number}-${i}`,
    }),
  );
  const select = (chosen) => {
    buttons.forEach((tab, i) => {
      tab.setAttribute("aria-selected", i === chosen);
      tab.tabIndex = i === chosen ? 0 : -1;
      panels[i].hidden = i !== chosen;
    });
    if (!panels[chosen].hasChildNodes()) panels[chosen].append(entries[chosen][1]());
  };
  buttons.forEach((tab, i) => {
    tab.addEventListener("click", () => select(i));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      const next =
        { Home: 0, End: buttons.length - 1 }[key] ?? (step ? (i + step + buttons.length) % buttons.length : i);
      if (next === i) return;
      select(next);
      buttons[next].focus();
    });
  });
  select(0);
  return make(
    "div",
    { class: "stage" },
    make("div", { role: "tablist", class: "tabs", "aria-label": label }, ...buttons),
    ...panels,
  );
}

function alone(pictures) {
  const { width, height } = pictures.after;
  const picture = make("img", { src: pictures.of(pictures.result), alt: "The protected photo", width, height });
  const frame = make("div", { class: "frame" }, picture);
  fit(frame, width, height);
  return frame;
}

/** As wide as there is room, no higher than most of the window, and hardly blown up. */
export function fit(element, width, height) {
  const wide = Math.max(width, Math.min(2 * width, 960), 280);
  element.style.maxWidth = `min(100%, ${wide}px, ${((72 * width) / height).toFixed(2)}vh)`;
}

export function stage(pictures, insight, report) {
  const entries = [];
  if (pictures.before) {
    entries.push(["Compare", () => compare(pictures, report)], ["Difference", () => difference(pictures, report)]);
  } else entries.push(["Protected", () => alone(pictures)]);
  if (insight) entries.push(["Heat map", () => heat(pictures, insight)]);
  return tabs("The photo", entries);
}
