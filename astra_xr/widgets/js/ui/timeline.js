// The values under the pins over time.

import { numberText } from "../code.js";
import { inOrder, overTime, pieces } from "../steps.js";
import { stepOf } from "../choice.js";
import { draw, make, tryAgain } from "./dom.js";
import { WIDE } from "./histogram.js";
import { PINS } from "./stage.js";

/** @import { View } from "./view.js" */

const HIGH = 108; // of the plot, in units of its width
const [LEFT, RIGHT, TOP, BOTTOM] = [34, WIDE - 10, 8, HIGH - 22];

export class Timeline {
  asked = "";
  made = "";

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    this.order = inOrder(view.about.steps);
    this.title = make("div", { class: "astra-formula" });
    this.svg = draw("svg", { class: "astra-spectra", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
    this.told = make("p", { class: "astra-hint" });
    this.again = tryAgain(() => { this.asked = ""; view.refresh(); });
    this.node = make("div", { class: "astra-timeline" }, this.title, this.svg, this.told, this.again);
  }

  update() {
    const { about, edited: state, store } = this.view, { pins } = state;
    const some = about.steps.length > 1 && pins.length > 0 && about.quick && !about.offline;
    this.node.hidden = !some;
    if (!some) { this.asked = ""; return; }
    const key = overTime(about, state);
    const known = pins.map(([x, y]) => store.series.find((s) => s.key === key && s.x === x && s.y === y));
    const missing = pins.filter((_, n) => !known[n] || known[n].message), ask = JSON.stringify([key, missing]);
    if (missing.length && ask !== this.asked && store.wire.send({ type: "series", key, points: missing })) this.asked = ask;
    const made = JSON.stringify([key, known.map((found) => found && [found.x, found.y, found.values.length, found.message]), state.time, store.wire.gone]);
    if (made === this.made) return;
    this.made = made;
    this.title.textContent = `${key} over time`;
    this.told.textContent = known.find((found) => found?.message)?.message || (!missing.length ? "" : store.wire.gone ? "This needs a kernel." : "reading…");
    this.again.hidden = !known.some((found) => found?.message);
    this.plot(key, known.filter(Boolean));
  }

  plot(key, known) {
    const { about, edited: state } = this.view, { steps } = about;
    const dated = this.order.every((n) => steps[n].date !== null);
    const order = dated || !steps.some(({ date }) => date !== null) ? this.order : this.order.filter((n) => steps[n].date !== null);
    const at = (n) => steps[n].date ?? this.order.indexOf(n);
    const values = known.flatMap((found) => order.map((n) => found.values[n])).filter((v) => typeof v === "number");
    this.svg.setAttribute("aria-label", `${key} over time at the marked pixels`);
    if (!values.length) {
      this.svg.replaceChildren();
      if (known.length && !this.told.textContent) this.told.textContent = "No clear value.";
      return;
    }
    const low = Math.min(...values), high = Math.max(...values), room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    const first = at(order[0]), last = at(order[order.length - 1]);
    const x = (n) => LEFT + ((at(n) - first) / (last - first || 1)) * (RIGHT - LEFT);
    const y = (v) => BOTTOM - ((v - low + room) / (high - low + 2 * room)) * (BOTTOM - TOP);
    const text = (attrs, words) => { const node = draw("text", attrs); node.textContent = words; return node; };
    const nodes = [low, high].flatMap((v) => [
      draw("line", { x1: LEFT, x2: RIGHT, y1: y(v), y2: y(v), class: "astra-rail" }),
      text({ x: LEFT - 4, y: y(v) + 3, class: "astra-end" }, numberText(v, 2)),
    ]);
    nodes.push(...this.ticks(order, x, text));
    const now = stepOf(about, state.time);
    if (order.includes(now)) nodes.push(draw("line", { x1: x(now), x2: x(now), y1: TOP, y2: BOTTOM, class: "astra-now" }));
    const small = order.length > 80;
    known.forEach((found) => {
      const color = PINS[state.pins.findIndex(([px, py]) => px === found.x && py === found.y) % PINS.length];
      for (const piece of pieces(order, found.values)) {
        const d = piece.map((n, i) => `${i ? "L" : "M"}${x(n).toFixed(1)} ${y(found.values[n]).toFixed(1)}`).join("");
        if (piece.length > 1) nodes.push(draw("path", { d, stroke: color, class: "astra-line" }));
        for (const n of piece) {
          const dot = draw("circle", { cx: x(n).toFixed(1), cy: y(found.values[n]).toFixed(1), r: n === now ? 4 : small ? 1.2 : 2.6, fill: color, class: "astra-dot", onclick: () => this.view.act({ type: "time", label: steps[n].label }) }, draw("title"));
          dot.firstChild.textContent = `${steps[n].label}: ${numberText(found.values[n], 4)}`;
          nodes.push(dot);
        }
      }
    });
    this.svg.replaceChildren(draw("g", { class: "astra-axis" }, ...nodes));
  }

  /** The first and the last step, and what fits between. */
  ticks(order, x, text) {
    const { steps } = this.view.about, { length } = order;
    const ends = length > 2 ? [0, length >> 1, length - 1] : [...order.keys()];
    let used = -99;
    return ends.flatMap((i) => {
      const px = Math.min(RIGHT - 22, Math.max(LEFT + 22, x(order[i])));
      if (px - used < 56) return [];
      used = px;
      return [text({ x: px, y: HIGH - 6 }, steps[order[i]].label.slice(0, 10))];
    });
  }
}
