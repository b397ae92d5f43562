/** Where one photo is, in words. */

import { delivery, outcome, several, sentence } from "./words.js";

const KINDS = { good: "hidden", mixed: "mixed", bad: "found" };

function percent(share) {
  return `${Math.floor(100 * share)} %`;
}

function remaining(until) {
  const left = Math.max(1, Math.ceil((until - Date.now()) / 1000));
  return left < 90 ? `${left} s` : `${Math.ceil(left / 60)} min`;
}

/** What the service, or this page, will not take; hopeless when the photo is to blame, however often it is sent. */
function refusal({ message, errors, status }) {
  const ofPhoto = message.startsWith("photo: ") && errors.length < 2;
  const hopeless = status === undefined || [413, 415].includes(status) || ofPhoto;
  const text = ofPhoto ? message.replace("photo: ", "The photo ") : message;
  return { icon: "alert", kind: "bad", text: sentence(text), errors: ofPhoto ? [] : errors, hopeless };
}

function uploadState({ state, fraction, until, problem }) {
  if (state === "queued") return { icon: "wait", text: "Will be uploaded soon", fraction: 0 };
  if (state === "busy") {
    const [why] = (problem?.message ?? "the service is busy").split(";"); // what to do, this page does
    return { icon: "wait", text: `${sentence(why)} Tries again in ${remaining(until)}`, fraction: null };
  }
  if (state === "offline") {
    return { icon: "alert", text: `No answer from the service. Tries again in ${remaining(until)}`, fraction: null };
  }
  if (state === "failed") return refusal(problem);
  if (fraction === 1) return { icon: "work", text: "Uploaded; the service reads it", fraction: null };
  return { icon: "work", text: `Uploading, ${percent(fraction)}`, fraction };
}

function jobState(job, before) {
  if (job.state === "waiting") {
    const place =
      before === 0 ? "Waiting, next of your photos" : `Waiting, ${several(before, "photo")} of yours before it`;
    const again = job.attempts > 0 ? "Was interrupted and starts again. " : "";
    return { icon: "wait", text: again + place, fraction: 0 };
  }
  if (job.state === "running") {
    if (job.progress >= 1) return { icon: "work", text: "Searching for the saved photo", fraction: null };
    return { icon: "work", text: `Protecting, ${percent(job.progress)}`, fraction: job.progress };
  }
  if (job.state === "failed")
    return { icon: "alert", kind: "bad", text: sentence(job.error ?? "it could not be protected") };
  if (job.state === "cancelled") return { icon: "remove", kind: "off", text: "Cancelled" };
  const { kind, line } = outcome(job);
  return { icon: KINDS[kind], kind, text: line, more: job.delivery ? [delivery(job.delivery)] : [] };
}

/**
 * Of a photo: { icon, kind, text, fraction, errors, more }. A fraction is shown as a bar, null as one without an end.
 * `before`: how many of the owner's photos wait before it.
 */
export function stateOf(photo, before) {
  const found = photo.job ? jobState(photo.job, before) : uploadState(photo.upload);
  return { kind: "work", errors: [], more: [], ...found };
}

const SUMMED = { done: "protected", running: "at work", waiting: "waiting", sent: "on the way", failed: "failed" };

/** "2 protected, 1 at work, 3 waiting" */
export function summary(photos) {
  const states = photos.map(({ job, upload }) => job?.state ?? (upload.state === "failed" ? "failed" : "sent"));
  return Object.entries(SUMMED)
    .map(([state, words]) => [states.filter((other) => other === state).length, words])
    .filter(([number]) => number > 0)
    .map(([number, words]) => `${number} ${words}`)
    .join(", ");
}
