/** Files to the owner's own disk. */

import { readFile } from "./api.js";

const KEPT = 20_000; // ms that a browser has to begin to save
const MOST_IN_ZIP = 200;

export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}

/** Fetch a file of the service, with the key if need be, and save it. */
export async function download(path, fallback) {
  const { blob, name } = await readFile(path, fallback);
  save(blob, name);
}

/** All protected photos, in as many zip files as the service's limit asks for. */
export async function downloadAll(ids) {
  for (let first = 0; first < ids.length; first += MOST_IN_ZIP) {
    const query = new URLSearchParams(ids.slice(first, first + MOST_IN_ZIP).map((id) => ["job", id]));
    await download(`/v1/photos.zip?${query}`, "protected-photos.zip");
  }
}
