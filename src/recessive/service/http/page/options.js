/** What the owner wants done, remembered on this computer: settings only, never photos. */

import { make, put } from "./element.js";
import * as words from "./words.js";

const STORED = "recessive-options";
const CHECKS = ["jpeg:75", "resize:0.5", "crop:0.9"];
const FORMATS = ["jpeg", "png", "webp"];

const form = () => document.getElementById("options");

let kept = null; // what was chosen here, for browsers that store nothing

function stored() {
  try {
    return kept ?? JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}

function store(choice) {
  kept = choice;
  try {
    localStorage.setItem(STORED, JSON.stringify(choice));
  } catch {
    // then it is remembered until the page is closed
  }
}

/** What the form says: { strength, joint, checks, outlive, format, location }. */
export function chosen() {
  const inputs = form().elements;
  return {
    strength: inputs.strength.value,
    joint: inputs.joint.checked,
    checks: [...form().querySelectorAll("[name=check]:checked")].map((box) => box.value),
    outlive: inputs.outlive.checked,
    format: inputs.format.value,
    location: inputs.location.checked,
  };
}

/** The same as the service's option fields. */
export function fields({ strength, joint, checks, outlive, format, location }) {
  const named = [["method", joint ? "joint" : "vanish"]];
  if (!joint) named.push(["budget", strength]);
  for (const name of checks) named.push([outlive ? "survive" : "check", name]);
  if (format) named.push(["format", format]);
  if (location) named.push(["keep_location", "true"]);
  return named;
}

function apply(saved) {
  const inputs = form().elements;
  if (["4", "8", "16"].includes(saved.strength)) inputs.strength.value = saved.strength;
  for (const name of ["joint", "outlive", "location"]) inputs[name].checked = saved[name] === true;
  const checks = saved.checks ?? CHECKS;
  for (const box of form().querySelectorAll("[name=check]")) box.checked = checks.includes(box.value);
  if ([...inputs.format.options].some(({ value }) => value === saved.format)) inputs.format.value = saved.format;
  document.getElementById("further").open = Boolean(
    saved.outlive || saved.format || saved.location || checks.some((name) => !CHECKS.includes(name)),
  );
  depend();
}

/** The joint method has a strength of its own, and nothing can outlive what is not chosen. */
function depend() {
  const { joint, checks } = chosen();
  document.getElementById("strengths").disabled = joint;
  document.getElementById("own-strength").hidden = !joint;
  form().elements.outlive.disabled = checks.length === 0;
  sum();
}

function offerChecks(names) {
  const box = (name) => make("input", { type: "checkbox", name: "check", value: name });
  const tick = (name) => make("label", { class: "tick" }, box(name), make("span", { text: words.transform(name) }));
  const usual = names.filter((name) => CHECKS.includes(name));
  const others = names.filter((name) => !CHECKS.includes(name));
  document.getElementById("checks").replaceChildren(...usual.map(tick));
  document.getElementById("more-checks").replaceChildren(...others.map(tick));
  document.getElementById("other-checks").hidden = others.length === 0;
}

function offerFormats(names) {
  const options = names.map((name) => make("option", { value: name.toLowerCase(), text: words.format(name) }));
  form().elements.format.replaceChildren(make("option", { value: "", text: "The same as the photo" }), ...options);
}

function sum() {
  const { strength: budget, joint, checks } = chosen();
  const how = joint ? words.strength({ method: "joint" }) : words.strength({ method: "vanish", budget });
  const after = checks.length > 0 ? `, searched again after ${words.several(checks.length, "change")}` : "";
  put(document.getElementById("chosen"), how + after);
}

/** Make room for the photos: the options fold up, and where photos are added becomes small. */
export function stepAside() {
  const main = document.getElementById("main");
  if (main.classList.contains("aside")) return;
  main.classList.add("aside");
  document.getElementById("how").open = false;
}

/** Fill the form with what this service offers; before its limits are known, with what every service does. */
export function offer(limits = {}) {
  offerChecks(limits.checks ?? CHECKS);
  offerFormats(limits.formats ?? FORMATS);
  apply(stored());
}

export function begin() {
  offer();
  form().addEventListener("submit", (event) => event.preventDefault());
  form().addEventListener("change", () => {
    depend();
    store(chosen());
  });
}
