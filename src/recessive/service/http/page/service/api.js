/** Requests to the service: with the API key where one is needed, and with failures as `Problem`s. */

import { noResponse, Problem, parseJson, problemFrom } from "../model/problem.js";

/**
 * @import { Health, Job } from "../model/types.js"
 * @typedef {object} UploadOptions
 * @property {string} idempotencyKey the same one makes the same job, however often the photo is sent
 * @property {(fraction: number) => void} progress called with the share that has been sent
 * @property {() => void} sent called once everything has been sent
 * @property {AbortSignal} signal ends the upload
 */

const KEY = "recessive-key";

/**
 * Asks the owner for a key; true when there is a new one. `refused`: the service did not accept the last one.
 * @type {(refused: boolean) => Promise<boolean>}
 */
let askForKey = async () => false;
/** @type {Promise<boolean> | null} */
let asking = null;
let declined = false; // the owner gave no key, so that nothing asks again by itself

/** @param {typeof askForKey} ask */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Ask for a missing key again, although the owner gave none before. */
export function allowAsking() {
  declined = false;
}

export function hasKey() {
  return storedKey() !== "";
}

/** @param {string} value */
export function setKey(value) {
  sessionStorage.setItem(KEY, value);
}

function storedKey() {
  return sessionStorage.getItem(KEY) ?? "";
}

/**
 * @param {string} key
 * @returns {Record<string, string>}
 */
function authorization(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * Resolves once there is a key to try in place of `used`, which the service refused. Concurrent requests share one
 * dialog.
 * @param {string} used
 * @param {Problem} problem thrown when the owner gives no key
 */
async function anotherKey(used, problem) {
  if (storedKey() !== used) return;
  if (declined) throw problem;
  asking ??= askForKey(used !== "").finally(() => {
    asking = null;
  });
  declined = !(await asking);
  if (declined) throw problem;
}

/**
 * A successful response.
 * @param {string} path
 * @param {RequestInit} [init]
 */
export async function request(path, init = {}) {
  for (;;) {
    const used = storedKey();
    let response;
    try {
      const headers = { ...init.headers, ...authorization(used) };
      response = await fetch(path, { ...init, headers, cache: "no-store" });
    } catch (error) {
      throw init.signal?.aborted ? error : noResponse();
    }
    if (response.ok) return response;
    const { status, headers } = response;
    const problem = problemFrom(status, (name) => headers.get(name), await response.text().catch(() => ""));
    if (status !== 401) throw problem;
    await anotherKey(used, problem);
  }
}

/**
 * The JSON document at a path.
 * @param {string} path
 * @param {RequestInit} [init]
 */
export async function readJson(path, init) {
  const response = await request(path, init);
  try {
    return await response.json();
  } catch (error) {
    throw init?.signal?.aborted ? error : noResponse();
  }
}

/**
 * What the service says of its own health, good or bad; null when it does not respond.
 * @returns {Promise<Health | null>}
 */
export async function readHealth() {
  try {
    return await (await fetch("/health", { cache: "no-store" })).json();
  } catch {
    return null;
  }
}

/**
 * The name in a Content-Disposition header (RFC 6266).
 * @param {string} disposition
 * @param {string} fallback
 */
export function fileName(disposition, fallback) {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition)?.[1];
  const plain = /filename="?([^";]+)"?/.exec(disposition)?.[1];
  return encoded ? decodeURIComponent(encoded) : (plain ?? fallback);
}

/**
 * A file of the service: its content and its name.
 * @param {string} path
 * @param {string} [fallback] the name when the service gives none
 */
export async function readFile(path, fallback = "") {
  const response = await request(path);
  try {
    return {
      blob: await response.blob(),
      name: fileName(response.headers.get("content-disposition") ?? "", fallback),
    };
  } catch {
    throw noResponse();
  }
}

/**
 * The data of server-sent events as they arrive. EventSource could not send the key.
 * @param {Response} response
 * @returns {AsyncGenerator<any>}
 */
export async function* readEvents(response) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length > 0) yield JSON.parse(lines.map((line) => line.slice(5).trimStart()).join("\n"));
    }
  }
}

/**
 * @param {FormData} form
 * @param {string} key
 * @param {UploadOptions} options
 * @returns {Promise<Job>}
 */
function uploadOnce(form, key, { idempotencyKey, progress, sent, signal }) {
  return new Promise((resolve, reject) => {
    const post = new XMLHttpRequest(); // fetch tells no progress
    post.open("POST", "/v1/jobs");
    post.setRequestHeader("Idempotency-Key", idempotencyKey);
    for (const [name, value] of Object.entries(authorization(key))) post.setRequestHeader(name, value);
    post.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    post.upload.onload = sent;
    post.onerror = () => reject(noResponse());
    post.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    post.onload = () => {
      const job = post.status === 202 ? parseJson(post.responseText) : null;
      if (job) resolve(job);
      else reject(problemFrom(post.status, (name) => post.getResponseHeader(name), post.responseText));
    };
    signal.addEventListener("abort", () => post.abort());
    post.send(form);
  });
}

/**
 * Upload a photo; the job that it becomes.
 * @param {FormData} form
 * @param {UploadOptions} options
 */
export async function upload(form, options) {
  for (;;) {
    const used = storedKey();
    try {
      return await uploadOnce(form, used, options);
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
      await anotherKey(used, problem);
    }
  }
}
