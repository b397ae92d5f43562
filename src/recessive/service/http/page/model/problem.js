/** Failed requests, as problem details (RFC 9457) or as whatever a proxy in between answered. */

const TEMPORARY = [0, 502, 503, 504];

/**
 * Why a request failed. `status` is 0 when there was no response, `errors` lists [option, explanation], and
 * `retryAfter` is the number of seconds that the service asks to wait.
 */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {{ title?: string | null, errors?: [string, string][], retryAfter?: number | null }} [details]
   */
  constructor(status, message, { title = null, errors = [], retryAfter = null } = {}) {
    super(message);
    this.status = status;
    this.title = title;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get temporary() {
    return TEMPORARY.includes(this.status);
  }
}

export function noResponse() {
  return new Problem(0, "The service is not responding.");
}

/**
 * The value of a JSON text; null when it is no JSON.
 * @param {string} text
 */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param {number} status
 * @param {(name: string) => string | null} header
 * @param {string} text
 */
export function problemFrom(status, header, text) {
  const seconds = Number.parseInt(header("retry-after") ?? "", 10);
  const retryAfter = Number.isNaN(seconds) ? null : seconds;
  const body = header("content-type")?.includes("json") ? parseJson(text) : null;
  const { detail, title, errors } = body ?? {};
  const message = detail ?? title;
  if (typeof message !== "string") return new Problem(status, `The request failed (status ${status}).`, { retryAfter });
  /** @type {[string, string][]} */
  const listed = Array.isArray(errors) ? errors.map((error) => [error.option, error.detail]) : [];
  return new Problem(status, message, { title, errors: listed, retryAfter });
}
