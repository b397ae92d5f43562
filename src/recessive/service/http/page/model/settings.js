/** How photos are to be protected: defaults, restored settings, and the form fields of the service. */

import { plural, strengthName } from "./texts.js";

/** @import { Settings } from "./types.js" */

/** Changes that most platforms make to uploads; every service offers these checks. */
export const USUAL_CHECKS = ["jpeg:75", "resize:0.5", "crop:0.9"];
/** Formats that every service can save. */
export const USUAL_FORMATS = ["jpeg", "png", "webp"];
const STRENGTHS = ["4", "8", "16"];

/**
 * Complete settings from what was stored, however old; what is missing or no longer offered becomes the default.
 * @param {any} stored
 * @param {string[]} formats
 * @returns {Settings}
 */
export function restoreSettings(stored, formats) {
  const { strength, joint, checks, survive, format, location } = stored ?? {};
  return {
    strength: STRENGTHS.includes(strength) ? strength : "8",
    joint: joint === true,
    checks: Array.isArray(checks) ? checks : USUAL_CHECKS,
    survive: survive === true,
    format: formats.includes(format) ? format : "",
    location: location === true,
  };
}

/**
 * The settings as option fields of POST /v1/jobs.
 * @param {Settings} settings
 * @returns {[string, string][]}
 */
export function toFields({ strength, joint, checks, survive, format, location }) {
  /** @type {[string, string][]} */
  const fields = [["method", joint ? "joint" : "vanish"]];
  if (!joint) fields.push(["budget", strength]);
  for (const name of checks) fields.push([survive ? "survive" : "check", name]);
  if (format) fields.push(["format", format]);
  if (location) fields.push(["keep_location", "true"]);
  return fields;
}

/**
 * Whether the settings differ from the defaults in what the form keeps folded up.
 * @param {Settings} settings
 */
export function hasFurther({ checks, survive, format, location }) {
  return survive || format !== "" || location || checks.some((name) => !USUAL_CHECKS.includes(name));
}

/**
 * The settings in one line.
 * @param {Settings} settings
 */
export function settingsSummary({ strength, joint, checks }) {
  const how = strengthName(joint ? { method: "joint" } : { method: "vanish", budget: strength });
  return how + (checks.length > 0 ? `, searched again after ${plural(checks.length, "change")}` : "");
}
