/** Arithmetic on pixels and heat maps. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  amplifyDifference,
  coverRectangle,
  desaturate,
  describePeak,
  heatColour,
  heatPixels,
  interpolate,
  scaledSize,
} from "../../../../src/recessive/service/http/page/model/raster.js";

const close = (value, expected) => assert.ok(Math.abs(value - expected) < 1e-9, `${value} is not ${expected}`);

test("photos are scaled down, never up, and keep their shape", () => {
  assert.deepEqual(scaledSize({ width: 4000, height: 3000 }, 1000), { width: 1000, height: 750 });
  assert.deepEqual(scaledSize({ width: 300, height: 400 }, 1000), { width: 300, height: 400 });
  assert.deepEqual(scaledSize({ width: 10_000, height: 2 }, 100), { width: 100, height: 1 });
});

test("the middle of a photo fills a square", () => {
  const square = { width: 10, height: 10 };
  assert.deepEqual(coverRectangle({ width: 300, height: 200 }, square), { x: 50, y: 0, width: 200, height: 200 });
  assert.deepEqual(coverRectangle({ width: 200, height: 300 }, square), { x: 0, y: 50, width: 200, height: 200 });
});

test("a box of a photo fills a square", () => {
  const box = coverRectangle({ width: 100, height: 100 }, { width: 5, height: 5 }, [0.4, 0.2, 0.6, 0.4]);
  assert.deepEqual(box, { x: 50, y: 20, width: 40, height: 40 });
});

test("the difference is grey where nothing changed, amplified elsewhere, and clamped", () => {
  const before = Uint8ClampedArray.of(100, 100, 100, 255, 0, 200, 50, 255);
  const after = Uint8ClampedArray.of(100, 108, 92, 0, 255, 199, 51, 255);
  amplifyDifference(before, after);
  const middle = 128; // 127.5, rounded to an even byte
  assert.deepEqual([...after], [middle, 192, 64, 255, 255, 120, 136, 255]);
});

test("grey pixels stay, colours become their luma", () => {
  const data = Uint8ClampedArray.of(80, 80, 80, 255, 255, 0, 0, 7);
  desaturate(data);
  assert.deepEqual([...data], [80, 80, 80, 255, 76, 76, 76, 7]);
});

test("interpolation keeps constants and points, and is symmetric", () => {
  for (const value of interpolate([0.4, 0.4, 0.4], 9)) close(value, 0.4);
  assert.deepEqual(interpolate([0.1, 0.7, 0.3], 3), [0.1, 0.7, 0.3]);
  const mirrored = interpolate([0.5, 1, 0.2, 0], 13).reverse();
  for (const [i, value] of interpolate([0, 0.2, 1, 0.5], 13).entries()) close(value, mirrored[i]);
});

test("interpolation is exact on lines away from the borders", () => {
  for (const [k, value] of interpolate([0, 1, 2, 3, 4, 5], 24).entries()) {
    const x = (k + 0.5) / 4 - 0.5;
    if (x >= 1 && x <= 4) close(value, x);
  }
});

test("heat colours run from dark to light", () => {
  assert.deepEqual(heatColour(0), [26, 12, 64]);
  assert.deepEqual(heatColour(1), [252, 255, 164]);
  assert.deepEqual(heatColour(0.5), [188, 55, 84]);
  const luma = [0, 0.2, 0.4, 0.6, 0.8, 1].map(heatColour).map(([r, g, b]) => 0.3 * r + 0.59 * g + 0.11 * b);
  assert.deepEqual(
    luma,
    [...luma].sort((a, b) => a - b),
  );
});

test("heat maps are refined, and hot points are more opaque", () => {
  const { data, width, height } = heatPixels([
    [0, 0, 0],
    [0, 1, 0],
  ]);
  assert.deepEqual([width, height, data.length], [36, 24, 4 * 36 * 24]);
  const alpha = (x, y) => data[4 * (y * width + x) + 3];
  assert.ok(alpha(18, 18) > 200);
  assert.equal(alpha(0, 0), Math.round(255 * 0.25));
});

test("the peak of a heat map in words", () => {
  const map = (row, column, value = 1) =>
    Array.from({ length: 8 }, (_, y) =>
      Array.from({ length: 12 }, (_, x) => (y === row && x === column ? value : 0.1)),
    );
  assert.equal(describePeak(map(0, 0)), "brightest at the top left");
  assert.equal(describePeak(map(7, 11)), "brightest at the bottom right");
  assert.equal(describePeak(map(0, 6)), "brightest at the top centre");
  assert.equal(describePeak(map(4, 1)), "brightest at the middle left");
  assert.equal(describePeak(map(4, 6)), "brightest in the centre");
  assert.equal(describePeak(map(4, 6, 0.19)), "almost nothing");
});
