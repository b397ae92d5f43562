/** The upload queue: a few photos at a time, and again when the network or the service fails. */

import { Problem } from "../model/problem.js";
import { readHealth, upload } from "./api.js";

/** @import { Job, Photo, Upload } from "../model/types.js" */

const CONCURRENT = 3;
const LONGEST_DELAY = 30; // seconds between attempts when the service does not respond
const PATIENCE = 600; // seconds that the service may ask to wait; beyond, the owner decides
const FAILURES = 5; // attempts without a response before the service's health is checked

/** 128 random bits in hexadecimal. `crypto.randomUUID` is missing on pages that came without TLS. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Seconds until the next attempt after a number of attempts without a response.
 * @param {number} failures
 */
export function retryDelay(failures) {
  return Math.min(2 ** (failures - 1), LONGEST_DELAY);
}

/**
 * How many milliseconds to wait before the photo is sent again because the service asked for it; null when the failure
 * has another reason, or the wait would be too long.
 * @param {Problem} problem
 */
export function requestedWait({ status, retryAfter }) {
  return status === 429 && retryAfter !== null && retryAfter <= PATIENCE ? 1000 * retryAfter : null;
}

/**
 * Why uploads of a file fail without a response although the network works; null when the network may be at fault.
 * @param {File} file
 * @param {number} failures
 */
async function lastingProblem(file, failures) {
  const readable = await file
    .slice(0, 1)
    .arrayBuffer()
    .catch(() => null);
  if (!readable) return new Problem(415, "This photo was changed or moved after you added it. Add it again.");
  if (failures < FAILURES || !(await readHealth())) return null;
  return new Problem(408, "The upload was interrupted several times although the service is responding.");
}

export class UploadQueue {
  /**
   * @param {object} callbacks
   * @param {(photo: Photo) => void} callbacks.changed called when `photo.upload` has changed
   * @param {(photo: Photo, job: Job) => void} callbacks.accepted called when the photo has become a job
   * @param {typeof upload} [send] uploads one photo
   */
  constructor({ changed, accepted }, send = upload) {
    this.changed = changed;
    this.accepted = accepted;
    this.send = send;
    /** @type {Photo[]} */
    this.waiting = [];
    this.active = 0;
    this.freeAt = 0; // when the service accepts photos again, in ms
  }

  /** @param {Photo} photo */
  add(photo) {
    photo.idempotencyKey ??= randomKey();
    photo.abort = new AbortController();
    photo.upload = { state: "queued", fraction: 0 };
    this.waiting.push(photo);
    this.changed(photo);
    this.start();
  }

  /**
   * Cancel an upload. False when everything has been sent already, so that a job may come of it.
   * @param {Photo} photo
   */
  cancel(photo) {
    this.waiting = this.waiting.filter((other) => other !== photo);
    if (photo.upload?.sent) return false;
    photo.abort?.abort();
    return true;
  }

  start() {
    while (this.active < CONCURRENT) {
      const photo = this.waiting.shift();
      if (!photo) return;
      this.active += 1;
      this.run(photo).finally(() => {
        this.active -= 1;
        this.start();
      });
    }
  }

  /** @param {Photo} photo */
  async run(photo) {
    const aborted = () => photo.abort?.signal.aborted;
    for (let failures = 0; !aborted(); ) {
      await this.pause(photo, "busy", this.freeAt);
      if (aborted()) return;
      /** @type {any} */
      let problem = null;
      const job = await this.attempt(photo).catch((error) => {
        problem = error;
      });
      if (job) {
        this.accepted(photo, job);
        return;
      }
      if (problem.name === "AbortError") return;
      const wait = requestedWait(problem);
      if (wait !== null) {
        this.freeAt = Math.max(this.freeAt, Date.now() + wait);
        photo.upload = { state: "busy", until: this.freeAt, problem };
        continue;
      }
      if (problem.temporary) failures += 1;
      const lasting = problem.temporary ? await lastingProblem(/** @type {File} */ (photo.file), failures) : problem;
      if (lasting) {
        photo.upload = { state: "failed", problem: lasting };
        this.changed(photo);
        return;
      }
      await this.pause(photo, "offline", Date.now() + 1000 * retryDelay(failures));
    }
  }

  /**
   * @param {Photo} photo
   * @returns {Promise<Job>}
   */
  attempt(photo) {
    /** @type {Upload} */
    const state = { state: "sending", fraction: 0, sent: false };
    photo.upload = state;
    this.changed(photo);
    const form = new FormData();
    for (const [name, value] of photo.fields) form.append(name, value);
    form.append("photo", /** @type {File} */ (photo.file), photo.name);
    return this.send(form, {
      idempotencyKey: /** @type {string} */ (photo.idempotencyKey),
      signal: /** @type {AbortController} */ (photo.abort).signal,
      progress: (fraction) => {
        state.fraction = fraction;
        this.changed(photo);
      },
      sent: () => {
        state.sent = true;
        state.fraction = 1;
        this.changed(photo);
      },
    });
  }

  /**
   * Wait until a time, or until the network is back. The photo shows each second how long it will still take.
   * @param {Photo} photo
   * @param {"busy" | "offline"} state
   * @param {number} until in ms
   */
  async pause(photo, state, until) {
    if (Date.now() >= until) return;
    photo.upload = { state, until, problem: photo.upload?.problem };
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      const tick = () => (Date.now() >= until ? done() : this.changed(photo));
      const timer = setInterval(tick, 1000);
      const done = () => {
        clearInterval(timer);
        window.removeEventListener("online", online);
        resolve();
      };
      const online = () => state === "offline" && done();
      window.addEventListener("online", online);
      photo.abort?.signal.addEventListener("abort", done);
      this.changed(photo);
    });
  }
}
