/** Small pictures of photos, drawn once they come into sight. */

import { readFile } from "./api.js";
import { thumbnail } from "./pixels.js";

const PIXELS = 192;
const MOST_BYTES = 12_000_000; // of a protected photo that is fetched for its small picture alone

/** `missing(photo)` is called for those that the browser cannot show. */
export class Thumbnails {
  constructor(missing) {
    this.missing = missing;
    this.photos = new Map();
    this.last = Promise.resolve();
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) if (isIntersecting) this.draw(target);
      },
      { rootMargin: "400px" },
    );
  }

  /** Draw a photo's small picture into its card once that is in sight, from whatever there is of it. */
  watch(photo) {
    const drawable = photo.file || (photo.job?.state === "done" && photo.job.photo.bytes <= MOST_BYTES);
    if (photo.thumbed || !drawable) return;
    this.photos.set(photo.card.thumb, photo);
    this.observer.observe(photo.card.thumb);
  }

  async draw(target) {
    const photo = this.photos.get(target);
    this.observer.unobserve(target);
    if (!photo || photo.thumbed) return;
    photo.thumbed = true;
    const mine = this.last.then(async () => {
      if (!this.photos.has(target)) return; // deleted meanwhile
      const blob = photo.file ?? (await readFile(`/v1/jobs/${photo.job.id}/photo`).catch(() => null))?.blob;
      if (!blob) return;
      const canvas = await thumbnail(blob, PIXELS);
      if (canvas) target.replaceChildren(canvas);
      else this.missing(photo);
      this.photos.delete(target);
    });
    this.last = mine.catch(() => {});
    await mine;
  }

  /** Of what is about to go. */
  forget(photo) {
    this.photos.delete(photo.card.thumb);
    this.observer.unobserve(photo.card.thumb);
  }
}
