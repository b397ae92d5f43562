/** Original and protected photo under one slider. */

import { button, make, put } from "./element.js";
import { fit } from "./stage.js";

const STEP = 0.02;
const LEAP = 0.1;
const ENLARGED = 2.5; // at least, times the size that fits
const KEYS = {
  ArrowLeft: -STEP,
  ArrowDown: -STEP,
  ArrowRight: STEP,
  ArrowUp: STEP,
  PageDown: -LEAP,
  PageUp: LEAP,
  Home: -1,
  End: 1,
};

/**
 * The divider stands at a share of what is in view; left of it is the original. Dragging anywhere moves it; enlarged,
 * its knob does, and dragging elsewhere moves the photo.
 */
export function compare(pictures, { width, height }) {
  const picture = (blob, alt, looks) =>
    make("img", { class: looks, src: pictures.of(blob), alt, width, height, draggable: "false" });
  const after = picture(pictures.result, "The protected photo", "after");
  const before = picture(pictures.original, "The original", "before");
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
  const chips = [
    make("span", { class: "chip left", text: "Original" }),
    make("span", { class: "chip right", text: "Protected" }),
  ];
  const frame = make("div", { class: "frame compare" }, view, ...chips, divider);
  let share = 0.5;
  let enlarged = false;

  function place() {
    const at = view.scrollLeft + share * view.clientWidth;
    const whole = layers.clientWidth || 1;
    before.style.clipPath = `inset(0 ${(100 * (1 - at / whole)).toFixed(3)}% 0 0)`;
    divider.style.left = `${100 * share}%`;
    const percent = Math.round(100 * share);
    knob.setAttribute("aria-valuenow", percent);
    knob.setAttribute("aria-valuetext", `${percent} % original, ${100 - percent} % protected`);
    chips[0].hidden = share < 0.12;
    chips[1].hidden = share > 0.88;
  }

  function move(to) {
    share = Math.min(1, Math.max(0, to));
    place();
  }

  knob.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(share + (event.shiftKey ? Math.sign(step) * LEAP : step));
  });

  let drag = null; // what a pointer moves: the divider, or the photo
  const moveTo = ({ clientX }) => {
    const box = view.getBoundingClientRect();
    move((clientX - box.left) / box.width);
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const onKnob = divider.contains(event.target);
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
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (drag = null));
  view.addEventListener("scroll", place);
  new ResizeObserver(place).observe(layers);

  const zoom = button("zoom", "Enlarge", {
    class: "button small",
    "aria-pressed": "false",
    onclick: () => enlarge(!enlarged),
  });

  function enlarge(yes) {
    const box = view.getBoundingClientRect();
    enlarged = yes;
    frame.classList.toggle("enlarged", yes);
    frame.style.height = yes ? `${box.height}px` : "";
    const wide = Math.max(ENLARGED * box.width, width / window.devicePixelRatio);
    layers.style.width = yes ? `${wide}px` : "";
    if (yes) view.scrollTo((wide - box.width) / 2, ((wide * height) / width - box.height) / 2);
    for (const [name, value] of [
      ["tabindex", "0"],
      ["role", "region"],
      ["aria-label", "Enlarged photo; arrow keys move it"],
    ]) {
      if (yes) view.setAttribute(name, value);
      else view.removeAttribute(name);
    }
    zoom.setAttribute("aria-pressed", yes);
    put(zoom.querySelector("span"), yes ? "Whole photo" : "Enlarge");
    place();
  }

  place();
  const hint = make("p", {
    class: "hint",
    text: "Drag the divider, or use the arrow keys. Left of it is the original.",
  });
  const whole = make("div", {}, frame, make("div", { class: "under" }, hint, zoom));
  fit(whole, width, height);
  return whole;
}
