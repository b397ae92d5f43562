/** All photos of this page, newest first, and their cards. */

import { Card } from "./card.js";
import { button, put } from "./element.js";
import { finished } from "./follow.js";
import { summary } from "./state.js";
import { Thumbnails } from "./thumbnails.js";

let keys = 0;

/**
 * Photos. Each is { key, name, file, fields, upload, job, card, unviewable }: `file` is null for those of an earlier
 * visit, `job` until the service has it.
 */
export class Photos {
  constructor(act) {
    this.act = act;
    this.all = [];
    this.list = document.getElementById("list");
    this.thumbnails = new Thumbnails((photo) => {
      photo.unviewable = true;
      this.show(photo);
    });
    const { zip, clear, older } = act;
    this.zip = button("download", "Download all (zip)", {
      class: "button",
      onclick: (event) => zip(event.currentTarget),
    });
    this.clear = button("delete", "Delete all", { class: "button quiet", onclick: () => clear() });
    document.getElementById("for-all").append(this.zip, this.clear);
    const more = button("open", "Show older photos", {
      class: "button",
      onclick: (event) => older(event.currentTarget),
    });
    document.getElementById("older").append(more);
  }

  /** New ones, in their order, above all others; `below`: older ones, below them. */
  add(made, { below = false } = {}) {
    for (const photo of made) {
      photo.key = ++keys;
      photo.card = new Card(photo, this.act);
    }
    this.all = below ? [...this.all, ...made] : [...made, ...this.all];
    this.list[below ? "append" : "prepend"](...made.map((photo) => photo.card.element));
    made.forEach((photo) => this.show(photo));
  }

  /** Take a photo off the page; nothing happens to what is not on it. */
  remove(photo) {
    const place = this.all.indexOf(photo);
    if (place < 0) return;
    const focused = photo.card.element.contains(document.activeElement);
    this.all.splice(place, 1);
    photo.card.element.remove();
    this.thumbnails.forget(photo);
    const next = this.all[place] ?? this.all[place - 1];
    this.showWaiting();
    if (focused) (next?.card.name ?? document.getElementById("choose")).focus();
  }

  find(id) {
    return this.all.find((photo) => photo.job?.id === id);
  }

  offerOlder(yes) {
    document.getElementById("older").hidden = !yes;
  }

  jobs() {
    return this.all.flatMap(({ job }) => (job ? [job] : [])).sort((a, b) => (a.created < b.created ? 1 : -1));
  }

  done() {
    return this.all.filter(({ job }) => job?.state === "done");
  }

  show(photo) {
    this.thumbnails.watch(photo);
    photo.card.update(photo.job?.state === "waiting" ? this.before(photo.job) : 0);
    this.showTotals();
  }

  before(job) {
    return this.all.filter((other) => other.job?.state === "waiting" && other.job.created < job.created).length;
  }

  /** The places of those that wait, after one left. */
  showWaiting() {
    for (const photo of this.all) if (photo.job?.state === "waiting") photo.card.update(this.before(photo.job));
    this.showTotals();
  }

  showTotals() {
    const [all, done] = [this.all.length, this.done().length];
    document.getElementById("photos").hidden = all === 0;
    put(document.getElementById("summary"), summary(this.all));
    this.zip.hidden = done < 2;
    this.clear.hidden = all < 2;
    const settled = this.all.filter(({ job, upload }) => (job ? finished(job) : upload?.state === "failed")).length;
    document.title = settled < all ? `(${settled}/${all}) Recessive` : "Recessive: photos that are harder to find";
  }
}
