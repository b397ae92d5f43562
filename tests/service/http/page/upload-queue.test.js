/** The upload queue: concurrency, retries, waits and cancelling. */

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { photoFromFile } from "../../../../src/recessive/service/http/page/model/photo.js";
import { Problem } from "../../../../src/recessive/service/http/page/model/problem.js";
import {
  requestedWait,
  retryDelay,
  UploadQueue,
} from "../../../../src/recessive/service/http/page/service/upload-queue.js";
import { job, until } from "./samples.js";

const { setInterval } = globalThis;

let uploads; // { options, resolve, reject } of each attempt
let accepted; // names
let states; // as they are shown
let queue;

beforeEach(() => {
  globalThis.crypto ??= webcrypto; // Node.js 18
  globalThis.window = new EventTarget();
  globalThis.setInterval = (callback) => setInterval(callback, 5);
  globalThis.fetch = async () => new Response('{"workers": 1}');
  [uploads, accepted, states] = [[], [], []];
  const send = (form, options) =>
    new Promise((resolve, reject) => {
      uploads.push({ form, options, resolve, reject });
      options.signal.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    });
  const callbacks = {
    changed: ({ upload }) => states.push(upload.state),
    accepted: (photo) => accepted.push(photo.name),
  };
  queue = new UploadQueue(callbacks, send);
});

afterEach(() => {
  globalThis.setInterval = setInterval;
});

function add(name = "a.png", fields = []) {
  const photo = photoFromFile(Object.assign(new Blob(["pixels"]), { name }), fields);
  queue.add(photo);
  return photo;
}

/** Attempts so far, once there are so many. */
async function attempts(number) {
  await until(() => uploads.length >= number);
  await new Promise((resolve) => setTimeout(resolve, 5));
  return uploads;
}

test("the delay between attempts doubles up to half a minute", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 50].map(retryDelay), [1, 2, 4, 8, 16, 30, 30]);
});

test("short waits that the service asks for are obeyed, long ones are left to the owner", () => {
  const wait = (status, retryAfter) => requestedWait(new Problem(status, "no", { retryAfter }));
  assert.equal(wait(429, 2), 2000);
  assert.equal(wait(429, 600), 600_000);
  assert.equal(wait(429, 40_000), null);
  assert.equal(wait(429, null), null);
  assert.equal(wait(503, 2), null);
});

test("a photo is sent with its fields and becomes a job", async () => {
  add("a.png", [
    ["method", "vanish"],
    ["check", "jpeg:75"],
    ["check", "crop:0.9"],
  ]);
  const [{ form, options, resolve }] = await attempts(1);
  assert.deepEqual([...form].slice(0, 3), [
    ["method", "vanish"],
    ["check", "jpeg:75"],
    ["check", "crop:0.9"],
  ]);
  assert.equal(form.get("photo").name, "a.png");
  assert.match(options.idempotencyKey, /^[0-9a-f]{32}$/);
  resolve(job());
  await until(() => accepted.length === 1);
  assert.deepEqual(accepted, ["a.png"]);
});

test("three uploads run at once", async () => {
  for (const name of ["a", "b", "c", "d", "e"]) add(name);
  assert.equal((await attempts(3)).length, 3);
  uploads[1].resolve(job());
  assert.equal((await attempts(4)).length, 4);
  for (const { resolve } of uploads) resolve(job());
  for (const { resolve } of await attempts(5)) resolve(job());
  await until(() => accepted.length === 5);
});

test("progress is shown, and that everything has been sent", async () => {
  const photo = add();
  const [{ options }] = await attempts(1);
  options.progress(0.5);
  assert.deepEqual([photo.upload.fraction, photo.upload.sent], [0.5, false]);
  options.sent();
  assert.deepEqual([photo.upload.fraction, photo.upload.sent], [1, true]);
});

test("an upload without a response is repeated under the same key once the network is back", async () => {
  const photo = add();
  (await attempts(1))[0].reject(new Problem(0, "no response"));
  await until(() => photo.upload.state === "offline");
  window.dispatchEvent(new Event("online"));
  const [first, second] = await attempts(2);
  assert.equal(first.options.idempotencyKey, second.options.idempotencyKey);
  second.resolve(job());
  await until(() => accepted.length === 1);
});

test("after several interruptions the owner is asked, if the service responds otherwise", async () => {
  const photo = add();
  for (let number = 1; number <= 5; number += 1) {
    (await attempts(number))[number - 1].reject(new Problem(0, "no response"));
    await until(() => ["offline", "failed"].includes(photo.upload.state));
    window.dispatchEvent(new Event("online"));
  }
  await until(() => photo.upload.state === "failed");
  assert.equal(
    photo.upload.problem.message,
    "The upload was interrupted several times although the service is responding.",
  );
  assert.equal(uploads.length, 5);
});

test("a file that is gone fails at once", async () => {
  const photo = add();
  photo.file.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("NotFoundError")) });
  (await attempts(1))[0].reject(new Problem(0, "no response"));
  await until(() => photo.upload.state === "failed");
  assert.match(photo.upload.problem.message, /^This photo was changed or moved after you added it\./);
});

test("a busy service is given its time, for all photos", async () => {
  const [first, second] = [add("a.png"), add("b.png")];
  await attempts(2);
  const asked = Date.now();
  uploads[0].reject(new Problem(429, "full", { retryAfter: 0.1 }));
  await until(() => first.upload.state === "busy");
  uploads[1].resolve(job());
  const third = add("c.png");
  assert.equal((await attempts(2)).length, 2);
  assert.equal(third.upload.state, "busy");
  await attempts(4);
  assert.ok(Date.now() - asked >= 100);
  assert.equal(second.upload.state, "sending");
});

test("a refusal is final", async () => {
  const photo = add();
  const problem = new Problem(422, "budget: is too large");
  (await attempts(1))[0].reject(problem);
  await until(() => photo.upload.state === "failed");
  assert.equal(photo.upload.problem, problem);
  assert.deepEqual(states, ["queued", "sending", "failed"]);
});

test("uploads are cancelled in the queue and on their way, until everything has been sent", async () => {
  const [first, , third, fourth] = ["a", "b", "c", "d"].map((name) => add(name));
  await attempts(3);
  assert.equal(queue.cancel(fourth), true);
  assert.equal(queue.cancel(first), true);
  uploads[2].options.sent();
  assert.equal(queue.cancel(third), false);
  assert.equal((await attempts(3)).length, 3); // the fourth never starts
  uploads[2].resolve(job());
  await until(() => accepted.length === 1);
  assert.deepEqual(accepted, ["c"]);
});
