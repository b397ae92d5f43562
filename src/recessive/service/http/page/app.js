/** What happens to photos: they are added, uploaded, followed, downloaded and deleted. */

import { photoFromFile, photoFromJob, rejection } from "./model/photo.js";
import { outcome, plural } from "./model/texts.js";
import { readFile, readJson, request } from "./service/api.js";
import { JobMonitor } from "./service/job-monitor.js";
import { UploadQueue } from "./service/upload-queue.js";
import { showHealth, showReachable, whileBusy } from "./ui/banners.js";
import { confirm } from "./ui/dialogs.js";
import { announce, byId, saveFile } from "./ui/elements.js";
import { PhotoList } from "./views/photo-list.js";

/**
 * @import { Job, Limits, Photo } from "./model/types.js"
 * @import { OptionsForm } from "./views/options-form.js"
 */

const PAGE = 50; // photos of earlier visits that are listed at once
const MOST_IN_ZIP = 200; // the service's limit

export class App {
  /** @param {OptionsForm} options */
  constructor(options) {
    this.options = options;
    /** @type {Limits} */
    this.limits = {};
    /** @type {string | null} */
    this.older = null; // cursor of the next page of jobs
    this.list = new PhotoList({
      download: (photo, control) => whileBusy(control, () => download(`${pathOf(photo)}/photo`, photo.name)),
      contactSheet: (photo, control) =>
        whileBusy(control, () => download(`${pathOf(photo)}/contact-sheet`, "contact-sheet.png")),
      delete: (photo) => this.delete(photo),
      again: (photo) => this.again(photo),
      cancel: (photo) => this.cancel(photo),
      downloadAll: (control) => whileBusy(control, () => this.downloadAll()),
      deleteAll: () => this.deleteAll(),
      older: (control) => whileBusy(control, () => this.listEarlier(this.older)),
    });
    this.uploads = new UploadQueue({
      changed: (photo) => this.list.update(photo),
      accepted: (photo, job) => this.accepted(photo, job),
    });
    this.monitor = new JobMonitor({
      jobs: () => this.list.jobs,
      changed: (job) => this.changed(job),
      gone: (id) => this.list.remove(this.list.find(id)),
      reachable: showReachable,
      health: showHealth,
    });
  }

  /** @param {File[]} files */
  add(files) {
    if (files.length === 0) return;
    const { fields } = this.options;
    const photos = files.map((file) => photoFromFile(file, fields));
    this.list.add(photos);
    this.options.makeRoom();
    announce(`${plural(photos.length, "photo")} added.`);
    for (const photo of photos) {
      const problem = rejection(/** @type {File} */ (photo.file), this.limits);
      if (!problem) this.uploads.add(photo);
      else {
        photo.upload = { state: "failed", problem };
        this.list.update(photo);
        announce(`${photo.name}: ${problem.message}`);
      }
    }
    this.list.scrollTo(photos[0]);
  }

  /**
   * @param {Photo} photo
   * @param {Job} job
   */
  accepted(photo, job) {
    this.list.remove(this.list.find(job.id)); // when the list of jobs was quicker than the response
    photo.job = job;
    photo.upload = null;
    if (photo.unwanted) this.cancel(photo);
    this.list.update(photo);
    this.list.updateWaiting();
    showReachable(true);
    this.monitor.refresh();
  }

  /** @param {Job} job */
  changed(job) {
    const photo = this.list.find(job.id);
    if (!photo?.job) {
      const perhapsOurs = this.list.photos.some(({ upload }) => upload?.sent);
      if (!perhapsOurs) this.adopt([job]);
      return;
    }
    const before = photo.job.state;
    photo.job = job;
    this.list.update(photo);
    if (before === job.state) return;
    this.list.updateWaiting();
    if (job.state === "failed") announce(`${photo.name} failed: ${job.error}`);
    if (job.state !== "done") return;
    announce(`${photo.name}: done. ${outcome(job).line}.`);
    const own = this.list.photos.filter(({ file }) => file);
    if (own.length === 1 && own[0] === photo) this.list.openIfNoneIs(photo);
  }

  /**
   * Show jobs of earlier visits or of another tab.
   * @param {Job[]} jobs
   * @param {{ below?: boolean }} [place]
   */
  adopt(jobs, place) {
    const unknown = jobs.filter(({ id }) => !this.list.find(id));
    if (unknown.length > 0) this.options.makeRoom();
    this.list.add(unknown.map(photoFromJob), place);
  }

  /**
   * List photos of earlier visits: the newest or, with a cursor, those before it.
   * @param {string | null} [cursor]
   */
  async listEarlier(cursor = null) {
    const from = cursor ? `&before=${encodeURIComponent(cursor)}` : "";
    const page = await readJson(`/v1/jobs?limit=${PAGE}${from}`);
    this.adopt(page.jobs, { below: true });
    this.older = page.next;
    this.list.offerOlder(this.older !== null);
    this.monitor.refresh();
  }

  async listAll() {
    while (this.older) await this.listEarlier(this.older);
  }

  /** Save all protected photos, in as many ZIP files as the service's limit requires. */
  async downloadAll() {
    await this.listAll();
    const ids = this.list.done.flatMap(({ job }) => job?.id ?? []);
    for (let first = 0; first < ids.length; first += MOST_IN_ZIP) {
      const query = new URLSearchParams(ids.slice(first, first + MOST_IN_ZIP).map((id) => ["job", id]));
      await download(`/v1/photos.zip?${query}`, "protected-photos.zip");
    }
  }

  /** @param {Photo} photo */
  cancel(photo) {
    if (photo.job) {
      const path = `${pathOf(photo)}/cancel`;
      whileBusy(null, async () => this.changed(await readJson(path, { method: "POST" })));
    } else if (this.uploads.cancel(photo)) this.list.remove(photo);
    else photo.unwanted = true;
  }

  /**
   * Protect the same photo again, with the settings as they are now. A result stays; anything else is replaced.
   * @param {Photo} photo
   */
  async again(photo) {
    const { file } = photo;
    const kept = photo.job?.state === "done";
    if (file && (kept || (await whileBusy(null, () => this.deleteNow(photo))))) this.add([file]);
  }

  /** @param {Photo} photo */
  async deleteNow(photo) {
    this.list.forgetThumbnail(photo);
    if (photo.job) {
      await request(pathOf(photo), { method: "DELETE" }).catch((problem) => {
        if (problem.status !== 404) throw problem;
      });
    } else this.uploads.cancel(photo);
    this.list.remove(photo);
  }

  /** @param {Photo} photo */
  async delete(photo) {
    const consequence = "The protected photo and its report will be deleted. You keep what you have downloaded.";
    const question = `Delete ${photo.name} from the service?`;
    if (photo.job?.state === "done" && !(await confirm(question, consequence))) return;
    if (await whileBusy(null, () => this.deleteNow(photo))) announce(`${photo.name} was deleted.`);
  }

  async deleteAll() {
    if (!(await whileBusy(null, () => this.listAll()))) return;
    const consequence =
      "Protected photos and their reports will be deleted, and photos in progress will be cancelled. " +
      "You keep what you have downloaded.";
    if (!(await confirm(`Delete all ${this.list.photos.length} photos from the service?`, consequence))) return;
    const deleteEach = async () => {
      for (const photo of this.list.photos) this.list.forgetThumbnail(photo);
      for (const photo of [...this.list.photos]) await this.deleteNow(photo);
    };
    if (!(await whileBusy(null, deleteEach))) return;
    byId("choose").focus();
    announce("All photos were deleted.");
  }

  /** Whether closing the page would lose photos that the service does not have yet. */
  get isUploading() {
    return this.list.photos.some(({ upload }) => upload && upload.state !== "failed");
  }
}

/** @param {Photo} photo */
function pathOf(photo) {
  return `/v1/jobs/${photo.job?.id}`;
}

/**
 * Fetch a file of the service, with the key if one is needed, and save it.
 * @param {string} path
 * @param {string} fallback the name when the service gives none
 */
async function download(path, fallback) {
  const { blob, name } = await readFile(path, fallback);
  saveFile(blob, name);
}
