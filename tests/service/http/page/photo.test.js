/** The status, order and summary of photos, and files that need not be sent. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isChanging,
  isSettled,
  jobsOf,
  photoFromFile,
  photoFromJob,
  rejection,
  statusOf,
  summary,
  waitingAhead,
} from "../../../../src/recessive/service/http/page/model/photo.js";
import { Problem } from "../../../../src/recessive/service/http/page/model/problem.js";
import { job, photo } from "./samples.js";

const uploading = (upload) => statusOf(photo({ upload }), 0);
const working = (changes, ahead = 0) => statusOf(photo({ job: job(changes) }), ahead);

test("photos of this visit have a file, those of earlier visits a job", () => {
  const [first, second] = [photoFromFile({ name: "a.png" }, [["method", "vanish"]]), photoFromJob(job())];
  assert.deepEqual([first.name, first.job, first.upload.state], ["a.png", null, "queued"]);
  assert.deepEqual([second.name, second.file, second.upload], ["beach.jpg", null, null]);
  assert.notEqual(first.key, second.key);
});

test("what is no photo, empty or too large is not sent", () => {
  const message = (file, limits = {}) =>
    rejection({ name: "a.jpg", type: "image/jpeg", size: 5, ...file }, limits)?.message;
  assert.equal(message({}), undefined);
  assert.equal(message({ name: "notes.txt", type: "text/plain" }), "This is not a photo.");
  assert.equal(message({ size: 0 }), "This file is empty.");
  assert.equal(message({ size: 1_000_000 }, { max_bytes: 1_000_000 }), undefined);
  assert.equal(
    message({ size: 61_000_000 }, { max_bytes: 50_000_000 }),
    "This photo is 61 MB, and the service accepts at most 50 MB. Save a smaller version first.",
  );
});

test("photos in formats that browsers do not know are sent", () => {
  const known = { size: 5 };
  for (const name of ["a.HEIC", "b.heif", "c.avif", "d.tif", "e.tiff"]) {
    assert.equal(rejection({ ...known, name, type: "application/octet-stream" }, {}), null);
  }
  assert.equal(rejection({ ...known, name: "no-extension", type: "" }, {}), null);
});

test("uploads", () => {
  assert.deepEqual(uploading({ state: "queued", fraction: 0 }), {
    icon: "wait",
    kind: "work",
    text: "Waiting to be uploaded",
    fraction: 0,
    errors: [],
    details: [],
  });
  assert.equal(uploading({ state: "sending", fraction: 0.629 }).text, "Uploading, 62%");
  assert.equal(uploading({ state: "sending", fraction: 0.629 }).fraction, 0.629);
  const sent = uploading({ state: "sending", fraction: 1, sent: true });
  assert.deepEqual([sent.text, sent.fraction], ["Uploaded; the service is checking it", null]);
});

test("pauses tell why and for how long", () => {
  const soon = Date.now() + 1500;
  const full = new Problem(429, "too many jobs wait; try again later", { title: "The queue is full" });
  assert.equal(uploading({ state: "busy", until: soon, problem: full }).text, "The queue is full. Trying again in 2 s");
  assert.equal(uploading({ state: "busy", until: soon }).text, "The service is busy. Trying again in 2 s");
  const offline = uploading({ state: "offline", until: Date.now() + 110_000 });
  assert.equal(offline.text, "The service is not responding. Trying again in 2 min");
  assert.equal(offline.icon, "alert");
  assert.equal(uploading({ state: "offline", until: 0 }).text, "The service is not responding. Trying again in 1 s");
});

test("a refusal lists the options that are wrong", () => {
  const errors = [
    ["check", "no transform is called 'x'"],
    ["budget", "is too large"],
  ];
  const status = uploading({ state: "failed", problem: new Problem(422, "check: no transform", { errors }) });
  assert.deepEqual([status.kind, status.text, status.permanent], ["bad", "Check: no transform.", false]);
  assert.deepEqual(status.errors, errors);
});

test("a photo that is at fault is not sent again", () => {
  const errors = [["photo", "cannot be read; choose another file"]];
  const unreadable = uploading({ state: "failed", problem: new Problem(422, "photo: cannot be read", { errors }) });
  assert.equal(unreadable.text, "The photo cannot be read; choose another file.");
  assert.deepEqual([unreadable.permanent, unreadable.errors], [true, []]);
  for (const [code, permanent] of [
    [413, true],
    [415, true],
    [408, false],
    [429, false],
    [500, false],
  ]) {
    assert.equal(uploading({ state: "failed", problem: new Problem(code, "no") }).permanent, permanent);
  }
});

test("jobs", () => {
  assert.equal(working({}).text, "Waiting, first of your photos in the queue");
  assert.equal(working({}, 2).text, "Waiting, behind 2 of your photos");
  assert.match(working({ attempts: 1 }).text, /^Interrupted, and will start again\. Waiting/);
  const running = working({ state: "running", progress: 0.625 });
  assert.deepEqual([running.text, running.fraction], ["Protecting, 62%", 0.625]);
  const testing = working({ state: "running", progress: 1 });
  assert.deepEqual([testing.text, testing.fraction], ["Testing whether searches still find it", null]);
  assert.equal(working({ state: "cancelled" }).text, "Cancelled");
  assert.equal(working({ state: "failed", error: "the photo is odd" }).text, "The photo is odd.");
  assert.equal(working({ state: "failed" }).text, "This photo could not be protected.");
});

test("finished jobs tell the outcome, and where the photo was delivered", () => {
  const delivery = { to: "https://example.org", state: "delivered", attempts: 1, error: null, next: null };
  const done = working({ state: "done", hidden: true, hidden_unseen: true, delivery });
  assert.deepEqual([done.kind, done.icon, done.fraction], ["good", "hidden", undefined]);
  assert.deepEqual(done.details, ["Delivered to https://example.org."]);
  assert.equal(working({ state: "done", hidden: false }).icon, "found");
});

test("jobs are ordered from the newest to the oldest", () => {
  const created = (second, changes = {}) =>
    photo({ job: job({ created: `2030-01-01T12:00:0${second}.000Z`, ...changes }) });
  const photos = [created(2), photo({ upload: { state: "queued" } }), created(3), created(1, { state: "running" })];
  assert.deepEqual(
    jobsOf(photos).map((one) => one.created.slice(17, 19)),
    ["03", "02", "01"],
  );
  assert.equal(waitingAhead(photos, photos[2].job), 1); // the third is running, and waits no more
  assert.equal(waitingAhead(photos, photos[0].job), 0);
  assert.equal(waitingAhead(photos, photos[3].job), 0);
  assert.equal(waitingAhead(photos, null), 0);
});

test("what is settled, and what the service may still change", () => {
  assert.equal(isSettled(photo({ upload: { state: "failed" } })), true);
  assert.equal(isSettled(photo({ upload: { state: "busy" } })), false);
  assert.equal(isSettled(photo({ job: job({ state: "running" }) })), false);
  assert.equal(isSettled(photo({ job: job({ state: "failed" }) })), true);
  assert.equal(isChanging(job({ state: "running" })), true);
  assert.equal(isChanging(job({ state: "done" })), false);
  assert.equal(isChanging(job({ state: "done", delivery: { state: "waiting" } })), true);
  assert.equal(isChanging(job({ state: "done", delivery: { state: "delivered" } })), false);
});

test("the summary counts what there is", () => {
  const states = ["done", "waiting", "running", "done", "failed", "cancelled"].map((state) =>
    photo({ job: job({ state }) }),
  );
  const uploads = ["queued", "failed"].map((state) => photo({ upload: { state } }));
  assert.equal(summary([...states, ...uploads]), "2 protected, 1 in progress, 1 waiting, 1 being uploaded, 2 failed");
  assert.equal(summary([]), "");
});
