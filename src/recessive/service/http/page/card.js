/** One photo in the list. */

import { button, icon, make, put } from "./element.js";
import { stateOf } from "./state.js";
import { format, size, strength } from "./words.js";

function facts(photo) {
  const { job, file } = photo;
  if (!job) return size(file.size);
  const { bytes, width, height } = job.photo;
  return [`${width} × ${height}`, format(job.photo.format), size(bytes), strength(job.options)].join(" · ");
}

/** What can be done with it now: [icon, words, what to call, class]. */
function actionsOf(photo, state) {
  const { job, upload } = photo;
  if (job?.state === "done") {
    return [
      ["open", "See the result", "open", "main"],
      ["download", "Download", "download", ""],
      ["delete", "Delete", "erase", "quiet"],
    ];
  }
  if (state.kind !== "work") {
    const again = photo.file && !state.hopeless ? [["again", "Try again", "again", ""]] : [];
    return [...again, ["remove", "Remove", "erase", "quiet"]];
  }
  return job || upload ? [["remove", "Cancel", "cancel", "quiet"]] : [];
}

/**
 * The card of a photo. `act` has what can be done with it: `open`, `download`, `erase`, `again`, `cancel`, each called
 * with the photo.
 */
export class Card {
  constructor(photo, act) {
    this.photo = photo;
    this.act = act;
    this.thumb = make("div", { class: "thumb" }, icon("photo"));
    this.facts = make("p", { class: "facts" });
    this.icon = make("span", { class: "state-icon" });
    this.text = make("span");
    this.state = make("p", { class: "state" }, this.icon, this.text);
    this.bar = make("progress", { max: 1, "aria-label": `Progress of ${photo.name}` });
    this.more = make("ul", { class: "more" });
    this.buttons = make("p", { class: "buttons" });
    this.result = make("div", { class: "result", id: `result-${photo.key}`, hidden: true });
    this.name = make("h3", { class: "name", tabindex: "-1", text: photo.name });
    this.element = make(
      "li",
      { class: "card" },
      make(
        "div",
        { class: "row" },
        this.thumb,
        make("div", { class: "words" }, this.name, this.facts, this.state, this.bar, this.more),
        this.buttons,
      ),
      this.result,
    );
    this.shown = "";
  }

  /** Show the photo as it is now; `before` of the owner's photos wait before it. */
  update(before) {
    const { photo } = this;
    const state = stateOf(photo, before);
    put(this.facts, facts(photo));
    put(this.text, state.text);
    this.state.dataset.kind = state.kind;
    if (this.icon.dataset.name !== state.icon) {
      this.icon.dataset.name = state.icon;
      this.icon.replaceChildren(icon(state.icon));
    }
    this.bar.hidden = state.fraction === undefined;
    if (state.fraction === null) this.bar.removeAttribute("value");
    else if (state.fraction !== undefined) this.bar.value = state.fraction;
    const lines = [...state.more, ...state.errors.map(([option, wrong]) => `${option}: ${wrong}`), ...this.notes()];
    if (this.more.textContent !== lines.join("")) {
      this.more.replaceChildren(...lines.map((text) => make("li", { text })));
    }
    this.offer(actionsOf(photo, state));
  }

  notes() {
    if (!this.photo.unviewable || this.photo.upload?.state === "failed") return [];
    return ["Your browser cannot show this kind of photo. Protecting it works all the same."];
  }

  offer(actions) {
    const shown = actions.map(([, words]) => words).join();
    if (shown === this.shown) return;
    this.shown = shown;
    const focused = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(
      ...actions.map(([name, words, act, looks]) =>
        button(name, words, {
          class: `button ${looks}`,
          "aria-label": `${words}: ${this.photo.name}`,
          "aria-expanded": act === "open" ? "false" : null,
          "aria-controls": act === "open" ? this.result.id : null,
          onclick: (event) => this.act[act](this.photo, event.currentTarget),
        }),
      ),
    );
    if (focused) (this.buttons.querySelector("button") ?? this.name).focus();
  }

  /** Say on the button whether the result is open. */
  opened(yes) {
    const opener = this.buttons.querySelector("[aria-expanded]");
    opener?.setAttribute("aria-expanded", yes);
    if (opener) put(opener.querySelector("span"), yes ? "Close the result" : "See the result");
    opener?.setAttribute("aria-label", `${yes ? "Close the result" : "See the result"}: ${this.photo.name}`);
    this.result.hidden = !yes;
  }
}
