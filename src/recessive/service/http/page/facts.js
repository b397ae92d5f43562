/** Figures of the protected file, its notes, and until when it is kept. */

import { make } from "./element.js";
import { delivery, encoder, list, seconds, size, strength, when } from "./words.js";

function alike(ssim) {
  if (ssim === null) return null;
  return `${(100 * ssim).toFixed(1)} % (SSIM; 100 % is the same)`;
}

export function facts(job, report, bytes) {
  const entries = [
    ["How much it looks the same", alike(report.ssim)],
    ["Largest change of a colour value", `${Math.round(report.linf)} of 255`],
    ["Size of the file", `${size(bytes)}; the original had ${size(job.photo.bytes)}`],
    ["Pixels", `${report.width} × ${report.height}`],
    ["Protected as", `${strength(job.options)} (${report.method}, budget ${report.budget})`],
    ["Protected against", list(report.encoders.map(encoder)) || null],
    ["Time it took", seconds(report.seconds)],
    ["Passed on", job.delivery ? delivery(job.delivery) : null],
    [
      "Kept",
      job.expires ? `The service deletes it ${when(job.expires)}. Your original is deleted there already.` : null,
    ],
  ].filter(([, value]) => value !== null);
  const figures = make(
    "dl",
    { class: "figures" },
    ...entries.map(([term, value]) => make("div", {}, make("dt", { text: term }), make("dd", { text: value }))),
  );
  const notes =
    report.notes.length > 0
      ? make("ul", { class: "notes" }, ...report.notes.map((text) => make("li", { text })))
      : null;
  return make("div", {}, figures, notes);
}
