/**
 * The page starts here: what the service offers, the photos of earlier visits, and the API key where one is needed.
 *
 * Modules lie in layers and import only from below. Two that stand on one line do not know each other:
 *
 *   main.js, app.js     starts the page; what happens to photos
 *   views/              what the page consists of: settings form, list, cards, results
 *   service/ | ui/      requests, uploads, job status | elements, pictures, dialogs, banners, incoming files
 *   model/              data, texts and arithmetic, without a document or a network: tested by node alone
 *
 * There is no build step: browsers load these files as they are. tests/service/http/page/ checks the layers.
 */

import { App } from "./app.js";
import { fileSize, formatName, list, plural } from "./model/texts.js";
import { allowAsking, hasKey, onKeyNeeded, readJson, setKey } from "./service/api.js";
import { showBanner, showProblem, showReachable } from "./ui/banners.js";
import { askForKey, initDialogs } from "./ui/dialogs.js";
import { button, byId, setText } from "./ui/elements.js";
import { onFiles } from "./ui/file-input.js";
import { OptionsForm } from "./views/options-form.js";

/** @import { Limits } from "./model/types.js" */

const RETRY = 3000; // ms

const options = new OptionsForm();
const app = new App(options);

/** @param {Limits} limits */
function showLimits({ formats, max_bytes: most, keep_hours: hours }) {
  if (formats && most) {
    setText(byId("limits"), `${list(formats.map(formatName))}, up to ${fileSize(most)} each, several at once`);
  }
  if (hours) {
    const kept = hours < 48 ? plural(Math.round(hours), "hour") : plural(Math.round(hours / 24), "day");
    setText(byId("kept"), `The protected photo is deleted after ${kept}, or as soon as you delete it.`);
  }
}

async function load() {
  try {
    app.limits = await readJson("/v1/limits");
    options.offer(app.limits);
    showLimits(app.limits);
    await app.listEarlier();
    showReachable(true);
  } catch (problem) {
    showProblem(problem);
    if (problem.temporary) setTimeout(load, RETRY);
  }
  byId("change-key").hidden = !hasKey();
}

function retryWithKey() {
  allowAsking();
  load();
}

onKeyNeeded(async (refused) => {
  const key = await askForKey(refused);
  if (key) setKey(key);
  const enter = button("key", "Enter key", { class: "button", onclick: retryWithKey });
  showBanner("key", key ? "" : "This service requires an API key.", enter);
  return key !== null;
});
initDialogs();
onFiles((files) => app.add(files));
byId("change-key").addEventListener("click", async () => {
  const key = await askForKey(false);
  if (!key) return;
  setKey(key);
  location.reload(); // another key has other photos
});
window.addEventListener("beforeunload", (event) => {
  if (app.isUploading) event.preventDefault();
});
document.documentElement.dataset.ready = "";
load().then(() => import("./views/result-panel.js").catch(() => {})); // in time for the first result
