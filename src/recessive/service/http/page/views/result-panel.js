/** The open result of a photo: verdict, large picture, search results, table, file. It is loaded after the page. */

import { VERDICT_ICONS } from "../model/photo.js";
import { verdict } from "../model/texts.js";
import { readFile, readJson } from "../service/api.js";
import { announce, button, icon, make } from "../ui/elements.js";
import { ResultImages } from "../ui/images.js";
import { photoViewer } from "./photo-viewer.js";
import { auditTable, fileFacts, searchResults } from "./report-sections.js";

/**
 * @import { Job, Photo, Report } from "../model/types.js"
 * @typedef {object} ResultActions
 * @property {(photo: Photo, control: Element) => void} contactSheet saves the contact sheet
 * @property {(photo: Photo) => void} again protects the photo again, with the settings as they are now
 * @typedef {ResultActions & { reopen: () => void }} Actions
 */

/**
 * Show the result of a photo in `host`. Returns a function that closes it and releases its pictures.
 * @param {Photo & { job: Job }} photo
 * @param {HTMLElement} host
 * @param {Actions} actions
 */
export function showResult(photo, host, actions) {
  /** @type {ResultImages | null} */
  let images = null;
  let closed = false;
  host.replaceChildren(make("p", { class: "hint", text: "Loading the result …" }));
  const load = async () => {
    try {
      const path = `/v1/jobs/${photo.job.id}`;
      const [report, insight, file] = await Promise.all([
        readJson(`${path}/report`),
        readJson(`${path}/insight`).catch(() => null),
        readFile(`${path}/photo`, photo.name),
      ]);
      if (closed) return;
      images?.close();
      images = new ResultImages(file.blob, photo.file);
      await images.load();
      if (closed) return;
      const picture = await pictureSection(photo, file.name, report, insight, images, actions);
      if (closed) return;
      host.replaceChildren(
        verdictBox(report),
        actionButtons(photo, actions),
        ...picture,
        ...(insight ? [section("What a search with your original returns", searchResults(insight, images))] : []),
        section("Every search that was tried", auditTable(report)),
        section("About the file", fileFacts(photo.job, report, file.blob.size)),
      );
    } catch (problem) {
      if (closed) return;
      const again = button("again", "Try again", { class: "button", onclick: load });
      host.replaceChildren(make("p", { class: "error", role: "alert", text: problem.message }), again);
    }
  };
  load();
  return () => {
    closed = true;
    images?.close();
    host.replaceChildren();
  };
}

/**
 * @param {string} title
 * @param {...Node} content
 */
function section(title, ...content) {
  return make("section", {}, make("h4", { text: title }), ...content);
}

/** @param {Report} report */
function verdictBox(report) {
  const { kind, headline, sentences, caveat } = verdict(report);
  const lines = [...sentences, caveat].map((text) => make("p", { text }));
  const text = make("div", {}, make("h4", { text: headline }), ...lines);
  return make("div", { class: "verdict", "data-kind": kind }, icon(VERDICT_ICONS[kind]), text);
}

/**
 * @param {Photo} photo
 * @param {Actions} actions
 */
function actionButtons(photo, actions) {
  const sheet = button("sheet", "Contact sheet", {
    class: "button",
    onclick: () => actions.contactSheet(photo, sheet),
  });
  const again = button("again", "Protect again with the settings above", {
    class: "button",
    onclick: () => actions.again(photo),
  });
  const label = `More actions for ${photo.name}`;
  return make("p", { class: "buttons", role: "group", "aria-label": label }, sheet, photo.file ? again : null);
}

/**
 * The large picture, and what to do where a photo is missing or cannot be displayed.
 * @param {Photo & { job: Job }} photo
 * @param {string} name of the protected file
 * @param {Report} report
 * @param {any} insight
 * @param {ResultImages} images
 * @param {Actions} actions
 */
async function pictureSection(photo, name, report, insight, images, actions) {
  if (!images.after) return [await contactSheet(photo, name, images)];
  const viewer = photoViewer(/** @type {ResultImages & { after: ImageBitmap }} */ (images), insight, report);
  if (!photo.file) return [originalInput(photo, report, actions), viewer];
  if (images.before) return [viewer];
  const text = "Your browser cannot display the original, so there is nothing to compare with.";
  return [make("div", { class: "note" }, make("p", { text })), viewer];
}

/**
 * The service's contact sheet, in place of a protected photo that the browser cannot display.
 * @param {Photo & { job: Job }} photo
 * @param {string} name of the protected file
 * @param {ResultImages} images
 */
async function contactSheet(photo, name, images) {
  const format = name.split(".").at(-1)?.toUpperCase();
  const text = `Your browser cannot display ${format} photos. The protected photo is fine: download it, or choose another format under “More settings” next time.`;
  const note = make("div", { class: "note" }, make("p", { text }));
  const sheet = await readFile(`/v1/jobs/${photo.job.id}/contact-sheet`).catch(() => null);
  if (sheet) {
    const alt = "Contact sheet: the protected photo, the difference, and what searches find";
    note.append(make("img", { class: "sheet", src: images.address(sheet.blob), alt }));
  }
  return note;
}

/**
 * Asks for the original of a photo of an earlier visit. It does not leave the browser.
 * @param {Photo} photo
 * @param {{ width: number, height: number }} size of the original
 * @param {Actions} actions
 */
function originalInput(photo, { width, height }, actions) {
  const error = make("p", { class: "error", role: "alert", hidden: true });
  const id = `original-${photo.key}`;
  const accept = "image/*,.heic,.heif,.avif,.tif,.tiff";
  const input = make("input", { type: "file", accept, class: "visually-hidden", id });
  input.addEventListener("change", async () => {
    const file = input.files?.[0];
    if (!file) return;
    const bitmap = await createImageBitmap(file).catch(() => null);
    const found = bitmap ? { width: bitmap.width, height: bitmap.height } : null;
    bitmap?.close();
    if (found?.width === width && found.height === height) {
      photo.file = file;
      actions.reopen();
      announce("The original is available again.");
      return;
    }
    error.hidden = false;
    error.textContent = found
      ? `That photo is ${found.width} × ${found.height} pixels, but the original was ${width} × ${height}.`
      : "Your browser cannot display that file.";
    input.value = "";
  });
  const lines = [
    "The service has deleted the original, and this page no longer has it.",
    "To compare the two, choose the original again. It will not be uploaded.",
  ];
  const label = make(
    "label",
    { class: "button", for: id },
    icon("photo"),
    make("span", { text: "Choose the original" }),
  );
  const buttons = make("p", { class: "buttons" }, label, input);
  return make("div", { class: "note" }, make("p", { text: lines.join(" ") }), buttons, error);
}
