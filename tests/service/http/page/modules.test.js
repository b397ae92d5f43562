/** The layers of the page: modules import only from below, in no circle, and the first ones are preloaded. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { PAGE } from "./samples.js";

// From the lowest; those of one number do not import each other. The root holds main.js and app.js.
const LAYERS = { model: 0, service: 1, ui: 1, views: 2, "": 3 };
const STATIC = /^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"(\.[^"]+)"/gm;
const DYNAMIC = /\bimport\("(\.[^"]+)"\)/g;
const TYPES = /@import [^"]*"(\.[^"]+)"/g;

const folder = (path) => path.split("/").slice(0, -1).join("/");

function files(extension) {
  const found = [];
  for (const below of Object.keys(LAYERS)) {
    for (const name of readdirSync(fileURLToPath(new URL(below, PAGE)))) {
      if (name.endsWith(extension)) found.push(below ? `${below}/${name}` : name);
    }
  }
  return found.sort();
}

function imports(path, pattern) {
  const url = new URL(path, PAGE);
  return [...readFileSync(url, "utf8").matchAll(pattern)].map(([, to]) =>
    new URL(to, url).href.slice(PAGE.href.length),
  );
}

const modules = files(".js");
const loaded = new Map(modules.map((path) => [path, imports(path, STATIC)]));
const anyhow = new Map(
  modules.map((path) => [path, [...loaded.get(path), ...imports(path, DYNAMIC), ...imports(path, TYPES)]]),
);

test("all modules lie in a layer", () => {
  const entries = readdirSync(fileURLToPath(PAGE), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  assert.deepEqual(folders.sort(), Object.keys(LAYERS).filter(Boolean).sort());
  assert.deepEqual(
    modules.filter((path) => folder(path) === ""),
    ["app.js", "main.js"],
  );
});

test("all imports lead to modules of the page", () => {
  const known = new Set([...modules, "model/types.js"]); // types.d.ts, which TypeScript knows by that name
  for (const [path, targets] of anyhow)
    for (const target of targets) assert.ok(known.has(target), `${path}: ${target}`);
  assert.ok([...loaded.values()].flat().length > 40);
});

test("modules import from their own layer or from below", () => {
  for (const [path, targets] of anyhow) {
    for (const target of targets) {
      const [from, to] = [folder(path), folder(target)];
      assert.ok(from === to || LAYERS[to] < LAYERS[from], `${path} must not import ${target}`);
    }
  }
});

test("no import leads in a circle, not even a dynamic one or one of types", () => {
  const done = new Set();
  const visit = (path, above) => {
    assert.ok(!above.includes(path), [...above, path].join(" → "));
    if (done.has(path)) return;
    for (const target of anyhow.get(path) ?? []) visit(target, [...above, path]);
    done.add(path);
  };
  for (const path of modules) visit(path, []);
});

test("every module is used, and those needed at first are preloaded", () => {
  const reach = (graph, start) => {
    const found = new Set([start]);
    for (const path of found) for (const target of graph.get(path) ?? []) found.add(target);
    return found;
  };
  assert.deepEqual([...reach(anyhow, "main.js")].filter((path) => loaded.has(path)).sort(), modules);
  const html = readFileSync(new URL("index.html", PAGE), "utf8");
  const preloaded = [...html.matchAll(/rel="modulepreload" href="\/page\/([^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual(["main.js", ...preloaded].sort(), [...reach(loaded, "main.js")].sort());
});

test("the lowest layer knows no document, network or storage", () => {
  const known = /\b(document|window|navigator|fetch|XMLHttpRequest|localStorage|sessionStorage|HTMLElement)\b/;
  for (const path of modules.filter((name) => folder(name) === "model")) {
    const code = readFileSync(new URL(path, PAGE), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    assert.doesNotMatch(code.replace(/"[^"]*"/g, '""'), known, path);
  }
});
