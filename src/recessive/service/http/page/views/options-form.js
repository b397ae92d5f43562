/** The form with the protection settings. They are remembered in this browser; photos never are. */

import {
  hasFurther,
  restoreSettings,
  settingsSummary,
  toFields,
  USUAL_CHECKS,
  USUAL_FORMATS,
} from "../model/settings.js";
import { formatName, transformName } from "../model/texts.js";
import { byId, make, setText } from "../ui/elements.js";

/** @import { Limits, Settings } from "../model/types.js" */

const STORAGE = "recessive-options";

export class OptionsForm {
  constructor() {
    this.form = byId("options", HTMLFormElement);
    this.format = byId("format", HTMLSelectElement);
    /** @type {Settings | null} */
    this.changed = null; // for browsers that store nothing
    this.offer();
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => {
      this.updateDependents();
      this.store();
    });
  }

  /**
   * Fill the form with what the service offers; before its limits are known, with what every service offers.
   * @param {Limits} [limits]
   */
  offer({ checks = USUAL_CHECKS, formats = USUAL_FORMATS } = {}) {
    this.offerChecks(checks);
    const options = formats.map((name) => make("option", { value: name.toLowerCase(), text: formatName(name) }));
    this.format.replaceChildren(make("option", { value: "", text: "Same format as the photo" }), ...options);
    this.apply(
      restoreSettings(
        this.stored(),
        formats.map((name) => name.toLowerCase()),
      ),
    );
  }

  /** @param {string[]} names */
  offerChecks(names) {
    /** @param {string} name */
    const checkbox = (name) => {
      const input = make("input", { type: "checkbox", name: "check", value: name });
      return make("label", { class: "checkbox" }, input, make("span", { text: transformName(name) }));
    };
    const others = names.filter((name) => !USUAL_CHECKS.includes(name));
    byId("checks").replaceChildren(...names.filter((name) => USUAL_CHECKS.includes(name)).map(checkbox));
    byId("more-checks").replaceChildren(...others.map(checkbox));
    byId("other-checks").hidden = others.length === 0;
  }

  /** The option fields of the service for photos that are added now. */
  get fields() {
    return toFields(this.settings);
  }

  /** @returns {Settings} what the form shows */
  get settings() {
    return {
      strength: this.inputs("strength").find(({ checked }) => checked)?.value ?? "",
      joint: this.box("joint").checked,
      checks: this.inputs("check")
        .filter(({ checked }) => checked)
        .map(({ value }) => value),
      survive: this.box("survive").checked,
      format: this.format.value,
      location: this.box("location").checked,
    };
  }

  /** @param {Settings} settings */
  apply(settings) {
    for (const radio of this.inputs("strength")) radio.checked = radio.value === settings.strength;
    for (const box of this.inputs("check")) box.checked = settings.checks.includes(box.value);
    this.box("joint").checked = settings.joint;
    this.box("survive").checked = settings.survive;
    this.box("location").checked = settings.location;
    this.format.value = settings.format;
    byId("further", HTMLDetailsElement).open = hasFurther(settings);
    this.updateDependents();
  }

  /** The joint method has a strength of its own, and without checks there is nothing to survive. */
  updateDependents() {
    const { settings } = this;
    byId("strengths", HTMLFieldSetElement).disabled = settings.joint;
    byId("own-strength").hidden = !settings.joint;
    this.box("survive").disabled = settings.checks.length === 0;
    setText(byId("settings-summary"), settingsSummary(settings));
  }

  /** Make room for the photos: the settings fold up, and the place to add photos becomes small. */
  makeRoom() {
    const main = byId("main");
    if (main.classList.contains("compact")) return;
    main.classList.add("compact");
    byId("settings", HTMLDetailsElement).open = false;
  }

  stored() {
    try {
      return this.changed ?? JSON.parse(localStorage.getItem(STORAGE) ?? "null");
    } catch {
      return null;
    }
  }

  store() {
    this.changed = this.settings;
    try {
      localStorage.setItem(STORAGE, JSON.stringify(this.changed));
    } catch {
      // They are remembered until the page is closed.
    }
  }

  /** @param {string} name */
  box(name) {
    return this.inputs(name)[0];
  }

  /**
   * @param {string} name
   * @returns {HTMLInputElement[]}
   */
  inputs(name) {
    return [...this.form.querySelectorAll(`input[name=${name}]`)].filter((input) => input instanceof HTMLInputElement);
  }
}
