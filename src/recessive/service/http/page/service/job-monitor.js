/** Follows jobs: one event stream for the job at the front, and now and then the list for all others. */

import { isChanging, isFinished } from "../model/photo.js";
import { readEvents, readHealth, readJson, request } from "./api.js";

/**
 * @import { Health, Job } from "../model/types.js"
 * @import { Problem } from "../model/problem.js"
 */

const POLL = 3000; // ms. Browsers hold six connections to a host: a stream for each job would block everything else
const POLL_HIDDEN = 15_000; // while the page is not visible
const FIRST_EVENT = 6000; // a stream that is silent for so long is held back by a proxy
const STREAM_FAILURES = 3;
const NO_STREAMS_FOR = 60_000;
const HEALTH = 10_000;
const PAGE = 100;

export class JobMonitor {
  /**
   * @param {object} callbacks
   * @param {() => Job[]} callbacks.jobs returns the known jobs
   * @param {(job: Job) => void} callbacks.changed called with each job as it is now
   * @param {(id: string) => void} callbacks.gone called with jobs that the service no longer has
   * @param {(yes: boolean) => void} callbacks.reachable called with whether the service responds
   * @param {(health: Health | null) => void} callbacks.health called with the service's health while all jobs wait
   */
  constructor({ jobs, changed, gone, reachable, health }) {
    this.jobs = jobs;
    this.changed = changed;
    this.gone = gone;
    this.reachable = reachable;
    this.health = health;
    /** @type {AbortController | null} */
    this.streaming = null;
    this.silent = false;
    this.failures = 0;
    this.noStreamsUntil = 0;
    this.healthAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    document.addEventListener("visibilitychange", () => this.refresh());
    window.addEventListener("online", () => this.refresh());
  }

  /** Look at the jobs at once: something is new. */
  refresh() {
    clearTimeout(this.timer);
    if (document.hidden) this.streaming?.abort();
    this.timer = setTimeout(() => this.tick(), 0);
  }

  async tick() {
    const changing = this.jobs().filter(isChanging);
    const unfinished = changing.filter((job) => !isFinished(job));
    this.stream(unfinished);
    const others = changing.length > (this.streaming ? 1 : 0);
    if (others || this.silent) await this.poll(changing);
    await this.checkHealth(unfinished);
    clearTimeout(this.timer);
    if (changing.length > 0 || this.silent) {
      this.timer = setTimeout(() => this.tick(), document.hidden ? POLL_HIDDEN : POLL);
    }
  }

  /** @param {boolean} yes */
  answered(yes) {
    this.silent = !yes;
    this.reachable(yes);
  }

  /** @param {Job[]} changing */
  async poll(changing) {
    try {
      /** @type {{ jobs: Job[] }} */
      const { jobs } = await readJson(`/v1/jobs?limit=${PAGE}`);
      this.answered(true);
      for (const job of jobs) this.changed(job);
      const listed = new Set(jobs.map((job) => job.id));
      for (const job of changing) if (!listed.has(job.id)) await this.readOne(job.id);
    } catch (problem) {
      if (problem.temporary) this.answered(false);
    }
  }

  /** @param {string} id */
  async readOne(id) {
    try {
      this.changed(await readJson(`/v1/jobs/${id}`));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      this.gone(id);
    }
  }

  /**
   * While all jobs wait, check whether any worker is running.
   * @param {Job[]} unfinished
   */
  async checkHealth(unfinished) {
    const stuck = unfinished.length > 0 && unfinished.every((job) => job.state === "waiting");
    if (!stuck) this.health(null);
    if (!stuck || Date.now() < this.healthAt) return;
    this.healthAt = Date.now() + HEALTH;
    this.health(await readHealth());
  }

  /**
   * Read the event stream of the job at the front; one stream at a time.
   * @param {Job[]} unfinished
   */
  async stream(unfinished) {
    if (this.streaming || document.hidden || Date.now() < this.noStreamsUntil) return;
    const front = unfinished.find((job) => job.state === "running") ?? unfinished.at(-1);
    if (!front) return;
    const stop = new AbortController();
    this.streaming = stop;
    const over = await this.listen(front.id, stop).catch((problem) => this.streamFailed(front.id, problem));
    stop.abort(); // closes the connection
    this.streaming = null;
    if (over) this.refresh();
    else if (!document.hidden) await this.poll(this.jobs().filter(isChanging));
  }

  /**
   * True when nothing more is to be heard of this job.
   * @param {string} id
   * @param {AbortController} stop
   */
  async listen(id, stop) {
    const silence = setTimeout(() => stop.abort(), FIRST_EVENT);
    const init = { signal: stop.signal, headers: { Accept: "text/event-stream" } };
    try {
      for await (const job of readEvents(await request(`/v1/jobs/${id}/events`, init))) {
        clearTimeout(silence);
        this.failures = 0;
        this.answered(true);
        this.changed(job);
        const overtaken = job.state === "waiting" && this.jobs().some(({ state }) => state === "running");
        if (isFinished(job) || overtaken) return true;
      }
      return false;
    } finally {
      clearTimeout(silence);
    }
  }

  /**
   * After some streams that failed, only the list is read for a while.
   * @param {string} id
   * @param {Problem} problem
   */
  streamFailed(id, problem) {
    if (problem.status === 404) this.gone(id);
    else if (!document.hidden) this.failures += 1;
    if (this.failures >= STREAM_FAILURES) {
      this.failures = 0;
      this.noStreamsUntil = Date.now() + NO_STREAMS_FOR;
    }
    return false;
  }
}
