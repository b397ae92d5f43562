/** The list of photos, newest first, with their thumbnails and the one result that is open. */

import { isSettled, jobsOf, summary, waitingAhead } from "../model/photo.js";
import { readFile } from "../service/api.js";
import { showReachable } from "../ui/banners.js";
import { button, byId, setText } from "../ui/elements.js";
import { thumbnail } from "../ui/images.js";
import { PhotoCard } from "./photo-card.js";

/**
 * @import { Job, Photo } from "../model/types.js"
 * @import { CardActions } from "./photo-card.js"
 * @import { ResultActions } from "./result-panel.js"
 * @typedef {object} ListActions
 * @property {(control: Element) => void} downloadAll
 * @property {() => void} deleteAll
 * @property {(control: Element) => void} older lists older photos
 * @typedef {Omit<CardActions, "toggle"> & ResultActions & ListActions} Actions
 */

const TITLE = "Recessive: photos that are harder to find";
const SIDE = 192; // pixels of a thumbnail
const MOST_BYTES = 12_000_000; // of a protected photo that is fetched for its thumbnail alone

export class PhotoList {
  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    /** @type {Photo[]} */
    this.photos = [];
    /** @type {Map<Photo, PhotoCard>} */
    this.cards = new Map();
    this.list = byId("list");
    this.thumbnails = new Thumbnails((photo) => {
      photo.unviewable = true;
      this.update(photo);
    });
    this.openResult = new OpenResult(actions);
    const target = (/** @type {{ currentTarget: Element }} */ event) => event.currentTarget;
    this.zip = button("download", "Download all (ZIP)", {
      class: "button",
      onclick: (/** @type {any} */ event) => actions.downloadAll(target(event)),
    });
    this.clear = button("delete", "Delete all", { class: "button quiet", onclick: () => actions.deleteAll() });
    byId("all-actions").append(this.zip, this.clear);
    const older = button("open", "Show older photos", {
      class: "button",
      onclick: (/** @type {any} */ event) => actions.older(target(event)),
    });
    byId("older").append(older);
  }

  /**
   * Add photos in their order, above all others or below them.
   * @param {Photo[]} photos
   * @param {{ below?: boolean }} [place]
   */
  add(photos, { below = false } = {}) {
    const actions = { ...this.actions, toggle: (/** @type {Photo} */ photo) => this.toggle(photo) };
    const cards = photos.map((photo) => new PhotoCard(photo, actions));
    for (const card of cards) this.cards.set(card.photo, card);
    this.photos = below ? [...this.photos, ...photos] : [...photos, ...this.photos];
    this.list[below ? "append" : "prepend"](...cards.map(({ element }) => element));
    for (const photo of photos) this.update(photo);
  }

  /**
   * Take a photo off the page, if it is on it.
   * @param {Photo | undefined} photo
   */
  remove(photo) {
    const card = photo && this.cards.get(photo);
    if (!card) return;
    if (this.openResult.photo === photo) this.openResult.close();
    const place = this.photos.indexOf(photo);
    const focused = card.element.contains(document.activeElement);
    this.photos.splice(place, 1);
    this.cards.delete(photo);
    card.element.remove();
    this.thumbnails.forget(card);
    this.updateWaiting();
    const next = this.photos[place] ?? this.photos[place - 1];
    if (focused) (this.cards.get(next)?.name ?? byId("choose")).focus();
  }

  /** @param {string} id of its job */
  find(id) {
    return this.photos.find((photo) => photo.job?.id === id);
  }

  /** @param {boolean} yes */
  offerOlder(yes) {
    byId("older").hidden = !yes;
  }

  /** @returns {Job[]} newest first */
  get jobs() {
    return jobsOf(this.photos);
  }

  get done() {
    return this.photos.filter(({ job }) => job?.state === "done");
  }

  /**
   * Show a photo as it is now.
   * @param {Photo} photo
   */
  update(photo) {
    const card = this.cards.get(photo);
    if (!card) return;
    this.thumbnails.watch(card);
    card.update(waitingAhead(this.photos, photo.job));
    this.updateTotals();
  }

  /** Show the new positions of waiting photos. */
  updateWaiting() {
    for (const [{ job }, card] of this.cards) if (job?.state === "waiting") card.update(waitingAhead(this.photos, job));
    this.updateTotals();
  }

  updateTotals() {
    const all = this.photos.length;
    byId("photos").hidden = all === 0;
    setText(byId("summary"), summary(this.photos));
    this.zip.hidden = this.done.length < 2;
    this.clear.hidden = all < 2;
    const settled = this.photos.filter(isSettled).length;
    document.title = settled < all ? `(${settled}/${all}) Recessive` : TITLE;
  }

  /** @param {Photo} photo */
  scrollTo(photo) {
    this.cards.get(photo)?.element.scrollIntoView({ block: "nearest" });
  }

  /**
   * Do not load the thumbnail of a photo that is about to be deleted.
   * @param {Photo} photo
   */
  forgetThumbnail(photo) {
    const card = this.cards.get(photo);
    if (card) this.thumbnails.forget(card);
  }

  /** @param {Photo} photo */
  toggle(photo) {
    const card = this.cards.get(photo);
    const closing = this.openResult.photo === photo;
    this.openResult.close();
    if (card && !closing) this.openResult.open(card);
  }

  /**
   * Open the result of a photo unless another one is open.
   * @param {Photo} photo
   */
  openIfNoneIs(photo) {
    if (!this.openResult.photo) this.toggle(photo);
  }
}

/** The result that is open, at most one: its pictures are large. */
class OpenResult {
  /** @param {ResultActions} actions */
  constructor(actions) {
    this.actions = actions;
    /** @type {PhotoCard | null} */
    this.card = null;
    this.closeResult = () => {};
  }

  get photo() {
    return this.card?.photo ?? null;
  }

  /** @param {PhotoCard} card */
  async open(card) {
    this.card = card;
    card.setOpen(true);
    const { showResult } = await import("./result-panel.js").catch(() => ({ showResult: null }));
    if (!showResult) {
      showReachable(false);
      if (this.card === card) this.close();
      return;
    }
    const reopen = () => {
      if (this.card !== card) return;
      this.closeResult();
      const photo = /** @type {Photo & { job: Job }} */ (card.photo);
      this.closeResult = showResult(photo, card.result, { ...this.actions, reopen });
    };
    reopen();
  }

  close() {
    this.card?.setOpen(false);
    this.closeResult();
    this.closeResult = () => {};
    this.card = null;
  }
}

/** Thumbnails of photos, drawn one after another once they are about to come into view. */
class Thumbnails {
  /** @param {(photo: Photo) => void} unviewable called with photos that the browser cannot display */
  constructor(unviewable) {
    this.unviewable = unviewable;
    /** @type {Map<Element, PhotoCard>} */
    this.pending = new Map();
    /** @type {WeakSet<PhotoCard>} */
    this.begun = new WeakSet();
    /** @type {Promise<void>} */
    this.last = Promise.resolve();
    const drawVisible = (/** @type {IntersectionObserverEntry[]} */ entries) => {
      for (const { target, isIntersecting } of entries) if (isIntersecting) this.draw(target);
    };
    this.observer = new IntersectionObserver(drawVisible, { rootMargin: "400px" });
  }

  /**
   * Draw a photo's thumbnail from the original or, without one, from the protected photo.
   * @param {PhotoCard} card
   */
  watch(card) {
    const { file, job } = card.photo;
    const drawable = file || (job?.state === "done" && job.photo.bytes <= MOST_BYTES);
    if (this.begun.has(card) || !drawable) return;
    this.pending.set(card.thumbnail, card);
    this.observer.observe(card.thumbnail);
  }

  /** @param {Element} target */
  async draw(target) {
    const card = this.pending.get(target);
    this.observer.unobserve(target);
    if (!card || this.begun.has(card)) return;
    this.begun.add(card);
    const { photo } = card;
    const drawn = this.last.then(async () => {
      if (!this.pending.has(target)) return; // deleted meanwhile
      const blob = photo.file ?? (await readFile(`/v1/jobs/${photo.job?.id}/photo`).catch(() => null))?.blob;
      if (!blob) return;
      const canvas = await thumbnail(blob, SIDE);
      if (canvas) target.replaceChildren(canvas);
      else this.unviewable(photo);
      this.pending.delete(target);
    });
    this.last = drawn.catch(() => {});
    await drawn;
  }

  /** @param {PhotoCard} card */
  forget(card) {
    this.pending.delete(card.thumbnail);
    this.observer.unobserve(card.thumbnail);
  }
}
