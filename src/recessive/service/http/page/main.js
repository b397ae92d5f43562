/** The page begins: what the service offers, the photos of earlier, and the key where one is needed. */

import { keyIsSet, mayAskAgain, onKeyNeeded, read, setKey } from "./api.js";
import { listen } from "./arrivals.js";
import { Desk } from "./desk.js";
import { askKey, wire } from "./dialogs.js";
import { button, put } from "./element.js";
import * as options from "./options.js";
import { complain, reachable, trouble } from "./troubles.js";
import { format, list, several, size } from "./words.js";

const AGAIN = 3000; // ms

const desk = new Desk();

function showLimits({ formats, max_bytes: most, keep_hours: hours }) {
  if (formats && most) {
    const words = `${list(formats.map(format))}, up to ${size(most)} each, several at once`;
    put(document.getElementById("limits"), words);
  }
  if (hours) {
    const kept = hours < 48 ? several(Math.round(hours), "hour") : several(Math.round(hours / 24), "day");
    put(document.getElementById("kept"), `The protected photo is deleted after ${kept}, or at once when you say so.`);
  }
}

async function load() {
  try {
    desk.limits = await read("/v1/limits");
    options.offer(desk.limits);
    showLimits(desk.limits);
    await desk.listEarlier();
    reachable(true);
  } catch (problem) {
    complain(problem);
    if (problem.passes) setTimeout(load, AGAIN);
  }
  document.getElementById("change-key").hidden = !keyIsSet();
}

function loadAgain() {
  mayAskAgain();
  load();
}

onKeyNeeded(async (refused) => {
  const given = await askKey(refused);
  if (given) setKey(given);
  const enter = button("key", "Enter the key", { class: "button", onclick: loadAgain });
  trouble("key", given ? "" : "This service does nothing without a key.", enter);
  return given !== null;
});
wire();
options.begin();
listen((files) => desk.add(files));
document.getElementById("change-key").addEventListener("click", async () => {
  const given = await askKey(false);
  if (!given) return;
  setKey(given);
  location.reload(); // another key has other photos
});
window.addEventListener("beforeunload", (event) => {
  if (desk.sending) event.preventDefault();
});
document.documentElement.dataset.ready = "";
load().then(() => import("./result.js").catch(() => {})); // at hand when the first result comes
