/** Photos on their way to the service: a few at a time, and again when the network or the service is not there. */

import { Problem, readHealth, send } from "./api.js";

const AT_ONCE = 3;
const LONGEST_WAIT = 30; // seconds between tries without a network
const PATIENCE = 600; // seconds that the service may ask to wait before the owner is asked instead
const BROKEN_OFF = 5; // uploads that break off while the service answers otherwise

/** 128 random bits; `crypto.randomUUID` is missing where a page comes without TLS from another machine. */
function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is wrong when there is no answer, though the network is not to blame; null when it may be. */
async function lastingTrouble(file, silences) {
  const readable = await file
    .slice(0, 1)
    .arrayBuffer()
    .catch(() => null);
  if (!readable) return new Problem(415, "This photo was changed or moved after you had added it. Add it again.");
  if (silences < BROKEN_OFF || !(await readHealth())) return null;
  return new Problem(408, "The upload broke off several times, though the service answers.");
}

/**
 * Uploads. `changed(photo)` is called when `photo.upload` changed, `accepted(photo, job)` when it became a job.
 *
 * `photo.upload` is { state, fraction, until, problem }, the state "queued", "sending", "busy" (the service asked to
 * wait), "offline" (no answer) or "failed".
 */
export class Uploads {
  constructor({ changed, accepted }) {
    this.changed = changed;
    this.accepted = accepted;
    this.queue = [];
    this.active = 0;
    this.free = 0; // when the service takes photos again, in ms
  }

  add(photo) {
    photo.idempotency ??= randomName();
    photo.stop = new AbortController();
    photo.upload = { state: "queued", fraction: 0 };
    this.queue.push(photo);
    this.changed(photo);
    this.pump();
  }

  /** False when all is sent already: the job that comes of it is to be cancelled instead. */
  cancel(photo) {
    this.queue = this.queue.filter((other) => other !== photo);
    if (photo.upload.sent) return false;
    photo.stop.abort();
    return true;
  }

  pump() {
    while (this.active < AT_ONCE && this.queue.length > 0) {
      this.active += 1;
      this.run(this.queue.shift()).finally(() => {
        this.active -= 1;
        this.pump();
      });
    }
  }

  async run(photo) {
    for (let silences = 0; !photo.stop.signal.aborted;) {
      await this.pause(photo, "busy", this.free);
      if (photo.stop.signal.aborted) return;
      const [job, problem] = await this.sendNow(photo).then(
        (made) => [made, null],
        (raised) => [null, raised],
      );
      if (job) {
        this.accepted(photo, job);
        return;
      }
      if (problem.name === "AbortError") return;
      if (problem.status === 429 && problem.retryAfter !== null && problem.retryAfter <= PATIENCE) {
        this.free = Math.max(this.free, Date.now() + 1000 * problem.retryAfter);
        photo.upload.problem = problem;
        continue;
      }
      const lasting = problem.passes ? await lastingTrouble(photo.file, ++silences) : problem;
      if (lasting) {
        photo.upload = { state: "failed", problem: lasting };
        this.changed(photo);
        return;
      }
      await this.pause(photo, "offline", Date.now() + 1000 * Math.min(2 ** (silences - 1), LONGEST_WAIT));
    }
  }

  sendNow(photo) {
    const upload = (photo.upload = { state: "sending", fraction: 0, sent: false });
    this.changed(photo);
    const form = new FormData();
    for (const [name, value] of photo.fields) form.append(name, value);
    form.append("photo", photo.file, photo.name);
    return send(form, {
      idempotency: photo.idempotency,
      signal: photo.stop.signal,
      progress: (fraction) => {
        upload.fraction = fraction;
        this.changed(photo);
      },
      sent: () => {
        upload.sent = true;
        upload.fraction = 1;
        this.changed(photo);
      },
    });
  }

  /** Until a time, or until the network is back; the photo says how long still, each second. */
  async pause(photo, state, until) {
    if (Date.now() >= until) return;
    photo.upload = { state, until, problem: photo.upload.problem };
    await new Promise((resolve) => {
      const tick = () => (Date.now() >= until ? done() : this.changed(photo));
      const timer = setInterval(tick, 1000);
      const done = () => {
        clearInterval(timer);
        window.removeEventListener("online", back);
        resolve();
      };
      const back = () => state === "offline" && done();
      window.addEventListener("online", back);
      photo.stop.signal.addEventListener("abort", done);
      this.changed(photo);
    });
  }
}
