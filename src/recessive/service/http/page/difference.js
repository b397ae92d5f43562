/** What was changed, enlarged: computed here, from the local original and the protected photo. */

import { make, put } from "./element.js";
import { canvasOf, decodeWhole } from "./pixels.js";
import { fit } from "./stage.js";

const TIMES = 8;
const LONGEST = 1600; // pixels of what is shown
const STRIP = 256; // rows at a time, so that a large photo neither fills the memory nor stops the page

/** values ← 127.5 + TIMES · (after − before), per colour; grey is unchanged. */
function enlarge(before, after) {
  for (let i = 0; i < after.length; i += 4) {
    for (let colour = i; colour < i + 3; colour += 1) after[colour] = 127.5 + TIMES * (after[colour] - before[colour]);
    after[i + 3] = 255;
  }
}

function levels(bitmap, top, rows) {
  const canvas = canvasOf(bitmap.width, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, -top);
  return [canvas, context, context.getImageData(0, 0, bitmap.width, rows)];
}

async function draw(canvas, before, after, closed) {
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const scale = canvas.height / after.height;
  for (let top = 0; top < after.height && !closed(); top += STRIP) {
    const rows = Math.min(STRIP, after.height - top);
    const [, , old] = levels(before, top, rows);
    const [strip, own, now] = levels(after, top, rows);
    enlarge(old.data, now.data);
    own.putImageData(now, 0, 0);
    context.drawImage(strip, 0, top * scale, canvas.width, rows * scale);
    await new Promise((resolve) => setTimeout(resolve));
  }
}

/** The canvas, drawn as it goes, with its legend. */
export function difference(pictures, report) {
  const share = Math.min(1, LONGEST / Math.max(report.width, report.height));
  const canvas = canvasOf(Math.round(share * report.width), Math.round(share * report.height));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The difference of the two photos, enlarged ${TIMES} times`);
  const frame = make("div", { class: "frame" }, canvas);
  const hint = make("p", { class: "hint", role: "status", text: "Computing …" });
  (async () => {
    const [before, after] = await Promise.all([decodeWhole(pictures.original), decodeWhole(pictures.result)]);
    if (!before || !after || before.width !== after.width || before.height !== after.height) {
      put(hint, "The two photos do not have the same size here.");
    } else {
      await draw(canvas, before, after, () => pictures.closed);
      const most = `the largest change of a colour value is ${Math.round(report.linf)} of 255`;
      put(hint, `Grey is unchanged. What differs is shown ${TIMES} times as strong; ${most}.`);
      canvas.dataset.drawn = "";
    }
    before?.close();
    after?.close();
  })();
  const whole = make("div", {}, frame, make("div", { class: "under" }, hint));
  fit(whole, report.width, report.height);
  return whole;
}
