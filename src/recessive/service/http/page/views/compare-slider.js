/** The original and the protected photo under a slider, which can be enlarged. */

import { button, make, setButtonText } from "../ui/elements.js";
import { limitSize } from "../ui/images.js";

/** @import { ResultImages } from "../ui/images.js" */

const STEP = 0.02;
const LARGE_STEP = 0.1;
const ENLARGEMENT = 2.5; // at least, relative to the size that fits
/** @type {Record<string, number>} */
const KEYS = {
  ArrowLeft: -STEP,
  ArrowDown: -STEP,
  ArrowRight: STEP,
  ArrowUp: STEP,
  PageDown: -LARGE_STEP,
  PageUp: LARGE_STEP,
  Home: -1,
  End: 1,
};

/**
 * The divider stands at a share of the visible width; the original is on its left. Dragging anywhere moves it. Once the
 * photo is enlarged, only the knob moves the divider, and dragging elsewhere moves the photo.
 * @param {ResultImages & { original: Blob }} images
 * @param {{ width: number, height: number }} size
 */
export function compareSlider(images, { width, height }) {
  /**
   * @param {Blob} blob
   * @param {string} alt
   * @param {string} name
   */
  const picture = (blob, alt, name) =>
    make("img", { class: name, src: images.address(blob), alt, width, height, draggable: "false" });
  const after = picture(images.result, "The protected photo", "after");
  const before = picture(images.original, "The original", "before");
  const layers = make("div", { class: "layers" }, after, before);
  const view = make("div", { class: "view" }, layers);
  const knob = make("div", {
    class: "knob",
    role: "slider",
    tabindex: "0",
    "aria-label": "Divider between original and protected photo",
    "aria-valuemin": "0",
    "aria-valuemax": "100",
  });
  const divider = make("div", { class: "divider" }, knob);
  const left = make("span", { class: "chip left", text: "Original" });
  const right = make("span", { class: "chip right", text: "Protected" });
  const frame = make("div", { class: "frame compare" }, view, left, right, divider);
  let share = 0.5;
  let enlarged = false;

  function update() {
    const at = view.scrollLeft + share * view.clientWidth;
    const whole = layers.clientWidth || 1;
    before.style.clipPath = `inset(0 ${(100 * (1 - at / whole)).toFixed(3)}% 0 0)`;
    divider.style.left = `${100 * share}%`;
    const percent = Math.round(100 * share);
    knob.setAttribute("aria-valuenow", String(percent));
    knob.setAttribute("aria-valuetext", `${percent}% original, ${100 - percent}% protected`);
    left.hidden = share < 0.12;
    right.hidden = share > 0.88;
  }

  /** @param {number} to */
  function move(to) {
    share = Math.min(1, Math.max(0, to));
    update();
  }

  knob.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(share + (event.shiftKey ? Math.sign(step) * LARGE_STEP : step));
  });

  /** @type {"divider" | { x: number, y: number } | null} */
  let drag = null; // what the pointer moves: the divider, or the photo from a point
  /** @param {PointerEvent} event */
  const moveTo = ({ clientX }) => {
    const box = view.getBoundingClientRect();
    move((clientX - box.left) / box.width);
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const onKnob = event.target instanceof Node && divider.contains(event.target);
    if (enlarged && !onKnob) {
      if (event.pointerType !== "mouse") return; // the browser scrolls by touch
      drag = { x: event.clientX, y: event.clientY };
    } else {
      drag = "divider";
      moveTo(event);
      knob.focus({ preventScroll: true });
    }
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (drag === "divider") moveTo(event);
    else if (drag) {
      view.scrollBy(drag.x - event.clientX, drag.y - event.clientY);
      drag = { x: event.clientX, y: event.clientY };
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, () => {
      drag = null;
    });
  }
  view.addEventListener("scroll", update);
  new ResizeObserver(update).observe(layers);

  const zoom = button("zoom", "Enlarge", {
    class: "button small",
    "aria-pressed": "false",
    onclick: () => enlarge(!enlarged),
  });

  /** @param {boolean} yes */
  function enlarge(yes) {
    const box = view.getBoundingClientRect();
    enlarged = yes;
    frame.classList.toggle("enlarged", yes);
    frame.style.height = yes ? `${box.height}px` : "";
    const wide = Math.max(ENLARGEMENT * box.width, width / window.devicePixelRatio);
    layers.style.width = yes ? `${wide}px` : "";
    if (yes) view.scrollTo((wide - box.width) / 2, ((wide * height) / width - box.height) / 2);
    for (const [name, value] of [
      ["tabindex", "0"],
      ["role", "region"],
      ["aria-label", "Enlarged photo; use the arrow keys to move it"],
    ]) {
      if (yes) view.setAttribute(name, value);
      else view.removeAttribute(name);
    }
    zoom.setAttribute("aria-pressed", String(yes));
    setButtonText(zoom, yes ? "Show the whole photo" : "Enlarge");
    update();
  }

  update();
  const text = "Drag the divider or use the arrow keys. The original is on its left.";
  const hint = make("p", { class: "hint", text });
  const whole = make("div", {}, frame, make("div", { class: "below" }, hint, zoom));
  limitSize(whole, { width, height });
  return whole;
}
