/** What becomes of jobs: one event stream for the one at the front, the list now and then for all others. */

import { read, readHealth, request } from "./api.js";
import { events } from "./events.js";

const POLL = 3000; // ms; browsers hold six connections to a host, so that one stream for each job would stop all else
const POLL_UNSEEN = 15_000; // while nobody looks at the page
const FIRST_EVENT = 6000; // a stream that is silent for so long is held back by some proxy
const GIVE_UP_STREAMS = 3;
const NO_STREAMS_FOR = 60_000;
const HEALTH = 10_000;
const PAGE = 100;
const FINAL = ["done", "failed", "cancelled"];

export function finished(job) {
  return FINAL.includes(job.state);
}

/** Whether something of it will still change: its state, or its delivery. */
function moving(job) {
  return !finished(job) || job.delivery?.state === "waiting";
}

/**
 * Follow jobs. `jobs()` gives those known, `changed(job)` gets each as it is now, `gone(id)` those that the service no
 * longer has, `reachable(bool)` is told whether it answers, `health(status)` what it says while jobs wait for long.
 */
export class Follow {
  constructor({ jobs, changed, gone, reachable, health }) {
    Object.assign(this, { jobs, changed, gone, reachable, health });
    this.streaming = null;
    this.silent = false;
    this.failures = 0;
    this.noStreamsUntil = 0;
    this.healthAt = 0;
    this.timer = null;
    document.addEventListener("visibilitychange", () => this.look());
    window.addEventListener("online", () => this.look());
  }

  /** Something is new: look at once. */
  look() {
    clearTimeout(this.timer);
    if (document.hidden) this.streaming?.abort();
    this.timer = setTimeout(() => this.tick(), 0);
  }

  async tick() {
    const open = this.jobs().filter(moving);
    const unfinished = open.filter((job) => !finished(job));
    this.stream(unfinished);
    const others = open.length > (this.streaming ? 1 : 0);
    if (others || this.silent) await this.poll(open);
    await this.askHealth(unfinished);
    clearTimeout(this.timer);
    if (open.length > 0 || this.silent) {
      this.timer = setTimeout(() => this.tick(), document.hidden ? POLL_UNSEEN : POLL);
    }
  }

  answered(yes) {
    this.silent = !yes;
    this.reachable(yes);
  }

  async poll(open) {
    try {
      const { jobs } = await read(`/v1/jobs?limit=${PAGE}`);
      this.answered(true);
      jobs.forEach((job) => this.changed(job));
      const listed = new Set(jobs.map((job) => job.id));
      for (const job of open) if (!listed.has(job.id)) await this.readOne(job.id);
    } catch (problem) {
      if (problem.passes) this.answered(false);
    }
  }

  async readOne(id) {
    try {
      this.changed(await read(`/v1/jobs/${id}`));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      this.gone(id);
    }
  }

  /** While all wait and none is worked on: whether anybody is there to work. */
  async askHealth(unfinished) {
    const stuck = unfinished.length > 0 && unfinished.every((job) => job.state === "waiting");
    if (!stuck) this.health(null);
    if (!stuck || Date.now() < this.healthAt) return;
    this.healthAt = Date.now() + HEALTH;
    this.health(await readHealth());
  }

  /** The event stream of the job at the front, one at a time; the next when it is finished. */
  async stream(unfinished) {
    if (this.streaming || document.hidden || Date.now() < this.noStreamsUntil) return;
    const front = unfinished.find((job) => job.state === "running") ?? unfinished.at(-1);
    if (!front) return;
    const stop = (this.streaming = new AbortController());
    const over = await this.listen(front.id, stop).catch((problem) => this.broken(front.id, problem));
    stop.abort(); // ends the connection
    this.streaming = null;
    if (over) this.look();
    else if (!document.hidden) await this.poll(this.jobs().filter(moving));
  }

  /** True when there is no need to hear more of this job. */
  async listen(id, stop) {
    const silent = setTimeout(() => stop.abort(), FIRST_EVENT);
    const init = { signal: stop.signal, headers: { Accept: "text/event-stream" } };
    try {
      for await (const job of events(await request(`/v1/jobs/${id}/events`, init))) {
        clearTimeout(silent);
        this.failures = 0;
        this.answered(true);
        this.changed(job);
        const overtaken = job.state === "waiting" && this.jobs().some(({ state }) => state === "running");
        if (finished(job) || overtaken) return true;
      }
      return false;
    } finally {
      clearTimeout(silent);
    }
  }

  /** A stream that ended with an error: after some of them, the list has to do for a while. */
  broken(id, problem) {
    if (problem.status === 404) this.gone(id);
    else if (!document.hidden) this.failures += 1;
    if (this.failures >= GIVE_UP_STREAMS) {
      this.failures = 0;
      this.noStreamsUntil = Date.now() + NO_STREAMS_FOR;
    }
    return false;
  }
}
