/** Jobs, photos and reports for the tests, complete but for what a test changes. */

export const PAGE = new URL("../../../../src/recessive/service/http/page/", import.meta.url);

export function job(changes = {}) {
  return {
    id: "job0001",
    name: "beach.jpg",
    state: "waiting",
    progress: 0,
    attempts: 0,
    created: "2030-01-01T12:00:00.000Z",
    expires: null,
    photo: { format: "JPEG", bytes: 2_400_000, width: 4000, height: 3000 },
    options: { method: "vanish", budget: 8 },
    hidden: null,
    hidden_unseen: null,
    error: null,
    delivery: null,
    ...changes,
  };
}

export function photo(changes = {}) {
  return { key: 1, name: "beach.jpg", file: null, fields: [], upload: null, job: null, ...changes };
}

/** How one encoder ranks the photo; hidden unless told otherwise. */
export function entry(name, changes = {}) {
  const ranks = { rank_before: 1, rank_after: 1234, gallery_photos: 2500 };
  return { name, seen: true, hidden: true, survives: {}, ...ranks, ...changes };
}

export function report(entries, changes = {}) {
  return { hidden: true, hidden_unseen: true, per_encoder: entries, ...changes };
}

/** Waits until a condition holds. */
export async function until(condition) {
  const end = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
