/** The card of one photo in the list: thumbnail, facts, status, progress and buttons. */

import { statusOf } from "../model/photo.js";
import { fileSize, formatName, strengthName } from "../model/texts.js";
import { button, icon, make, setButtonText, setText } from "../ui/elements.js";

/**
 * @import { Photo, Status } from "../model/types.js"
 * @typedef {object} CardActions what the buttons do
 * @property {(photo: Photo) => void} toggle shows or hides the result
 * @property {(photo: Photo, control: Element) => void} download
 * @property {(photo: Photo) => void} delete
 * @property {(photo: Photo) => void} again
 * @property {(photo: Photo) => void} cancel
 * @typedef {{ action: keyof CardActions, icon: string, text: string, style: string }} CardButton
 */

const SHOW = "Show result";
const HIDE = "Hide result";

/** @param {Photo} photo */
function factsOf({ job, file }) {
  if (!job) return file ? fileSize(file.size) : "";
  const { bytes, width, height, format } = job.photo;
  return [`${width} × ${height}`, formatName(format), fileSize(bytes), strengthName(job.options)].join(" · ");
}

/**
 * @param {Photo} photo
 * @param {Status} status
 * @returns {CardButton[]}
 */
function buttonsFor({ job, file }, status) {
  if (job?.state === "done") {
    return [
      { action: "toggle", icon: "open", text: SHOW, style: "main" },
      { action: "download", icon: "download", text: "Download", style: "" },
      { action: "delete", icon: "delete", text: "Delete", style: "quiet" },
    ];
  }
  if (status.kind === "work") return [{ action: "cancel", icon: "remove", text: "Cancel", style: "quiet" }];
  /** @type {CardButton} */
  const remove = { action: "delete", icon: "remove", text: "Remove", style: "quiet" };
  if (!file || status.permanent) return [remove];
  return [{ action: "again", icon: "again", text: "Try again", style: "" }, remove];
}

export class PhotoCard {
  /**
   * @param {Photo} photo
   * @param {CardActions} actions
   */
  constructor(photo, actions) {
    this.photo = photo;
    this.actions = actions;
    this.thumbnail = make("div", { class: "thumbnail" }, icon("photo"));
    this.facts = make("p", { class: "facts" });
    this.icon = make("span", { class: "status-icon" });
    this.text = make("span");
    this.status = make("p", { class: "status" }, this.icon, this.text);
    this.progress = make("progress", { max: 1, "aria-label": `Progress of ${photo.name}` });
    this.details = make("ul", { class: "details" });
    this.buttons = make("p", { class: "buttons" });
    this.result = make("div", { class: "result", id: `result-${photo.key}`, hidden: true });
    this.name = make("h3", { class: "name", tabindex: "-1", text: photo.name });
    const texts = make("div", {}, this.name, this.facts, this.status, this.progress, this.details);
    const row = make("div", { class: "row" }, this.thumbnail, texts, this.buttons);
    this.element = make("li", { class: "card" }, row, this.result);
    this.offered = "";
  }

  /**
   * Show the photo as it is now, behind `ahead` of the owner's waiting photos.
   * @param {number} ahead
   */
  update(ahead) {
    const { photo } = this;
    const status = statusOf(photo, ahead);
    setText(this.facts, factsOf(photo));
    setText(this.text, status.text);
    this.status.dataset.kind = status.kind;
    if (this.icon.dataset.name !== status.icon) {
      this.icon.dataset.name = status.icon;
      this.icon.replaceChildren(icon(status.icon));
    }
    this.progress.hidden = status.fraction === undefined;
    if (status.fraction === null) this.progress.removeAttribute("value");
    else if (status.fraction !== undefined) this.progress.value = status.fraction;
    const errors = status.errors.map(([option, explanation]) => `${option}: ${explanation}`);
    const lines = [...status.details, ...errors, ...this.notes];
    if (this.details.textContent !== lines.join("")) {
      this.details.replaceChildren(...lines.map((text) => make("li", { text })));
    }
    this.offer(buttonsFor(photo, status));
  }

  get notes() {
    if (!this.photo.unviewable || this.photo.upload?.state === "failed") return [];
    return ["Your browser cannot display this kind of photo, but it can still be protected."];
  }

  /** @param {CardButton[]} offers */
  offer(offers) {
    const offered = offers.map(({ text }) => text).join();
    if (offered === this.offered) return;
    this.offered = offered;
    const focused = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(
      ...offers.map(({ action, icon: name, text, style }) =>
        button(name, text, {
          class: `button ${style}`,
          "aria-label": `${text}: ${this.photo.name}`,
          "aria-expanded": action === "toggle" ? "false" : null,
          "aria-controls": action === "toggle" ? this.result.id : null,
          onclick: (/** @type {{ currentTarget: Element }} */ { currentTarget }) =>
            this.actions[action](this.photo, currentTarget),
        }),
      ),
    );
    if (focused) (this.buttons.querySelector("button") ?? this.name).focus();
  }

  /**
   * Show on the button whether the result is open.
   * @param {boolean} open
   */
  setOpen(open) {
    this.result.hidden = !open;
    const toggle = this.buttons.querySelector("[aria-expanded]");
    if (!toggle) return;
    const text = open ? HIDE : SHOW;
    toggle.setAttribute("aria-expanded", String(open));
    toggle.setAttribute("aria-label", `${text}: ${this.photo.name}`);
    setButtonText(toggle, text);
  }
}
