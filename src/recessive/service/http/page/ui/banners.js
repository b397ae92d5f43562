/** Banners at the top of the page: the service is not responding, requires a key, or refused something. */

import { sentence } from "../model/texts.js";
import { byId, make } from "./elements.js";

/** @import { Health } from "../model/types.js" */

/** @type {Map<string, HTMLElement>} */
const banners = new Map();

/**
 * Show a banner in place of the last one of that name; without text, remove it.
 * @param {string} name
 * @param {string} text
 * @param {...HTMLElement} buttons
 */
export function showBanner(name, text, ...buttons) {
  if ((banners.get(name)?.dataset.text ?? "") === text) return;
  banners.get(name)?.remove();
  banners.delete(name);
  if (!text) return;
  const banner = make("p", { class: "banner", "data-text": text }, make("span", { text }), ...buttons);
  banners.set(name, banner);
  byId("banners").append(banner);
}

/**
 * Show whether the service responds.
 * @param {boolean} yes
 */
export function showReachable(yes) {
  const text = "The service is not responding. Your photos on this page are safe, and the page keeps trying.";
  showBanner("unreachable", yes ? "" : text);
}

/**
 * Show that no worker is running; nothing for null.
 * @param {Health | null} health
 */
export function showHealth(health) {
  const text =
    "Photos are not being processed: no worker of this service is running. Please tell the person who runs it.";
  showBanner("workers", health?.workers === 0 ? text : "");
}

/**
 * Show why something that the owner asked for failed.
 * @param {any} problem
 */
export function showProblem(problem) {
  if (problem.status === 401) return; // the key has a banner of its own
  if (problem.temporary) showReachable(false);
  else showBanner("request", sentence(problem.message));
}

/**
 * Do something for the owner, while a button, if there is one, is disabled. True when it succeeded.
 * @param {Element | null} control
 * @param {() => unknown} work
 */
export async function whileBusy(control, work) {
  if (control?.getAttribute("aria-disabled")) return false;
  control?.setAttribute("aria-disabled", "true");
  try {
    await work();
    showBanner("request", "");
    return true;
  } catch (problem) {
    showProblem(problem);
    return false;
  } finally {
    control?.removeAttribute("aria-disabled");
  }
}
