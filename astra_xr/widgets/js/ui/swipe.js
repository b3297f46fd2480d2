// The bar between A and B on the image, and the names of both in its corners.

import { clamp } from "../numbers.js";
import { labelOf, sidesSeen } from "../sides.js";
import { make, modified, onDrag } from "./dom.js";

const STEP = 0.02;
const LEAST = 40; // CSS pixels of a name

export class Swipe {
  constructor(view) {
    this.view = view;
    this.grip = make("div", { class: "astra-grip", tabIndex: 0, role: "slider", "aria-label": "Part of the image that shows A", "aria-valuemin": 0, "aria-valuemax": 100 });
    this.bar = make("div", { class: "astra-swipe", hidden: true }, this.grip);
    this.names = { a: make("div", { class: "astra-name astra-of-a" }), b: make("div", { class: "astra-name astra-of-b" }) };
    this.nodes = [this.names.a, this.names.b, this.bar];
    const frame = () => this.bar.parentNode.getBoundingClientRect();
    onDrag(this.bar, (e) => {
      this.grip.focus({ preventScroll: true });
      const { left, width } = frame();
      return e.clientX - left - this.split * width; // the pointer keeps its distance from the bar
    }, (e, distance) => {
      const { left, width } = frame();
      this.set((e.clientX - left - distance) / width);
    });
    this.grip.addEventListener("keydown", (e) => {
      const step = e.shiftKey ? 5 * STEP : STEP, now = this.split;
      const ends = { ArrowLeft: now - step, ArrowDown: now - step, ArrowRight: now + step, ArrowUp: now + step, PageDown: now - 0.1, PageUp: now + 0.1, Home: 0, End: 1 };
      if (!(e.key in ends) || modified(e)) return;
      e.preventDefault();
      this.set(ends[e.key]);
    });
  }

  get split() { return this.view.state.compare?.split ?? 1; }

  /** Whether A and B are seen beside each other. */
  get on() { return sidesSeen(this.view.state).length === 2; }

  set(split) {
    if (this.on) this.view.act({ type: "split", split: clamp(split, 0, 1) });
  }

  move(steps) {
    if (this.on) this.set(this.split + steps * STEP);
  }

  update() {
    const { about, state } = this.view, seen = sidesSeen(state);
    this.bar.hidden = !this.on;
    for (const side of /** @type {const} */ (["a", "b"])) {
      const node = this.names[side];
      node.hidden = !state.compare || (side === "b" && !this.on);
      node.classList.toggle("astra-of-both", !this.on);
      if (!node.hidden) node.textContent = labelOf(about, state, seen.length === 1 ? seen[0] : side);
      node.style.maxWidth = "";
    }
    if (!this.on) return;
    this.fit();
    const percent = Math.round(this.split * 100);
    this.bar.style.left = `${this.split * 100}%`;
    this.grip.setAttribute("aria-valuenow", percent);
    this.grip.setAttribute("aria-valuetext", `${percent} % A, ${100 - percent} % B`);
  }

  /** Keep each name on its own side. */
  fit() {
    const { width } = this.view.stage.viewport;
    const room = { a: this.split * width - 20, b: (1 - this.split) * width - 56 }; // without edges and tools
    for (const side of /** @type {const} */ (["a", "b"])) {
      this.names[side].hidden = room[side] < LEAST;
      this.names[side].style.maxWidth = `${Math.max(LEAST, room[side])}px`;
    }
  }
}
