/** The sections of a report: what a search returns before and after, the table of all searches, and the file. */

import {
  count,
  deliveryText,
  duration,
  encoderName,
  fileSize,
  list,
  strengthName,
  transformName,
  when,
} from "../model/texts.js";
import { icon, make } from "../ui/elements.js";
import { createCanvas, drawCover } from "../ui/images.js";

/**
 * @import { EncoderReport, Insight, Job, Report, SearchResult } from "../model/types.js"
 * @import { ResultImages } from "../ui/images.js"
 */

const TILE = 176; // pixels of a search result, twice its size on the page
const RESULTS = {
  photo: { mark: "FOUND", spoken: "your photo, found" },
  part: { mark: "similar", spoken: "a similar picture" },
  other: { mark: "other", spoken: "another photo" },
};

/**
 * The results of one search before and after, as tiles.
 * @param {Insight} insight
 * @param {ResultImages} images
 */
export function searchResults({ encoder, search }, images) {
  const { photos, rank_before: before, rank_after: after } = search;
  const own = images.beforeOrAfter;
  if (!own) {
    const text = `Before, your photo was at position ${count(before)} of ${count(photos)}; now it is at position ${count(after)}.`;
    return make("p", { text });
  }
  const hint = [
    `${encoderName(encoder)}.`,
    "The similar pictures are parts of your photo and its mirror image;",
    "they stand in for pictures that a search engine may have of the same place or person.",
    "Grey tiles are other photos.",
  ].join(" ");
  return make(
    "div",
    { class: "searches" },
    resultRow("Before.", before, photos, search.before, own, own),
    resultRow("After.", after, photos, search.after, images.after, own),
    make("p", { class: "hint", text: hint }),
  );
}

/**
 * @param {string} title
 * @param {number} rank of the photo
 * @param {number} photos how many were searched
 * @param {SearchResult[]} results the first ones
 * @param {ImageBitmap | null} own what is found as the photo
 * @param {ImageBitmap} parts what similar pictures are parts of
 */
function resultRow(title, rank, photos, results, own, parts) {
  const first = rank <= results.length;
  const text = ` Your photo is at position ${count(rank)} of ${count(photos)}${first ? "" : ", not among the first results"}`;
  const kind = first ? "bad" : "good";
  const position = make("p", { class: "position", "data-kind": kind }, make("b", { text: title }), text);
  const tiles = results.map((result) => tile(result, own, parts));
  return make("div", {}, position, make("ol", { class: "tiles" }, ...tiles));
}

/**
 * @param {SearchResult} result
 * @param {ImageBitmap | null} own
 * @param {ImageBitmap} parts
 */
function tile({ kind, box, mirrored, rank }, own, parts) {
  const canvas = createCanvas({ width: TILE, height: TILE });
  if (kind === "photo" && own) drawCover(canvas, own);
  if (kind === "part") drawCover(canvas, parts, { box, mirrored });
  const picture = kind === "other" ? make("span", { class: "placeholder" }, icon("other")) : canvas;
  const { mark, spoken } = RESULTS[kind];
  const number = make("b", { text: String(rank) });
  return make(
    "li",
    { "data-kind": kind },
    picture,
    make("span", { class: "mark", "aria-hidden": "true" }, number, " ", make("span", { text: mark })),
    make("span", { class: "visually-hidden", text: `Position ${rank}: ${spoken}` }),
  );
}

/**
 * The verdict of each search, also after what platforms do: a table that becomes a list on small screens.
 * @param {Report} report
 */
export function auditTable({ per_encoder: entries }) {
  const transforms = Object.keys(entries[0]?.survives ?? {});
  const columns = ["Protected against", "Position before → after", "Your photo is"];
  const labels = [...columns, ...transforms.map((name) => `After ${transformName(name)}`)];
  const titles = ["Search", ...labels].map((text) => make("th", { scope: "col", role: "columnheader", text }));
  const sizes = entries.map((entry) => entry.gallery_photos);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)].map(count);
  const many = least === most ? most : `${least} to ${most}`;
  const how = `Each search looked for your original in a gallery of ${many} photos and your protected one.`;
  // Explicit roles: without them, browsers forget that it is a table once result.css lays it out differently.
  return make(
    "div",
    {},
    make("p", { class: "hint", text: `${how} “Hidden” means that yours is not among the first ten results.` }),
    make(
      "table",
      { role: "table", class: "audit" },
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...titles)),
      make("tbody", { role: "rowgroup" }, ...entries.map((entry) => auditRow(entry, transforms, labels))),
    ),
  );
}

/**
 * @param {EncoderReport} entry
 * @param {string[]} transforms
 * @param {string[]} labels
 */
function auditRow(entry, transforms, labels) {
  const name = make(
    "th",
    { scope: "row", role: "rowheader" },
    make("span", { text: encoderName(entry.name) }),
    make("code", { text: entry.name }),
  );
  const ranks = make("span", { class: "nowrap", text: `${count(entry.rank_before)} → ${count(entry.rank_after)}` });
  const cells = [
    entry.seen ? "yes" : "no",
    make("span", {}, ranks, ` of ${count(entry.gallery_photos + 1)}`),
    auditOutcome(entry.hidden),
    ...transforms.map((transform) => auditOutcome(entry.survives[transform])),
  ].map((content, i) => make("td", { role: "cell", "data-label": labels[i] }, content));
  return make("tr", { role: "row" }, name, ...cells);
}

/** @param {boolean} hidden */
function auditOutcome(hidden) {
  const text = hidden ? "hidden" : "found";
  const kind = hidden ? "good" : "bad";
  return make("span", { class: "outcome", "data-kind": kind }, icon(text), make("span", { text }));
}

/**
 * Figures and notes of the protected file.
 * @param {Job} job
 * @param {Report} report
 * @param {number} bytes
 */
export function fileFacts(job, report, bytes) {
  const { ssim, linf, width, height, method, budget, encoders, seconds, notes } = report;
  /** @type {[string, string | null][]} */
  const facts = [
    ["Visual similarity", ssim === null ? null : `${(100 * ssim).toFixed(1)}% (SSIM; 100% means identical)`],
    ["Largest change of a colour value", `${Math.round(linf)} of 255`],
    ["File size", `${fileSize(bytes)}; the original was ${fileSize(job.photo.bytes)}`],
    ["Dimensions", `${width} × ${height} pixels`],
    ["Protection", `${strengthName(job.options)} (${method}, budget ${budget})`],
    ["Protected against", list(encoders.map(encoderName)) || null],
    ["Processing time", duration(seconds)],
    ["Delivery", job.delivery ? deliveryText(job.delivery) : null],
    ["Storage", job.expires && `The service deletes it ${when(job.expires)}. Your original has been deleted already.`],
  ];
  const entries = facts
    .filter(([, value]) => value !== null)
    .map(([term, value]) => make("div", {}, make("dt", { text: term }), make("dd", { text: value })));
  const remarks =
    notes.length > 0 ? make("ul", { class: "notes" }, ...notes.map((text) => make("li", { text }))) : null;
  return make("div", {}, make("dl", { class: "figures" }, ...entries), remarks);
}
