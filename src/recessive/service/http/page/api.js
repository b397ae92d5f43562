/** Requests to the service: the key where one is needed, and problems in plain words. */

const KEY = "recessive-key";

/** What went wrong. `status` is 0 when there was no answer; `errors` are [option, what is wrong with it]. */
export class Problem extends Error {
  constructor(status, message, errors = [], retryAfter = null) {
    super(message);
    this.status = status;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may do later. */
  get passes() {
    return [0, 502, 503, 504].includes(this.status);
  }
}

const SILENT = () => new Problem(0, "The service does not answer.");

/** Asks the owner for a key; true when there is a new one. Set by whoever has the dialog. */
let askForKey = async () => false;
let asking = null;
let declined = false; // then nothing asks again by itself

export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** From now on a missing key is asked for again, though the owner gave none before. */
export function mayAskAgain() {
  declined = false;
}

export function keyIsSet() {
  return key() !== "";
}

export function setKey(value) {
  sessionStorage.setItem(KEY, value);
}

function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

function authorisation(value) {
  return value ? { Authorization: `Bearer ${value}` } : {};
}

/** After an answer of 401 to `used`: resolves once there is another key to try, one dialog for all who wait. */
async function anotherKey(used, problem) {
  if (key() !== used) return;
  if (declined) throw problem;
  asking ??= askForKey(used !== "").finally(() => (asking = null));
  declined = !(await asking);
  if (declined) throw problem;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // not what it says it is
  }
}

/** What an answer says is wrong: RFC 9457, or whatever a proxy in between says. */
function problemOf(status, type, text, retryAfter) {
  const seconds = Number.parseInt(retryAfter ?? "", 10);
  const wait = Number.isNaN(seconds) ? null : seconds;
  const { detail, title, errors } = (type?.includes("json") && parsed(text)) || {};
  const listed = Array.isArray(errors) ? errors.map((error) => [error.option, error.detail]) : [];
  if (typeof (detail ?? title) === "string") return new Problem(status, detail ?? title, listed, wait);
  return new Problem(status, `The service could not do this (${status}).`, [], wait);
}

/** An answer that is fine; throws a `Problem` otherwise. */
export async function request(path, init = {}) {
  for (;;) {
    const used = key();
    let response;
    try {
      response = await fetch(path, {
        ...init,
        headers: { ...init.headers, ...authorisation(used) },
        cache: "no-store",
      });
    } catch (error) {
      throw init.signal?.aborted ? error : SILENT();
    }
    if (response.ok) return response;
    const headers = response.headers;
    const text = await response.text().catch(() => "");
    const problem = problemOf(response.status, headers.get("content-type"), text, headers.get("retry-after"));
    if (problem.status !== 401) throw problem;
    await anotherKey(used, problem);
  }
}

/** JSON of an address. */
export async function read(path, init) {
  const response = await request(path, init);
  try {
    return await response.json();
  } catch (error) {
    throw init?.signal?.aborted ? error : SILENT();
  }
}

/** What the service says of itself, well or not: { workers, waiting, … }; null when it does not answer. */
export async function readHealth() {
  try {
    return await (await fetch("/health", { cache: "no-store" })).json();
  } catch {
    return null;
  }
}

/** A file of the service: its content and its name. */
export async function readFile(path, fallback) {
  const response = await request(path);
  const disposition = response.headers.get("content-disposition") ?? "";
  const encoded = /filename\*=(?:utf-8|UTF-8)''([^;]+)/.exec(disposition)?.[1];
  const plain = /filename="?([^";]+)"?/.exec(disposition)?.[1];
  try {
    return { blob: await response.blob(), name: encoded ? decodeURIComponent(encoded) : (plain ?? fallback) };
  } catch {
    throw SILENT();
  }
}

function sendOnce(form, used, { idempotency, progress, sent, signal }) {
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest();
    upload.open("POST", "/v1/jobs");
    upload.setRequestHeader("Idempotency-Key", idempotency);
    for (const [name, value] of Object.entries(authorisation(used))) upload.setRequestHeader(name, value);
    upload.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    upload.upload.onload = sent;
    upload.onerror = () => reject(SILENT());
    upload.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    upload.onload = () => {
      const of = (name) => upload.getResponseHeader(name);
      const job = upload.status === 202 ? parsed(upload.responseText) : null;
      if (job) resolve(job);
      else reject(problemOf(upload.status, of("content-type"), upload.responseText, of("retry-after")));
    };
    signal.addEventListener("abort", () => upload.abort());
    upload.send(form);
  });
}

/**
 * Upload a photo: the job that it became. The same `idempotency` makes the same job, however often it is sent.
 * `progress` is told the share that is sent, `sent` that all is; `signal` ends it.
 */
export async function send(form, options) {
  for (;;) {
    const used = key();
    try {
      return await sendOnce(form, used, options);
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      await anotherKey(used, problem);
    }
  }
}
