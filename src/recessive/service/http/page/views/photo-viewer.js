/** The large picture of a result, in tabs: comparison, difference, and heat map of an encoder. */

import { AMPLIFICATION, amplifyDifference, desaturate, describePeak, heatPixels, scaledSize } from "../model/raster.js";
import { encoderName } from "../model/texts.js";
import { make, setText, tabs } from "../ui/elements.js";
import { contextOf, createCanvas, decodeWhole, limitSize } from "../ui/images.js";
import { compareSlider } from "./compare-slider.js";

/**
 * @import { HeatMap, Insight, Report } from "../model/types.js"
 * @import { ResultImages } from "../ui/images.js"
 */

const DIFFERENCE = 1600; // pixels of the longer side
const HEAT = 720;
const STRIP = 256; // rows at a time, so that a large photo neither fills the memory nor blocks the page

/**
 * @param {ResultImages & { after: ImageBitmap }} images
 * @param {Insight | null} insight
 * @param {Report} report
 */
export function photoViewer(images, insight, report) {
  const entries = [];
  if (images.before && images.original) {
    const both = /** @type {ResultImages & { original: Blob }} */ (images);
    entries.push({ title: "Compare", build: () => compareSlider(both, report) });
    entries.push({ title: "Difference", build: () => difference(both, report) });
  } else entries.push({ title: "Protected", build: () => protectedPhoto(images) });
  if (insight) entries.push({ title: "Heat map", build: () => heatMaps(images, insight) });
  return tabs("The photo", entries);
}

/** @param {ResultImages & { after: ImageBitmap }} images */
function protectedPhoto(images) {
  const { width, height } = images.after;
  const picture = make("img", { src: images.address(images.result), alt: "The protected photo", width, height });
  const frame = make("div", { class: "frame" }, picture);
  limitSize(frame, images.after);
  return frame;
}

/**
 * The amplified difference, computed in the browser from both photos and drawn as it is computed.
 * @param {ResultImages & { original: Blob }} images
 * @param {Report} report
 */
function difference(images, report) {
  const label = `The difference between the two photos, amplified ${AMPLIFICATION} times`;
  const canvas = createCanvas(scaledSize(report, DIFFERENCE), { role: "img", "aria-label": label });
  const hint = make("p", { class: "hint", role: "status", text: "Computing …" });
  (async () => {
    const [before, after] = await Promise.all([decodeWhole(images.original), decodeWhole(images.result)]);
    if (!before || !after || before.width !== after.width || before.height !== after.height) {
      setText(hint, "The difference cannot be shown because the two photos differ in size here.");
    } else {
      await drawDifference(canvas, before, after, () => images.closed);
      const most = `the largest change of a colour value is ${Math.round(report.linf)} of 255`;
      setText(hint, `Grey means unchanged. Differences are amplified ${AMPLIFICATION} times; ${most}.`);
      canvas.dataset.drawn = "";
    }
    before?.close();
    after?.close();
  })();
  const frame = make("div", { class: "frame" }, canvas);
  const whole = make("div", {}, frame, make("div", { class: "below" }, hint));
  limitSize(whole, report);
  return whole;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} before
 * @param {ImageBitmap} after
 * @param {() => boolean} closed
 */
async function drawDifference(canvas, before, after, closed) {
  const context = contextOf(canvas);
  const scale = canvas.height / after.height;
  for (let top = 0; top < after.height && !closed(); top += STRIP) {
    const rows = Math.min(STRIP, after.height - top);
    const old = readStrip(before, top, rows);
    const strip = readStrip(after, top, rows);
    amplifyDifference(old.pixels.data, strip.pixels.data);
    strip.context.putImageData(strip.pixels, 0, 0);
    context.drawImage(strip.context.canvas, 0, top * scale, canvas.width, rows * scale);
    await new Promise((resolve) => setTimeout(resolve)); // the page stays responsive
  }
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} top
 * @param {number} rows
 */
function readStrip(bitmap, top, rows) {
  const context = contextOf(createCanvas({ width: bitmap.width, height: rows }), { willReadFrequently: true });
  context.drawImage(bitmap, 0, -top);
  return { context, pixels: context.getImageData(0, 0, bitmap.width, rows) };
}

/**
 * Where an encoder looks, before and after.
 * @param {ResultImages & { after: ImageBitmap }} images
 * @param {Insight} insight
 */
function heatMaps(images, { encoder, heat }) {
  /**
   * @param {string} title
   * @param {ImageBitmap} bitmap
   * @param {HeatMap} map
   * @param {string} photo
   */
  const figure = (title, bitmap, map, photo) => {
    const peak = describePeak(map);
    const caption = make("figcaption", {}, make("b", { text: `${title}:` }), ` ${peak}`);
    return make("figure", {}, caption, drawHeat(bitmap, map, `What ${encoder} responds to in the ${photo}: ${peak}`));
  };
  const legend = make(
    "p",
    { class: "legend" },
    make("span", { text: "nothing in common" }),
    make("i", {}),
    make("span", { text: "most in common" }),
  );
  const search = `one search, ${encoderName(encoder)},`;
  const text = `Bright areas show what ${search} recognises in other pictures of the same place or person, too.`;
  const missing = "Both maps are drawn on the protected photo because the original is not available.";
  return make(
    "div",
    {},
    make(
      "div",
      { class: "pair" },
      figure("Before", images.before ?? images.after, heat.before, "original"),
      figure("After", images.after, heat.after, "protected photo"),
    ),
    legend,
    make("p", { class: "hint", text: images.before ? text : `${text} ${missing}` }),
  );
}

/**
 * A heat map over the photo in grey, so that the only colours are those of the map.
 * @param {ImageBitmap} bitmap
 * @param {HeatMap} map
 * @param {string} label
 */
function drawHeat(bitmap, map, label) {
  const canvas = createCanvas(scaledSize(bitmap, HEAT), { role: "img", "aria-label": label });
  const { width, height } = canvas;
  const context = contextOf(canvas, { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, width, height);
  const photo = context.getImageData(0, 0, width, height);
  desaturate(photo.data);
  context.putImageData(photo, 0, 0);
  const heat = heatPixels(map);
  const overlay = contextOf(createCanvas(heat));
  overlay.putImageData(new ImageData(heat.data, heat.width, heat.height), 0, 0);
  context.drawImage(overlay.canvas, 0, 0, width, height);
  return canvas;
}
