/** Figures, options and verdicts in plain words. */

const UNITS = ["bytes", "KB", "MB", "GB"];

export function size(bytes) {
  if (bytes < 1000) return several(bytes, "byte");
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const figure = bytes / 1000 ** power;
  return `${figure.toFixed(figure >= 10 ? 0 : 1)} ${UNITS[power]}`;
}

/** With a capital letter and an end. */
export function sentence(words) {
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}${/[.!?…]$/.test(words) ? "" : "."}`;
}

export function count(number) {
  return number.toLocaleString("en-GB");
}

export function several(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

export function list(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** "14:05", "tomorrow at 14:05" or "on 3 May at 14:05". */
export function when(iso) {
  const date = new Date(iso);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const today = new Date().setHours(0, 0, 0, 0);
  const days = Math.round((new Date(date).setHours(0, 0, 0, 0) - today) / 86_400_000);
  if (days === 0) return `at ${time}`;
  if (days === 1) return `tomorrow at ${time}`;
  return `on ${date.toLocaleDateString("en-GB", { day: "numeric", month: "long" })} at ${time}`;
}

export function seconds(number) {
  return number < 90 ? several(Math.max(1, Math.round(number)), "second") : `${Math.round(number / 60)} minutes`;
}

function percent(value) {
  return `${Math.round(100 * Number(value))} %`;
}

const TRANSFORMS = {
  jpeg: (value) => `JPEG at quality ${value}`,
  resize: (value) => (value === "0.5" ? "shrinking to half its size" : `resizing to ${percent(value)}`),
  crop: (value) => `cropping to ${percent(value)}`,
  "bit-depth": (value) => `${value} bits a colour`,
  blur: (value) => `blurring by ${several(Number(value), "pixel")}`,
  noise: (value) => `noise of strength ${value}`,
};

/** What a platform may do, such as "jpeg:75", in words that go on from "after …". */
export function transform(name) {
  const [word, value = ""] = name.split(/:(.*)/s);
  return TRANSFORMS[word]?.(value) ?? name;
}

const FORMATS = { webp: "WebP", heif: "HEIC" };

export function format(name) {
  return FORMATS[name.toLowerCase()] ?? name.toUpperCase();
}

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

/** An encoder in plain words; its own name where it is not one of those that ship with the program. */
export function encoder(name) {
  return ENCODERS[name] ?? name;
}

const STRENGTHS = { 4: "Gentle", 8: "Balanced", 16: "Strong" };

/** The strength that a job was asked for, in a word or two. */
export function strength({ method, budget }) {
  if (method === "joint") return "Also against details and colours";
  if (method !== "vanish") return `Method ${method}`;
  return STRENGTHS[budget ?? 8] ?? `Strength ${budget}`;
}

/** Of a finished job: how good the news is ("good", "mixed", "bad"), and one line. */
export function outcome({ hidden, hidden_unseen: unseen }) {
  if (hidden === false) return { kind: "bad", line: "Still found by searches it was protected against" };
  if (unseen === false && hidden) {
    return { kind: "mixed", line: "Partly hidden: some searches still find it" };
  }
  if (unseen === false) return { kind: "bad", line: "Still found" };
  if (hidden === null && unseen === null) return { kind: "mixed", line: "Changed; no search was tried" };
  return { kind: "good", line: "Hidden from every search tried" };
}

const CAVEAT = "Another search engine may still find it.";

/** Searches by name, with the places at which they have the photo. */
function finders(entries) {
  const places = new Set(entries.map((entry) => entry.rank_after));
  const place = (entry) => `at place ${count(entry.rank_after)}`;
  const named = (entry) => encoder(entry.name);
  if (entries.length > 1 && places.size === 1) return `${list(entries.map(named))}, each ${place(entries[0])}`;
  return list(entries.map((entry) => `${named(entry)} ${place(entry)}`));
}

function finding(entries, which) {
  const found = entries.filter((entry) => !entry.hidden);
  const all = entries.length === 1 ? "the one search" : `all ${entries.length} searches`;
  if (found.length === 0) return `Hidden from ${all} that ${which}.`;
  const some = found.length === entries.length ? all : `${found.length} of the ${entries.length} searches`;
  return `Still found by ${some} that ${which}: ${finders(found)}.`;
}

/** The verdict of a report: { kind, headline, sentences, caveat }. Nothing in it promises anything. */
export function verdict(report) {
  const all = report.per_encoder;
  const sentences = [
    [true, "it was protected against"],
    [false, "it was not protected against"],
  ]
    .map(([seen, which]) => [all.filter((entry) => entry.seen === seen), which])
    .filter(([those]) => those.length > 0)
    .map(([those, which]) => finding(those, which));
  for (const [name, number] of foundAgain(all)) {
    sentences.push(`Found again by ${several(number, "search", "searches")} after ${transform(name)}.`);
  }
  const hidden = all.filter((entry) => entry.hidden).length;
  return { kind: outcome(report).kind, headline: headline(hidden, all.length), sentences, caveat: CAVEAT };
}

function headline(hidden, all) {
  const every = all === 1 ? "the one search" : `all ${all} searches`;
  if (all === 0) return "No search was tried";
  if (hidden === all) return `Hidden from ${every} tried`;
  if (hidden === 0) return `Still found by ${every} tried`;
  return `Hidden from ${hidden} of ${all} searches, still found by ${all - hidden}`;
}

/** Transforms after which searches find the photo again that it is hidden from otherwise: [name, how many]. */
function foundAgain(entries) {
  const numbers = new Map();
  for (const { survives } of entries.filter(({ hidden }) => hidden)) {
    const lost = Object.keys(survives).filter((name) => !survives[name]);
    for (const name of lost) numbers.set(name, (numbers.get(name) ?? 0) + 1);
  }
  return [...numbers];
}

/** Where a protected photo was passed on to, or why not. */
export function delivery({ to, state, attempts, error, next }) {
  const because = error ? `: ${error}` : "";
  if (state === "delivered") return `Passed on to ${to}.`;
  if (state === "held") return `Not passed on to ${to}${because}`;
  if (state === "failed") return `Could not be passed on to ${to} after ${several(attempts, "try", "tries")}${because}`;
  const again = next && attempts > 0 ? ` Tried ${several(attempts, "time")} so far, next ${when(next)}${because}` : "";
  return `Waiting to be passed on to ${to}.${again}`;
}
