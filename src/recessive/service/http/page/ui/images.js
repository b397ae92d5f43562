/** Decoding and drawing of photos: one at a time, as small as they are shown, and released as soon as possible. */

import { coverRectangle, scaledSize } from "../model/raster.js";
import { make } from "./elements.js";

/** @import { Box } from "../model/types.js" */

const LONGEST = 1280; // pixels of a result that is drawn on canvases

/** @type {Promise<unknown>} */
let last = Promise.resolve();

/**
 * Run one decoding after another: fifty concurrent ones would each hold a whole photo in memory.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
function inTurn(work) {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}

/**
 * An upright bitmap with at most `longest` pixels on a side; null when the browser cannot display the photo. The
 * caller closes it.
 * @param {Blob} blob
 * @param {number} longest
 */
export function decode(blob, longest) {
  return inTurn(async () => {
    let whole = null;
    try {
      whole = await createImageBitmap(blob);
      const { width, height } = scaledSize(whole, longest);
      if (width === whole.width && height === whole.height) return whole;
      const size = { resizeWidth: width, resizeHeight: height };
      const small = await createImageBitmap(whole, { ...size, resizeQuality: "high" });
      whole.close();
      return small;
    } catch {
      whole?.close();
      return null;
    }
  });
}

/**
 * A bitmap of the whole photo; null when the browser cannot display it. The caller closes it.
 * @param {Blob} blob
 */
export function decodeWhole(blob) {
  return createImageBitmap(blob).catch(() => null);
}

/**
 * @param {{ width: number, height: number }} size
 * @param {Record<string, string>} [attributes]
 */
export function createCanvas({ width, height }, attributes = {}) {
  return make("canvas", { width: String(width), height: String(height), ...attributes });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function contextOf(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("this browser offers no canvas");
  context.imageSmoothingQuality = "high";
  return context;
}

/**
 * Fill a canvas with a part of a bitmap; what does not fit is cropped evenly.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} bitmap
 * @param {{ box?: Box | null, mirrored?: boolean }} [part]
 */
export function drawCover(canvas, bitmap, { box = null, mirrored = false } = {}) {
  const { x, y, width, height } = coverRectangle(bitmap, canvas, box ?? undefined);
  const context = contextOf(canvas);
  if (mirrored) context.setTransform(-1, 0, 0, 1, canvas.width, 0);
  context.drawImage(bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
}

/**
 * A square thumbnail; null when the browser cannot display the photo.
 * @param {Blob} blob
 * @param {number} side in pixels
 */
export async function thumbnail(blob, side) {
  const bitmap = await decode(blob, 2 * side);
  if (!bitmap) return null;
  const canvas = createCanvas({ width: side, height: side });
  drawCover(canvas, bitmap);
  bitmap.close();
  return canvas;
}

/**
 * Limit the size of a picture: as wide as there is room, hardly enlarged, and no higher than most of the window.
 * @param {HTMLElement} element
 * @param {{ width: number, height: number }} size
 */
export function limitSize(element, { width, height }) {
  const wide = Math.max(width, Math.min(2 * width, 960), 280);
  element.style.maxWidth = `min(100%, ${wide}px, ${((72 * width) / height).toFixed(2)}vh)`;
}

/** The pictures of one open result: bitmaps to draw from, and addresses for <img>. `close` releases them all. */
export class ResultImages {
  /**
   * @param {Blob} result
   * @param {Blob | null} original
   */
  constructor(result, original) {
    this.result = result;
    this.original = original;
    this.closed = false;
    /** @type {ImageBitmap | null} */
    this.before = null; // null while the original is not here or cannot be displayed
    /** @type {ImageBitmap | null} */
    this.after = null;
    /** @type {string[]} */
    this.addresses = [];
  }

  async load() {
    this.after = await decode(this.result, LONGEST);
    if (this.original && this.after) this.before = await decode(this.original, LONGEST);
    if (this.closed) this.close();
  }

  /** The original, or the protected photo in its place: it looks almost the same. */
  get beforeOrAfter() {
    return this.before ?? this.after;
  }

  /** @param {Blob} blob */
  address(blob) {
    const address = URL.createObjectURL(blob);
    this.addresses.push(address);
    return address;
  }

  close() {
    this.closed = true;
    this.before?.close();
    this.after?.close();
    for (const address of this.addresses) URL.revokeObjectURL(address);
    this.addresses = [];
  }
}
