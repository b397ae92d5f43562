/** Incoming photos: chosen, taken with the camera, dropped anywhere (folders, too), or pasted. */

import { byId } from "./elements.js";

/**
 * All files of a dropped file or folder, without hidden ones.
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesOf(entry) {
  if (entry.isFile) {
    const file = /** @type {FileSystemFileEntry} */ (entry);
    return new Promise((resolve) =>
      file.file(
        (found) => resolve([found]),
        () => resolve([]),
      ),
    );
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const entries = [];
  for (;;) {
    /** @type {FileSystemEntry[] | null} */
    const batch = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null)));
    if (!batch) return [];
    if (batch.length === 0) return (await Promise.all(entries.map(filesOf))).flat();
    entries.push(...batch.filter(({ name }) => !name.startsWith(".")));
  }
}

/**
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
async function droppedFiles(transfer) {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry?.() ?? []);
  if (entries.some((entry) => entry.isDirectory)) return (await Promise.all(entries.map(filesOf))).flat();
  return [...transfer.files];
}

/**
 * Call `add` whenever there are new photos.
 * @param {(files: File[]) => void} add
 */
export function onFiles(add) {
  for (const id of ["choose", "take"]) {
    const input = byId(id, HTMLInputElement);
    input.addEventListener("change", () => {
      add([...(input.files ?? [])]);
      input.value = ""; // so that the same photo can be chosen again
    });
  }

  const overlay = byId("drop-overlay");
  let depth = 0; // of entered elements
  /** @param {DragEvent} event */
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const hide = () => {
    depth = 0;
    overlay.hidden = true;
  };
  window.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    overlay.hidden = false;
  });
  window.addEventListener("dragover", (event) => {
    if (!event.dataTransfer || !carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  window.addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) hide();
  });
  window.addEventListener("drop", async (event) => {
    hide();
    if (!event.dataTransfer || !carriesFiles(event)) return;
    event.preventDefault();
    add(await droppedFiles(event.dataTransfer));
  });
  window.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) add([...event.clipboardData.files]);
  });
}
