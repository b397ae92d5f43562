/** The verdict of each search, and after what platforms do: a table that becomes a list on small screens. */

import { icon, make } from "./element.js";
import { count, encoder, transform } from "./words.js";

function verdict(hidden) {
  const words = hidden ? "hidden" : "found";
  return make(
    "span",
    { class: "outcome", "data-kind": hidden ? "good" : "bad" },
    icon(words),
    make("span", { text: words }),
  );
}

// Explicit roles: without them, browsers forget that it is a table once style.css lays it out otherwise.
function cell(label, ...children) {
  return make("td", { role: "cell", "data-label": label }, ...children);
}

function row(entry, transforms) {
  const name = make(
    "th",
    { scope: "row", role: "rowheader" },
    make("span", { text: encoder(entry.name) }),
    make("code", { text: entry.name }),
  );
  const places = make("span", { class: "whole", text: `${count(entry.rank_before)} → ${count(entry.rank_after)}` });
  return make(
    "tr",
    { role: "row" },
    name,
    cell("Protected against it", entry.seen ? "yes" : "no"),
    cell("Place before → after", make("span", {}, places, ` of ${count(entry.gallery_photos + 1)}`)),
    cell("Your photo is", verdict(entry.hidden)),
    ...transforms.map((transformed) => cell(`After ${transform(transformed)}`, verdict(entry.survives[transformed]))),
  );
}

export function auditTable({ per_encoder: entries }) {
  const transforms = Object.keys(entries[0]?.survives ?? {});
  const titles = [
    "Search",
    "Protected against it",
    "Place before → after",
    "Your photo is",
    ...transforms.map((name) => `After ${transform(name)}`),
  ];
  const head = make(
    "tr",
    { role: "row" },
    ...titles.map((text) => make("th", { scope: "col", role: "columnheader", text })),
  );
  const sizes = entries.map((entry) => entry.gallery_photos);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)].map(count);
  const many = least === most ? most : `${least} to ${most}`;
  const asked = `Each searched a gallery of ${many} photos and yours, with your original.`;
  const words = `${asked} Hidden means: yours is not among its first ten results.`;
  return make(
    "div",
    {},
    make("p", { class: "hint", text: words }),
    make(
      "table",
      { role: "table", class: "audit" },
      make("thead", { role: "rowgroup" }, head),
      make("tbody", { role: "rowgroup" }, ...entries.map((entry) => row(entry, transforms))),
    ),
  );
}
