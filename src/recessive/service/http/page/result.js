/** The opened result of one photo: verdict, comparison, searches, table, facts. */

import { read, readFile } from "./api.js";
import { auditTable } from "./audit.js";
import { button, icon, make, say } from "./element.js";
import { facts } from "./facts.js";
import { searches } from "./found.js";
import { Pictures } from "./pictures.js";
import { download } from "./save.js";
import { stage } from "./stage.js";
import { verdict } from "./words.js";

const ICONS = { good: "hidden", mixed: "mixed", bad: "found" };

function verdictBox(report) {
  const { kind, headline, sentences, caveat } = verdict(report);
  const lines = [...sentences, caveat].map((text) => make("p", { text }));
  return make(
    "div",
    { class: "verdict", "data-kind": kind },
    icon(ICONS[kind]),
    make("div", {}, make("h4", { text: headline }), ...lines),
  );
}

function actions(photo, act) {
  const { job, name } = photo;
  const sheet = button("sheet", "Contact sheet", {
    class: "button",
    onclick: () => act.busy(sheet, () => download(`/v1/jobs/${job.id}/contact-sheet`, "contact-sheet.png")),
  });
  const again = button("again", "Protect again as set above", { class: "button", onclick: () => act.again(photo) });
  return make(
    "p",
    { class: "buttons", role: "group", "aria-label": `More to do with ${name}` },
    sheet,
    photo.file ? again : null,
  );
}

/** Ask for the original of an earlier visit; it stays in this browser. */
function originalWanted(photo, { width, height }, act) {
  const wrong = make("p", { class: "wrong", role: "alert", hidden: true });
  const id = `original-${photo.key}`;
  const input = make("input", { type: "file", accept: "image/*,.heic,.heif,.avif,.tif,.tiff", class: "for-ears", id });
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    const bitmap = await createImageBitmap(file).catch(() => null);
    const fits = bitmap && bitmap.width === width && bitmap.height === height;
    const found = bitmap ? `${bitmap.width} × ${bitmap.height}` : "";
    bitmap?.close();
    if (fits) {
      photo.file = file;
      act.reopen();
      say("The original is here again.");
      return;
    }
    wrong.hidden = false;
    wrong.textContent = bitmap
      ? `That photo has ${found} pixels, the original of this one ${width} × ${height}.`
      : "Your browser cannot show that file.";
    input.value = "";
  });
  const words =
    "The service has deleted the original, and this page no longer holds it. " +
    "To compare, choose it again; it is not uploaded.";
  const label = make(
    "label",
    { class: "button", for: id },
    icon("photo"),
    make("span", { text: "Choose the original" }),
  );
  return make(
    "div",
    { class: "note" },
    make("p", { text: words }),
    make("p", { class: "buttons" }, label, input),
    wrong,
  );
}

/** What stands in for pictures that the browser cannot show: the service's contact sheet. */
async function unviewable(photo, format, addresses) {
  const what = `Your browser cannot show ${format} photos. The protected photo is fine: download it,`;
  const words = `${what} or choose another format under “More” next time.`;
  const note = make("div", { class: "note" }, make("p", { text: words }));
  const sheet = await readFile(`/v1/jobs/${photo.job.id}/contact-sheet`, "").catch(() => null);
  if (sheet) {
    const src = addresses.of(sheet.blob);
    note.append(
      make("img", {
        class: "sheet",
        src,
        alt: "Contact sheet: the protected photo, its difference and what searches find",
      }),
    );
  }
  return note;
}

function heading(words, ...below) {
  return make("section", {}, make("h4", { text: words }), ...below);
}

async function fill(host, photo, act, pictures) {
  const { job } = photo;
  const path = `/v1/jobs/${job.id}`;
  const [report, insight, file] = await Promise.all([
    read(`${path}/report`),
    read(`${path}/insight`).catch(() => null),
    readFile(`${path}/photo`, photo.name),
  ]);
  await pictures.load(photo.file, file.blob);
  if (pictures.closed) return;
  const parts = [verdictBox(report), actions(photo, act)];
  const canShow = pictures.after !== null;
  if (!canShow) parts.push(await unviewable(photo, file.name.split(".").at(-1).toUpperCase(), pictures));
  if (canShow && !photo.file) parts.push(originalWanted(photo, report, act));
  if (canShow && photo.file && !pictures.before) {
    parts.push(
      make(
        "div",
        { class: "note" },
        make("p", { text: "Your browser cannot show the original, so that there is nothing to compare with." }),
      ),
    );
  }
  if (canShow) parts.push(stage(pictures, insight, report));
  if (insight) parts.push(heading("What a search with your original returns", searches(insight, pictures)));
  parts.push(heading("Every search that was tried", auditTable(report)));
  parts.push(heading("About the file", facts(job, report, file.blob.size)));
  host.replaceChildren(...parts);
}

/** Show the result of a photo in `host`; what it gives back closes it and frees all pictures. */
export function show(photo, host, act) {
  const pictures = new Pictures();
  host.replaceChildren(make("p", { class: "hint", text: "Fetching the result …" }));
  const attempt = () =>
    fill(host, photo, act, pictures).catch((problem) => {
      if (pictures.closed) return;
      const again = button("again", "Try again", { class: "button", onclick: attempt });
      host.replaceChildren(make("p", { class: "wrong", role: "alert", text: problem.message }), again);
    });
  attempt();
  return () => {
    pictures.close();
    host.replaceChildren();
  };
}
