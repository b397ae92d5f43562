/**
 * Arithmetic on pixels and heat maps, without a canvas.
 *
 * Pixels are RGBA bytes, row by row. A heat map is a few rows of values from 0 to 1; it is interpolated by Catmull-Rom
 * splines and coloured before it is drawn over a photo.
 */

/** @import { Box, HeatMap } from "./types.js" */

export const AMPLIFICATION = 8;
const FINE = 12; // interpolated points for each point of a heat map
const FAINT = 0.2; // a heat map that stays below this shows nothing
// From dark to light, so that colour-blind people can read it; the legend in result.css shows the same colours.
const COLOURS = [
  [26, 12, 64],
  [106, 23, 110],
  [188, 55, 84],
  [243, 120, 25],
  [252, 255, 164],
];

/**
 * The size of a photo scaled down to at most `longest` pixels on its longer side.
 * @param {{ width: number, height: number }} size
 * @param {number} longest
 */
export function scaledSize({ width, height }, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  return { width: Math.max(1, Math.round(scale * width)), height: Math.max(1, Math.round(scale * height)) };
}

/**
 * The rectangle of a photo that fills a target: the middle of `box`, as much of it as the target's shape allows.
 * @param {{ width: number, height: number }} photo
 * @param {{ width: number, height: number }} target
 * @param {Box} [box]
 */
export function coverRectangle(photo, target, [left, top, wide, high] = [0, 0, 1, 1]) {
  const part = { x: left * photo.width, y: top * photo.height, w: wide * photo.width, h: high * photo.height };
  const scale = Math.min(part.w / target.width, part.h / target.height);
  const [width, height] = [scale * target.width, scale * target.height];
  return { x: part.x + (part.w - width) / 2, y: part.y + (part.h - height) / 2, width, height };
}

/**
 * after ← 127.5 + AMPLIFICATION · (after − before), clamped to a byte for each colour: grey means unchanged.
 * @param {Uint8ClampedArray} before
 * @param {Uint8ClampedArray} after changed in place
 */
export function amplifyDifference(before, after) {
  for (let i = 0; i < after.length; i += 4) {
    for (let c = i; c < i + 3; c += 1) after[c] = 127.5 + AMPLIFICATION * (after[c] - before[c]);
    after[i + 3] = 255;
  }
}

/**
 * Luma in place of colours (ITU-R BT.601).
 * @param {Uint8ClampedArray} data changed in place
 */
export function desaturate(data) {
  for (let i = 0; i < data.length; i += 4) {
    data[i] = data[i + 1] = data[i + 2] = 0.3 * data[i] + 0.59 * data[i + 1] + 0.11 * data[i + 2];
  }
}

/**
 * `points` values along a row, by a Catmull-Rom spline.
 * @param {number[]} values
 * @param {number} points
 */
export function interpolate(values, points) {
  /** @param {number} i */
  const at = (i) => values[Math.min(values.length - 1, Math.max(0, i))];
  return Array.from({ length: points }, (_, k) => {
    const x = ((k + 0.5) * values.length) / points - 0.5;
    const i = Math.floor(x);
    const t = x - i;
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  });
}

/**
 * @param {HeatMap} map
 * @returns {HeatMap} with FINE times as many rows and columns
 */
function refine(map) {
  const rows = map.map((row) => interpolate(row, FINE * row.length));
  const columns = rows[0].map((_, x) =>
    interpolate(
      rows.map((row) => row[x]),
      FINE * map.length,
    ),
  );
  return columns[0].map((_, y) => columns.map((column) => Math.min(1, Math.max(0, column[y]))));
}

/** @param {number} value from 0 to 1 */
export function heatColour(value) {
  const place = value * (COLOURS.length - 1);
  const i = Math.min(COLOURS.length - 2, Math.floor(place));
  return COLOURS[i].map((from, channel) => from + (place - i) * (COLOURS[i + 1][channel] - from));
}

/**
 * A heat map as pixels, the more opaque the hotter.
 * @param {HeatMap} map
 */
export function heatPixels(map) {
  const values = refine(map);
  const [height, width] = [values.length, values[0].length];
  const data = new Uint8ClampedArray(4 * width * height);
  values.flat().forEach((value, i) => {
    data.set([...heatColour(value), 255 * (0.25 + 0.6 * value)], 4 * i);
  });
  return { data, width, height };
}

/**
 * Where a heat map is brightest, in words for people who do not see it.
 * @param {HeatMap} map
 */
export function describePeak(map) {
  const [rows, columns] = [map.length, map[0].length];
  const values = map.flat();
  const most = Math.max(...values);
  if (most < FAINT) return "almost nothing";
  const place = values.indexOf(most);
  /**
   * @param {number} index
   * @param {number} all
   * @param {string[]} names
   */
  const third = (index, all, names) => names[Math.min(2, Math.floor((3 * (index + 0.5)) / all))];
  const row = third(Math.floor(place / columns), rows, ["top", "middle", "bottom"]);
  const column = third(place % columns, columns, ["left", "centre", "right"]);
  return row === "middle" && column === "centre" ? "brightest in the centre" : `brightest at the ${row} ${column}`;
}
