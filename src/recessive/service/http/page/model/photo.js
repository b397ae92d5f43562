/** A photo on the page: where it comes from, whether it can be sent, its order and its status. */

import { Problem } from "./problem.js";
import { deliveryText, fileSize, outcome, sentence } from "./texts.js";

/** @import { Job, Limits, Photo, Status, Upload } from "./types.js" */

const FINAL = ["done", "failed", "cancelled"];
const IMAGE_NAMES = /\.(heic|heif|avif|tiff?)$/i; // formats whose type browsers leave empty
export const VERDICT_ICONS = { good: "hidden", mixed: "mixed", bad: "found" };

let keys = 0;

/**
 * @param {File} file
 * @param {[string, string][]} fields
 * @returns {Photo}
 */
export function photoFromFile(file, fields) {
  return { key: ++keys, name: file.name, file, fields, job: null, upload: { state: "queued", fraction: 0 } };
}

/**
 * A photo of an earlier visit or of another tab; its original is not available here.
 * @param {Job} job
 * @returns {Photo}
 */
export function photoFromJob(job) {
  return { key: ++keys, name: job.name, file: null, fields: [], job, upload: null };
}

/**
 * Why a file need not be sent at all; null when it may be.
 * @param {Pick<File, "name" | "type" | "size">} file
 * @param {Limits} limits
 */
export function rejection({ name, type, size }, { max_bytes: most = Infinity }) {
  if (type !== "" && !type.startsWith("image/") && !IMAGE_NAMES.test(name)) {
    return new Problem(415, "This is not a photo.");
  }
  if (size === 0) return new Problem(415, "This file is empty.");
  if (size <= most) return null;
  const sizes = `This photo is ${fileSize(size)}, and the service accepts at most ${fileSize(most)}.`;
  return new Problem(413, `${sizes} Save a smaller version first.`);
}

/** @param {Job} job */
export function isFinished(job) {
  return FINAL.includes(job.state);
}

/**
 * Whether the service may still change the job: its state or its delivery.
 * @param {Job} job
 */
export function isChanging(job) {
  return !isFinished(job) || job.delivery?.state === "waiting";
}

/**
 * Whether nothing more will happen to the photo by itself.
 * @param {Photo} photo
 */
export function isSettled({ job, upload }) {
  return job ? isFinished(job) : upload?.state === "failed";
}

/**
 * The jobs of photos, newest first.
 * @param {Photo[]} photos
 */
export function jobsOf(photos) {
  return photos.flatMap(({ job }) => (job ? [job] : [])).sort((a, b) => (a.created < b.created ? 1 : -1));
}

/**
 * How many of the photos wait in front of a waiting job.
 * @param {Photo[]} photos
 * @param {Job | null} job
 */
export function waitingAhead(photos, job) {
  if (job?.state !== "waiting") return 0;
  return photos.filter((other) => other.job?.state === "waiting" && other.job.created < job.created).length;
}

/** @param {number} fraction */
function percent(fraction) {
  return `${Math.floor(100 * fraction)}%`;
}

/** @param {number} until in ms */
function remaining(until) {
  const left = Math.max(1, Math.ceil((until - Date.now()) / 1000));
  return left < 90 ? `${left} s` : `${Math.ceil(left / 60)} min`;
}

/**
 * What the service, or this page, does not accept. It is permanent when the photo itself is at fault.
 * @param {Problem} problem
 */
function refusal({ message, errors, status }) {
  const [first] = errors;
  const aboutPhoto = errors.length === 1 && first[0] === "photo";
  return {
    icon: "alert",
    kind: "bad",
    text: sentence(aboutPhoto ? `The photo ${first[1]}` : message),
    errors: aboutPhoto ? [] : errors,
    permanent: aboutPhoto || [413, 415].includes(status),
  };
}

/** @param {Upload} upload */
function uploadStatus({ state, fraction = 0, until = 0, problem }) {
  if (state === "queued") return { icon: "wait", text: "Waiting to be uploaded", fraction: 0 };
  if (state === "busy") {
    const why = problem?.title ?? problem?.message ?? "The service is busy";
    return { icon: "wait", text: `${sentence(why)} Trying again in ${remaining(until)}`, fraction: null };
  }
  if (state === "offline") {
    return {
      icon: "alert",
      text: `The service is not responding. Trying again in ${remaining(until)}`,
      fraction: null,
    };
  }
  if (state === "failed" && problem) return refusal(problem);
  if (fraction === 1) return { icon: "work", text: "Uploaded; the service is checking it", fraction: null };
  return { icon: "work", text: `Uploading, ${percent(fraction)}`, fraction };
}

/**
 * @param {Job} job
 * @param {number} ahead
 */
function jobStatus(job, ahead) {
  if (job.state === "waiting") {
    const position = ahead === 0 ? "first of your photos in the queue" : `behind ${ahead} of your photos`;
    const again = job.attempts > 0 ? "Interrupted, and will start again. " : "";
    return { icon: "wait", text: `${again}Waiting, ${position}`, fraction: 0 };
  }
  if (job.state === "running") {
    if (job.progress >= 1) return { icon: "work", text: "Testing whether searches still find it", fraction: null };
    return { icon: "work", text: `Protecting, ${percent(job.progress)}`, fraction: job.progress };
  }
  if (job.state === "failed") {
    return { icon: "alert", kind: "bad", text: sentence(job.error ?? "this photo could not be protected") };
  }
  if (job.state === "cancelled") return { icon: "remove", kind: "off", text: "Cancelled" };
  const { kind, line } = outcome(job);
  return { icon: VERDICT_ICONS[kind], kind, text: line, details: job.delivery ? [deliveryText(job.delivery)] : [] };
}

/**
 * The status of a photo that waits behind `ahead` of the owner's other photos.
 * @param {Photo} photo
 * @param {number} ahead
 * @returns {Status}
 */
export function statusOf({ job, upload }, ahead) {
  const status = job ? jobStatus(job, ahead) : uploadStatus(upload ?? { state: "queued" });
  return /** @type {Status} */ ({ kind: "work", errors: [], details: [], ...status });
}

const SUMMARY = {
  done: "protected",
  running: "in progress",
  waiting: "waiting",
  uploading: "being uploaded",
  failed: "failed",
};

/**
 * "2 protected, 1 in progress, 3 waiting"
 * @param {Photo[]} photos
 */
export function summary(photos) {
  const states = photos.map(({ job, upload }) => job?.state ?? (upload?.state === "failed" ? "failed" : "uploading"));
  return Object.entries(SUMMARY)
    .map(([state, words]) => ({ number: states.filter((other) => other === state).length, words }))
    .filter(({ number }) => number > 0)
    .map(({ number, words }) => `${number} ${words}`)
    .join(", ");
}
