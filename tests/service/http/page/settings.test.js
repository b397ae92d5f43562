/** Protection settings: defaults, restored settings, and the form fields of the service. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  hasFurther,
  restoreSettings,
  settingsSummary,
  toFields,
  USUAL_CHECKS,
} from "../../../../src/recessive/service/http/page/model/settings.js";

const DEFAULTS = { strength: "8", joint: false, checks: USUAL_CHECKS, survive: false, format: "", location: false };

test("without stored settings, the defaults apply", () => {
  for (const stored of [null, undefined, {}]) assert.deepEqual(restoreSettings(stored, ["jpeg"]), DEFAULTS);
});

test("stored settings are restored", () => {
  const stored = {
    strength: "16",
    joint: true,
    checks: ["blur:1"],
    survive: true,
    format: "webp",
    location: true,
  };
  assert.deepEqual(restoreSettings(JSON.parse(JSON.stringify(stored)), ["jpeg", "webp"]), stored);
});

test("what is stored but no longer offered becomes the default", () => {
  const stored = { strength: "5", joint: "yes", checks: "jpeg:75", survive: 1, format: "webp", location: "true" };
  assert.deepEqual(restoreSettings(stored, ["jpeg"]), DEFAULTS);
});

test("the default settings as form fields", () => {
  const checks = USUAL_CHECKS.map((name) => ["check", name]);
  assert.deepEqual(toFields(DEFAULTS), [["method", "vanish"], ["budget", "8"], ...checks]);
});

test("the joint method has no budget", () => {
  assert.deepEqual(toFields({ ...DEFAULTS, joint: true, checks: [] }), [["method", "joint"]]);
});

test("checks that the photo is to survive, its format and its location", () => {
  const settings = { ...DEFAULTS, checks: ["crop:0.9"], survive: true, format: "webp", location: true };
  assert.deepEqual(toFields(settings).slice(2), [
    ["survive", "crop:0.9"],
    ["format", "webp"],
    ["keep_location", "true"],
  ]);
});

test("further settings are unfolded when they differ from the defaults", () => {
  assert.equal(hasFurther(DEFAULTS), false);
  assert.equal(hasFurther({ ...DEFAULTS, checks: [] }), false);
  for (const change of [{ survive: true }, { format: "png" }, { location: true }, { checks: ["blur:1"] }]) {
    assert.equal(hasFurther({ ...DEFAULTS, ...change }), true);
  }
});

test("the settings in one line", () => {
  assert.equal(settingsSummary(DEFAULTS), "Balanced, searched again after 3 changes");
  assert.equal(settingsSummary({ ...DEFAULTS, strength: "16", checks: [] }), "Strong");
  assert.equal(
    settingsSummary({ ...DEFAULTS, joint: true, checks: ["crop:0.9"] }),
    "Also against details and colours, searched again after 1 change",
  );
});
