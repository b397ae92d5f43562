/** What happens to photos: they are added, sent, followed, opened, saved and deleted. */

import { read, request } from "./api.js";
import { confirm } from "./dialogs.js";
import { say } from "./element.js";
import { Follow } from "./follow.js";
import { Opened } from "./opened.js";
import * as options from "./options.js";
import { Photos } from "./photos.js";
import { download, downloadAll } from "./save.js";
import { busy, health, reachable } from "./troubles.js";
import { Uploads } from "./uploads.js";
import { outcome, several, size } from "./words.js";

const PAGE = 50; // photos of earlier that are listed at once

export class Desk {
  constructor() {
    this.limits = {};
    this.older = null; // cursor of the next page of jobs
    this.opened = new Opened({ busy, again: (photo) => this.again(photo) });
    this.photos = new Photos({
      open: (photo) => this.opened.toggle(photo),
      download: (photo, control) => busy(control, () => download(`/v1/jobs/${photo.job.id}/photo`, photo.name)),
      erase: (photo) => this.erase(photo),
      again: (photo) => this.again(photo),
      cancel: (photo) => this.cancel(photo),
      zip: (control) => busy(control, () => this.zip()),
      clear: () => this.clear(),
      older: (control) => busy(control, () => this.listEarlier(this.older)),
    });
    this.uploads = new Uploads({
      changed: (photo) => this.photos.show(photo),
      accepted: (photo, job) => this.accepted(photo, job),
    });
    this.follow = new Follow({
      jobs: () => this.photos.jobs(),
      changed: (job) => this.changed(job),
      gone: (id) => this.forget(this.photos.find(id)),
      reachable,
      health,
    });
  }

  add(files) {
    if (files.length === 0) return;
    const fields = options.fields(options.chosen());
    const queued = { state: "queued", fraction: 0 };
    const made = files.map((file) => ({ file, name: file.name, fields, job: null, upload: queued }));
    this.photos.add(made);
    options.stepAside();
    say(`${several(made.length, "photo")} added.`);
    for (const photo of made) {
      const message = this.refused(photo.file);
      if (!message) this.uploads.add(photo);
      else {
        photo.upload = { state: "failed", problem: { message, errors: [] } };
        this.photos.show(photo);
        say(`${photo.name}: ${message}`);
      }
    }
    made[0].card.element.scrollIntoView({ block: "nearest" });
  }

  /** Why a file need not be sent at all; null when it may be. */
  refused({ name, type, size: bytes }) {
    const most = this.limits.max_bytes ?? Infinity;
    const perhaps = type === "" || type.startsWith("image/") || /\.(heic|heif|avif|tiff?)$/i.test(name);
    if (!perhaps) return "This is not a photo.";
    if (bytes === 0) return "This file is empty.";
    if (bytes > most)
      return `This photo has ${size(bytes)}; the service takes at most ${size(most)}. Save it smaller first.`;
    return null;
  }

  accepted(photo, job) {
    this.photos.remove(this.photos.find(job.id)); // where the list was quicker than the answer
    photo.job = job;
    photo.upload = null;
    if (photo.unwanted) this.cancel(photo);
    this.photos.show(photo);
    this.photos.showWaiting();
    reachable(true);
    this.follow.look();
  }

  changed(job) {
    const photo = this.photos.find(job.id);
    if (!photo) {
      const perhapsOurs = this.photos.all.some(({ upload }) => upload?.sent);
      if (!perhapsOurs) this.adopt([job]);
      return;
    }
    const before = photo.job.state;
    photo.job = job;
    this.photos.show(photo);
    if (before === job.state) return;
    this.photos.showWaiting();
    if (job.state === "failed") say(`${photo.name} failed: ${job.error}`);
    if (job.state !== "done") return;
    say(`${photo.name}: done. ${outcome(job).line}.`);
    const mine = this.photos.all.filter(({ file }) => file);
    if (mine.length === 1 && mine[0] === photo && !this.opened.photo) this.opened.open(photo);
  }

  /** Jobs of an earlier visit, or of another page, whose originals are not here. */
  adopt(jobs, below = false) {
    const unknown = jobs.filter(({ id }) => !this.photos.find(id));
    if (unknown.length > 0) options.stepAside();
    this.photos.add(
      unknown.map((job) => ({ file: null, name: job.name, job, upload: null })),
      { below },
    );
  }

  /** List photos of earlier: the newest, or with a cursor those before. */
  async listEarlier(cursor = null) {
    const from = cursor ? `&before=${encodeURIComponent(cursor)}` : "";
    const page = await read(`/v1/jobs?limit=${PAGE}${from}`);
    this.adopt(page.jobs, true);
    this.older = page.next;
    this.photos.offerOlder(this.older !== null);
    this.follow.look();
  }

  async listAll() {
    while (this.older) await this.listEarlier(this.older);
  }

  async zip() {
    await this.listAll();
    await downloadAll(this.photos.done().map(({ job }) => job.id));
  }

  cancel(photo) {
    if (photo.job) {
      busy(null, async () => this.changed(await read(`/v1/jobs/${photo.job.id}/cancel`, { method: "POST" })));
    } else if (this.uploads.cancel(photo)) this.photos.remove(photo);
    else photo.unwanted = true;
  }

  /** Send the same photo once more, with the options as they are now. */
  async again(photo) {
    const { file } = photo;
    const kept = photo.job?.state === "done";
    if (kept || (await busy(null, () => this.eraseNow(photo)))) this.add([file]);
  }

  forget(photo) {
    if (this.opened.photo === photo) this.opened.close();
    this.photos.remove(photo);
  }

  async eraseNow(photo) {
    this.photos.thumbnails.forget(photo);
    if (photo.job) {
      await request(`/v1/jobs/${photo.job.id}`, { method: "DELETE" }).catch((problem) => {
        if (problem.status !== 404) throw problem;
      });
    } else this.uploads.cancel(photo);
    this.forget(photo);
  }

  async erase(photo) {
    const consequence = "The protected photo and its report are gone then. What you have downloaded stays yours.";
    const needsWord = photo.job?.state === "done";
    if (needsWord && !(await confirm(`Delete ${photo.name} from the service?`, consequence))) return;
    if (await busy(null, () => this.eraseNow(photo))) say(`${photo.name} is deleted.`);
  }

  async clear() {
    if (!(await busy(null, () => this.listAll()))) return;
    const consequence =
      "Protected photos and reports are gone then, and what is under way ends. What you have downloaded stays yours.";
    if (!(await confirm(`Delete all ${this.photos.all.length} photos from the service?`, consequence))) return;
    const all = async () => {
      this.photos.all.forEach((photo) => this.photos.thumbnails.forget(photo));
      for (const photo of [...this.photos.all]) await this.eraseNow(photo);
    };
    if (!(await busy(null, all))) return;
    document.getElementById("choose").focus();
    say("All photos are deleted.");
  }

  /** Whether closing the page would lose photos that the service does not have yet. */
  get sending() {
    return this.photos.all.some(({ upload }) => upload && upload.state !== "failed");
  }
}
