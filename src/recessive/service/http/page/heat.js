/** What an encoder looks at, drawn over the photo before and after. */

import { make } from "./element.js";
import { canvasOf } from "./pixels.js";
import { encoder } from "./words.js";

const LONGEST = 720; // pixels of a canvas
const FINE = 12; // points between two of the map, so that it is smooth
// dark to light, also for those who see few colours; the legend in style.css is the same
const COLOURS = [
  [26, 12, 64],
  [106, 23, 110],
  [188, 55, 84],
  [243, 120, 25],
  [252, 255, 164],
];

/** Values between those of a row, by Catmull-Rom splines. */
function between(values, points) {
  const at = (i) => values[Math.min(values.length - 1, Math.max(0, i))];
  return Array.from({ length: points }, (_, k) => {
    const x = ((k + 0.5) * values.length) / points - 0.5;
    const i = Math.floor(x);
    const t = x - i;
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  });
}

function smooth(map, fine = FINE) {
  const wide = map.map((row) => between(row, fine * row.length));
  const columns = wide[0].map((_, x) =>
    between(
      wide.map((row) => row[x]),
      fine * map.length,
    ),
  );
  return columns[0].map((_, y) => columns.map((column) => Math.min(1, Math.max(0, column[y]))));
}

function colour(value) {
  const place = value * (COLOURS.length - 1);
  const i = Math.min(COLOURS.length - 2, Math.floor(place));
  return COLOURS[i].map((from, channel) => from + (place - i) * (COLOURS[i + 1][channel] - from));
}

function painted(map) {
  const values = smooth(map);
  const canvas = canvasOf(values[0].length, values.length);
  const image = new ImageData(canvas.width, canvas.height);
  values.flat().forEach((value, i) => image.data.set([...colour(value), 255 * (0.25 + 0.6 * value)], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** The photo in grey, so that the only colours are those of the map. */
function grey(context, { width, height }) {
  const image = context.getImageData(0, 0, width, height);
  const { data } = image;
  for (let i = 0; i < data.length; i += 4) {
    data[i] = data[i + 1] = data[i + 2] = 0.3 * data[i] + 0.59 * data[i + 1] + 0.11 * data[i + 2];
  }
  context.putImageData(image, 0, 0);
}

function drawn(bitmap, map, label) {
  const share = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = canvasOf(Math.round(share * bitmap.width), Math.round(share * bitmap.height));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  grey(context, canvas);
  context.drawImage(painted(map), 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** In words, for those who do not see the map: where it is brightest. */
function mostly(map) {
  const rows = map.length;
  const columns = map[0].length;
  let [best, top, left] = [-1, 0, 0];
  map.forEach((row, y) => row.forEach((value, x) => value > best && ([best, top, left] = [value, y, x])));
  const third = (place, many, names) => names[Math.min(2, Math.floor((3 * (place + 0.5)) / many))];
  if (best < 0.2) return "finds hardly anything";
  const row = third(top, rows, ["top", "middle", "bottom"]);
  return `most at the ${row}, ${third(left, columns, ["left", "centre", "right"])}`;
}

export function heat(pictures, insight) {
  const { before, after } = insight.heat;
  const figures = [
    ["Before", pictures.likeBefore, before, "original"],
    ["After", pictures.after, after, "protected photo"],
  ].map(([words, bitmap, map, of]) =>
    make(
      "figure",
      {},
      make("figcaption", {}, make("b", { text: words }), ` ${mostly(map)}`),
      drawn(bitmap, map, `What ${insight.encoder} looks at in the ${of}: ${mostly(map)}`),
    ),
  );
  const legend = make(
    "p",
    { class: "legend" },
    make("span", { text: "nothing in common" }),
    make("i", {}),
    make("span", { text: "most in common" }),
  );
  const finds = "finds what other pictures of the same place or person show, too";
  const words = `Bright is where one search, ${encoder(insight.encoder)}, ${finds}.`;
  const hint = make("p", {
    class: "hint",
    text: pictures.before ? words : `${words} Both are drawn on the protected photo, since the original is not here.`,
  });
  return make("div", {}, make("div", { class: "pair" }, ...figures), legend, hint);
}
