/** The pictures of one opened result: small bitmaps to draw from, addresses for <img>, all given back at the end. */

import { decode } from "./pixels.js";

const LONGEST = 1280; // pixels of what is drawn on canvases

/** `before` and `after` are ImageBitmaps, null for what is not here or cannot be shown. */
export class Pictures {
  constructor() {
    this.closed = false;
    this.before = this.after = null;
    this.addresses = [];
  }

  async load(original, result) {
    this.original = original;
    this.result = result;
    const after = await decode(result, LONGEST);
    const before = original && after ? await decode(original, LONGEST) : null;
    Object.assign(this, { before, after });
    if (this.closed) this.close();
  }

  /** What stands for the photo where the original is not here: it looks almost the same. */
  get likeBefore() {
    return this.before ?? this.after;
  }

  of(blob) {
    const address = URL.createObjectURL(blob);
    this.addresses.push(address);
    return address;
  }

  close() {
    this.closed = true;
    this.before?.close();
    this.after?.close();
    this.addresses.forEach((address) => URL.revokeObjectURL(address));
    this.addresses = [];
  }
}
