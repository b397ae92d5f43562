/** The one result that is open: its pictures are the large ones, and another's take their place. */

import { reachable } from "./troubles.js";

/** `act` is what can be done from within a result, see result.js. */
export class Opened {
  constructor(act) {
    this.act = act;
    this.photo = null;
    this.end = () => {};
  }

  toggle(photo) {
    const closing = this.photo === photo;
    this.close();
    if (!closing) this.open(photo);
  }

  async open(photo) {
    this.photo = photo;
    photo.card.opened(true);
    const { show } = await import("./result.js").catch(() => ({}));
    if (!show) {
      reachable(false);
      if (this.photo === photo) this.close();
      return;
    }
    const draw = () => {
      if (this.photo !== photo) return;
      this.end();
      this.end = show(photo, photo.card.result, { ...this.act, reopen: draw });
    };
    draw();
  }

  close() {
    this.photo?.card.opened(false);
    this.end();
    this.end = () => {};
    this.photo = null;
  }
}
