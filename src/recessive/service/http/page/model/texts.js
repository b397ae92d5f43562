/** Figures, options, verdicts and deliveries in plain English. */

/**
 * @import { Delivery, EncoderReport, JobOptions, Report } from "./types.js"
 * @typedef {"good" | "mixed" | "bad"} Kind how good the news is
 */

const UNITS = ["bytes", "KB", "MB", "GB"];
const DAY = 86_400_000; // ms

/** @param {number} bytes */
export function fileSize(bytes) {
  if (bytes < 1000) return plural(bytes, "byte");
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  const figure = bytes / 1000 ** power;
  return `${figure.toFixed(figure >= 10 ? 0 : 1)} ${UNITS[power]}`;
}

/**
 * The text with a capital letter and a full stop.
 * @param {string} text
 */
export function sentence(text) {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`;
}

/** @param {number} number */
export function count(number) {
  return number.toLocaleString("en-GB");
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [more]
 */
export function plural(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

/** @param {string[]} names */
export function list(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/**
 * "at 14:05", "tomorrow at 14:05" or "on 3 May at 14:05".
 * @param {string} iso
 * @param {number} [now] in ms
 */
export function when(iso, now = Date.now()) {
  const date = new Date(iso);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const days = Math.round((new Date(date).setHours(0, 0, 0, 0) - new Date(now).setHours(0, 0, 0, 0)) / DAY);
  if (days === 0) return `at ${time}`;
  if (days === 1) return `tomorrow at ${time}`;
  return `on ${date.toLocaleDateString("en-GB", { day: "numeric", month: "long" })} at ${time}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  return seconds < 90 ? plural(Math.max(1, Math.round(seconds)), "second") : `${Math.round(seconds / 60)} minutes`;
}

/** @param {string} fraction */
function percent(fraction) {
  return `${Math.round(100 * Number(fraction))}%`;
}

/** @type {Record<string, (value: string) => string>} */
const TRANSFORMS = {
  jpeg: (value) => `JPEG compression at quality ${value}`,
  resize: (value) => (value === "0.5" ? "shrinking to half its size" : `resizing to ${percent(value)}`),
  crop: (value) => `cropping to ${percent(value)}`,
  "bit-depth": (value) => `reducing colours to ${value} bits each`,
  blur: (value) => `blurring by ${plural(Number(value), "pixel")}`,
  noise: (value) => `adding noise of strength ${value}`,
};

/**
 * A transform such as "jpeg:75" in words that can follow "after …"; its name when there are no words for it.
 * @param {string} name
 */
export function transformName(name) {
  const [word, value = ""] = name.split(/:(.*)/s);
  return TRANSFORMS[word]?.(value) ?? name;
}

/** @type {Record<string, string>} */
const FORMATS = { webp: "WebP", heif: "HEIC" };

/** @param {string} name */
export function formatName(name) {
  return FORMATS[name.toLowerCase()] ?? name.toUpperCase();
}

/** @type {Record<string, string>} */
const ENCODERS = {
  "conv-gem": "Neural search (convolutional)",
  "conv-hash": "Neural search (convolutional, short codes)",
  "transformer-gem": "Neural search (transformer)",
  "transformer-hash": "Neural search (transformer, short codes)",
  "depthwise-gem": "Neural search (mobile)",
  "depthwise-hash": "Neural search (mobile, short codes)",
  "bovw-he": "Search by details",
  cedd: "Search by colours",
  gist: "Search by layout",
};

/**
 * An encoder that ships with the program in plain words; any other by its own name.
 * @param {string} name
 */
export function encoderName(name) {
  return ENCODERS[name] ?? name;
}

/** @type {Record<string, string>} */
const STRENGTHS = { 4: "Gentle", 8: "Balanced", 16: "Strong" };

/**
 * The requested strength in a few words.
 * @param {JobOptions} options
 */
export function strengthName({ method, budget }) {
  if (method === "joint") return "Also against details and colours";
  if (method !== "vanish") return `Method ${method}`;
  return STRENGTHS[budget ?? 8] ?? `Strength ${budget}`;
}

/**
 * A finished job or report in one line.
 * @param {Pick<Report, "hidden" | "hidden_unseen">} job
 * @returns {{ kind: Kind, line: string }}
 */
export function outcome({ hidden, hidden_unseen: unseen }) {
  if (hidden === false) return { kind: "bad", line: "Still found by searches it was protected against" };
  if (unseen === false && hidden) return { kind: "mixed", line: "Partly hidden: some searches still find it" };
  if (unseen === false) return { kind: "bad", line: "Still found" };
  if (hidden === null && unseen === null) return { kind: "mixed", line: "Changed, but not tested with any search" };
  return { kind: "good", line: "Hidden from every search that was tried" };
}

const CAVEAT = "Another search engine may still find it.";

/** @param {number} number */
function allSearches(number) {
  return number === 1 ? "the only search" : `all ${number} searches`;
}

/**
 * The verdict of a report. It must not promise anything.
 * @param {Pick<Report, "hidden" | "hidden_unseen" | "per_encoder">} report
 * @returns {{ kind: Kind, headline: string, sentences: string[], caveat: string }}
 */
export function verdict(report) {
  const all = report.per_encoder;
  const seen = all.filter((entry) => entry.seen);
  const unseen = all.filter((entry) => !entry.seen);
  const sentences = [];
  if (seen.length > 0) sentences.push(finding(seen, "it was protected against"));
  if (unseen.length > 0) sentences.push(finding(unseen, "it was not protected against"));
  for (const [name, number] of foundAgain(all)) {
    sentences.push(`Found again by ${plural(number, "search", "searches")} after ${transformName(name)}.`);
  }
  const hidden = all.filter((entry) => entry.hidden).length;
  return { kind: outcome(report).kind, headline: headline(hidden, all.length), sentences, caveat: CAVEAT };
}

/**
 * @param {number} hidden
 * @param {number} all
 */
function headline(hidden, all) {
  if (all === 0) return "No search was tried";
  if (hidden === all) return `Hidden from ${allSearches(all)} tried`;
  if (hidden === 0) return `Still found by ${allSearches(all)} tried`;
  return `Hidden from ${hidden} of ${all} searches, still found by ${all - hidden}`;
}

/**
 * @param {EncoderReport[]} entries
 * @param {string} which
 */
function finding(entries, which) {
  const found = entries.filter((entry) => !entry.hidden);
  if (found.length === 0) return `Hidden from ${allSearches(entries.length)} ${which}.`;
  const some =
    found.length === entries.length ? allSearches(entries.length) : `${found.length} of the ${entries.length} searches`;
  return `Still found by ${some} ${which}: ${positions(found)}.`;
}

/**
 * Searches with the positions at which they return the photo.
 * @param {EncoderReport[]} entries
 */
function positions(entries) {
  const ranks = new Set(entries.map((entry) => entry.rank_after));
  /** @param {EncoderReport} entry */
  const position = (entry) => `at position ${count(entry.rank_after)}`;
  const names = entries.map((entry) => encoderName(entry.name));
  if (entries.length > 1 && ranks.size === 1) return `${list(names)}, each ${position(entries[0])}`;
  return list(entries.map((entry, i) => `${names[i]} ${position(entry)}`));
}

/**
 * Transforms after which searches find a photo that is hidden from them otherwise: [name, number of searches].
 * @param {EncoderReport[]} entries
 */
function foundAgain(entries) {
  /** @type {Map<string, number>} */
  const numbers = new Map();
  for (const { survives } of entries.filter(({ hidden }) => hidden)) {
    const lost = Object.keys(survives).filter((name) => !survives[name]);
    for (const name of lost) numbers.set(name, (numbers.get(name) ?? 0) + 1);
  }
  return [...numbers];
}

/**
 * Where a protected photo was delivered, or why it was not.
 * @param {Delivery} delivery
 */
export function deliveryText({ to, state, attempts, error, next }) {
  const because = error ? `: ${error}` : "";
  if (state === "delivered") return `Delivered to ${to}.`;
  if (state === "held") return `Not delivered to ${to}${because}`;
  if (state === "failed") return `Could not be delivered to ${to} after ${plural(attempts, "attempt")}${because}`;
  const again = next && attempts > 0 ? ` ${plural(attempts, "attempt")} so far, the next ${when(next)}${because}` : "";
  return `Waiting to be delivered to ${to}.${again}`;
}
