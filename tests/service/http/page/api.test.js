/** Requests: problem details, the API key, file names and event streams. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Problem, problemFrom } from "../../../../src/recessive/service/http/page/model/problem.js";
import * as api from "../../../../src/recessive/service/http/page/service/api.js";

const JSON_TYPE = { "Content-Type": "application/problem+json" };

let stored;
let sent; // [path, Authorization]

/** Answer requests by a function of the path and the Authorization header. */
function answer(respond) {
  globalThis.fetch = async (path, init) => {
    sent.push([path, init.headers?.Authorization]);
    return respond(path, init.headers?.Authorization);
  };
}

/** A service that accepts one key. */
function locked(key) {
  const refused = () => new Response('{"detail": "a key is needed"}', { status: 401, headers: JSON_TYPE });
  answer((_, used) => (used === `Bearer ${key}` ? new Response('{"fine": true}') : refused()));
}

beforeEach(() => {
  stored = new Map();
  sent = [];
  globalThis.sessionStorage = {
    getItem: (name) => stored.get(name) ?? null,
    setItem: (name, value) => stored.set(name, value),
  };
  api.allowAsking();
});

function parse(status, text, headers = JSON_TYPE) {
  const all = new Headers(headers);
  return problemFrom(status, (name) => all.get(name), text);
}

test("problem details are read in full", () => {
  const errors = [{ option: "budget", detail: "is too large" }];
  const document = JSON.stringify({ title: "Wrong options", detail: "budget: is too large", errors });
  const problem = parse(422, document, { ...JSON_TYPE, "Retry-After": "7" });
  assert.ok(problem instanceof Problem);
  assert.equal(problem.status, 422);
  assert.equal(problem.message, "budget: is too large");
  assert.equal(problem.title, "Wrong options");
  assert.deepEqual(problem.errors, [["budget", "is too large"]]);
  assert.equal(problem.retryAfter, 7);
});

test("a title stands in for a missing detail", () => {
  assert.equal(parse(404, '{"title": "Not Found"}').message, "Not Found");
});

test("whatever a proxy answers becomes a problem", () => {
  for (const [text, headers] of [
    ["<h1>Bad gateway</h1>", { "Content-Type": "text/html" }],
    ["{", JSON_TYPE],
    ["null", JSON_TYPE],
    ['{"detail": 5}', JSON_TYPE],
    ["", {}],
  ]) {
    const problem = parse(502, text, headers);
    assert.equal(problem.message, "The request failed (status 502).");
    assert.deepEqual([problem.title, problem.errors, problem.retryAfter], [null, [], null]);
  }
  assert.equal(parse(429, "", { "Retry-After": "Wed, 21 Oct 2030 07:28:00 GMT" }).retryAfter, null);
});

test("some problems pass by themselves", () => {
  const temporary = [0, 502, 503, 504];
  for (const status of [...temporary, 400, 401, 404, 413, 429, 500, 507]) {
    assert.equal(new Problem(status, "no").temporary, temporary.includes(status));
  }
});

test("no response is a temporary problem", async () => {
  answer(() => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(api.request("/v1/jobs"), { status: 0, message: "The service is not responding." });
  assert.equal(await api.readHealth(), null);
});

test("an aborted request stays an abort", async () => {
  const stop = new AbortController();
  answer(() => {
    stop.abort();
    throw new DOMException("stopped", "AbortError");
  });
  await assert.rejects(api.request("/v1/jobs", { signal: stop.signal }), { name: "AbortError" });
});

test("half a document counts as no response", async () => {
  answer(() => new Response('{"jobs": ['));
  await assert.rejects(api.readJson("/v1/jobs"), { status: 0 });
});

test("a stored key goes with each request", async () => {
  api.setKey("rsv_right");
  locked("rsv_right");
  assert.deepEqual(await api.readJson("/v1/limits"), { fine: true });
  assert.equal(api.hasKey(), true);
});

test("concurrent requests share one question for the key", async () => {
  locked("rsv_right");
  const asked = [];
  api.onKeyNeeded(async (refused) => {
    asked.push(refused);
    api.setKey(asked.length === 1 ? "rsv_wrong" : "rsv_right");
    return true;
  });
  await Promise.all([api.readJson("/v1/limits"), api.readJson("/v1/jobs")]);
  assert.deepEqual(asked, [false, true]); // the second time, the first key had been refused
});

test("without a key, nothing asks again until it is allowed", async () => {
  locked("rsv_right");
  let questions = 0;
  api.onKeyNeeded(async () => {
    questions += 1;
    return false;
  });
  await assert.rejects(api.readJson("/v1/limits"), { status: 401 });
  await assert.rejects(api.readJson("/v1/limits"), { status: 401 });
  assert.equal(questions, 1);
  api.allowAsking();
  await assert.rejects(api.readJson("/v1/limits"), { status: 401 });
  assert.equal(questions, 2);
});

test("file names", async () => {
  assert.equal(api.fileName('attachment; filename="beach.jpg"', "photo"), "beach.jpg");
  assert.equal(api.fileName("attachment; filename=beach.jpg", "photo"), "beach.jpg");
  assert.equal(api.fileName("attachment; filename*=UTF-8''caf%C3%A9.jpg", "photo"), "café.jpg");
  assert.equal(api.fileName("attachment; filename=\"cafe.jpg\"; filename*=utf-8''caf%C3%A9.jpg", "x"), "café.jpg");
  assert.equal(api.fileName("", "photo"), "photo");
  answer(() => new Response("content", { headers: { "Content-Disposition": 'attachment; filename="a.png"' } }));
  const { blob, name } = await api.readFile("/v1/jobs/1/photo");
  assert.deepEqual([await blob.text(), name], ["content", "a.png"]);
});

async function eventsOf(...chunks) {
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
  const found = [];
  for await (const event of api.readEvents(new Response(stream))) found.push(event);
  return found;
}

test("events are read however they are cut", async () => {
  const text = 'event: job\ndata: {"id": 1}\n\n: a comment\n\ndata: {"id":\ndata: 2}\n\n';
  const expected = [{ id: 1 }, { id: 2 }];
  assert.deepEqual(await eventsOf(text), expected);
  assert.deepEqual(await eventsOf(...text), expected);
  assert.deepEqual(await eventsOf(text.replaceAll("\n", "\r\n")), expected);
  assert.deepEqual(await eventsOf('data: {"half'), []);
});
