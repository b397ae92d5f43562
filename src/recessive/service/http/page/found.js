/** What a search returns before and after, as tiles. */

import { icon, make } from "./element.js";
import { canvasOf, fill } from "./pixels.js";
import { count, encoder } from "./words.js";

const PIXELS = 176; // of a tile, twice what is shown

function tile(result, own, parts) {
  const { kind, box, mirrored, rank } = result;
  const canvas = canvasOf(PIXELS, PIXELS);
  if (kind === "photo") fill(canvas, own);
  if (kind === "part") fill(canvas, parts, box ?? undefined, mirrored);
  const picture = kind === "other" ? make("span", { class: "nobody" }, icon("other")) : canvas;
  const words = { photo: "FOUND", part: "alike", other: "other" }[kind];
  const said = { photo: "your photo, found", part: "a picture of the same", other: "another photo" }[kind];
  return make(
    "li",
    { "data-kind": kind },
    picture,
    make(
      "span",
      { class: "mark", "aria-hidden": "true" },
      make("b", { text: String(rank) }),
      " ",
      make("span", { text: words }),
    ),
    make("span", { class: "for-ears", text: `Place ${rank}: ${said}` }),
  );
}

function row(title, rank, photos, results, own, parts) {
  const first = rank <= results.length;
  const place = make("p", { class: "place", "data-kind": first ? "bad" : "good" });
  place.append(make("b", { text: title }), ` Your photo is at place ${count(rank)} of ${count(photos)}`);
  if (!first) place.append(", beyond the first results");
  return make("div", {}, place, make("ol", { class: "tiles" }, ...results.map((result) => tile(result, own, parts))));
}

export function searches({ encoder: name, search }, pictures) {
  const { photos, rank_before: before, rank_after: after } = search;
  const own = pictures.likeBefore;
  if (!own) {
    const then = `Before, your photo was at place ${count(before)} of ${count(photos)}`;
    const words = `${then}; now it is at place ${count(after)}.`;
    return make("p", { text: words });
  }
  const hint = [
    `${encoder(name)}.`,
    "The other pictures are parts of your photo and its mirror image:",
    "they stand for what a searcher may hold of the same place or person. Grey tiles are other photos.",
  ].join(" ");
  return make(
    "div",
    { class: "searches" },
    row("Before.", before, photos, search.before, own, own),
    row("After.", after, photos, search.after, pictures.after, own),
    make("p", { class: "hint", text: hint }),
  );
}
