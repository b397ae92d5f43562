/** Lines above everything else: that the service does not answer, needs a key, or refused something. */

import { make } from "./element.js";
import { sentence } from "./words.js";

const shown = new Map();

/** Show a line under a name, in place of what was shown under it; no words take it away. */
export function trouble(name, words, ...buttons) {
  if ((shown.get(name)?.dataset.words ?? "") === words) return;
  shown.get(name)?.remove();
  shown.delete(name);
  if (!words) return;
  const line = make("p", { class: "banner", "data-words": words }, make("span", { text: words }), ...buttons);
  shown.set(name, line);
  document.getElementById("trouble").append(line);
}

/** Whether the service answers. */
export function reachable(yes) {
  trouble("silence", yes ? "" : "The service does not answer. Your photos here are safe; this page keeps trying.");
}

/** What the service says of itself while photos wait for long; null when there is nothing to say. */
export function health(status) {
  const words = "Nobody works on photos at the moment: no worker of this service is running. Tell whoever runs it.";
  trouble("workers", status?.workers === 0 ? words : "");
}

/** What went wrong with something that the owner asked for. */
export function complain(problem) {
  if (problem.status === 401) return; // the key has a line of its own
  if (problem.passes) reachable(false);
  else trouble("request", sentence(problem.message));
}

/** Do something for the owner; `control`, a button or null, is busy until it is done. True when it went well. */
export async function busy(control, work) {
  if (control?.getAttribute("aria-disabled")) return false;
  control?.setAttribute("aria-disabled", "true");
  try {
    await work();
    trouble("request", "");
    return true;
  } catch (problem) {
    complain(problem);
    return false;
  } finally {
    control?.removeAttribute("aria-disabled");
  }
}
