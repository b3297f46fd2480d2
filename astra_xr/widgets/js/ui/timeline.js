// The values under the pins over time.

import { clamp, numberText } from "../numbers.js";
import { inOrder, overTime, pieces, stepOf } from "../steps.js";
import { dotAt, gridLine, labelAt, lineThrough, pinColor, scaleOf, WIDE } from "./chart.js";
import { draw, make, tryAgain } from "./dom.js";

/** @import { View } from "./view.js" */

const HIGH = 108; // units, as WIDE
const [LEFT, RIGHT, TOP, BOTTOM] = [34, WIDE - 10, 8, HIGH - 22];

export class Timeline {
  requested = "";
  made = "";

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    this.order = inOrder(view.about.steps);
    this.title = make("div", { class: "astra-formula" });
    this.svg = draw("svg", { class: "astra-spectra", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
    this.note = make("p", { class: "astra-hint" });
    this.again = tryAgain(() => { this.requested = ""; view.refresh(); });
    this.node = make("div", { class: "astra-timeline" }, this.title, this.svg, this.note, this.again);
  }

  update() {
    const { about, edited: state, store } = this.view, { pins } = state;
    const some = about.steps.length > 1 && pins.length > 0 && about.quick && !about.offline;
    this.node.hidden = !some;
    if (!some) { this.requested = ""; return; }
    const key = overTime(about, state);
    const known = pins.map(([x, y]) => store.series.find((s) => s.key === key && s.x === x && s.y === y));
    const missing = pins.filter((_, n) => !known[n] || known[n].message), request = JSON.stringify([key, missing]);
    if (missing.length && request !== this.requested && store.wire.send({ type: "series", key, points: missing })) this.requested = request;
    const made = JSON.stringify([key, known.map((found) => found && [found.x, found.y, found.values.length, found.message]), state.time, store.wire.gone]);
    if (made === this.made) return;
    this.made = made;
    this.title.textContent = `${key} over time`;
    const failed = known.find((found) => found?.message);
    this.note.textContent = failed?.message || (!missing.length ? "" : store.wire.gone ? "This needs a kernel." : "reading…");
    this.again.hidden = !failed;
    this.plot(key, known.filter(Boolean));
  }

  plot(key, known) {
    const { about, edited: state } = this.view, { steps } = about;
    const dated = this.order.filter((n) => steps[n].date !== null), order = dated.length ? dated : this.order;
    const at = (n) => steps[n].date ?? this.order.indexOf(n);
    const values = known.flatMap((found) => order.map((n) => found.values[n])).filter((v) => typeof v === "number");
    this.svg.setAttribute("aria-label", `${key} over time at the marked pixels`);
    if (!values.length) {
      this.svg.replaceChildren();
      if (known.length && !this.note.textContent) this.note.textContent = "No clear value.";
      return;
    }
    const low = Math.min(...values), high = Math.max(...values), room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    const across = scaleOf(at(order[0]), at(order[order.length - 1]), LEFT, RIGHT), x = (n) => across(at(n));
    const y = scaleOf(low - room, high + room, BOTTOM, TOP);
    const nodes = [low, high].flatMap((v) => gridLine(y(v), numberText(v, 2), LEFT, RIGHT));
    nodes.push(...this.ticks(order, x));
    const now = stepOf(about, state.time);
    if (order.includes(now)) nodes.push(draw("line", { x1: x(now), x2: x(now), y1: TOP, y2: BOTTOM, class: "astra-now" }));
    const small = order.length > 80;
    for (const { x: px, y: py, values: over } of known) {
      const color = pinColor(state.pins.findIndex((pin) => pin[0] === px && pin[1] === py));
      const point = (n) => [x(n), y(over[n])];
      for (const piece of pieces(order, over)) {
        if (piece.length > 1) nodes.push(lineThrough(piece.map(point), color));
        nodes.push(...piece.map((n) => dotAt(point(n), color, `${steps[n].label}: ${numberText(over[n], 4)}`,
          { r: n === now ? 4 : small ? 1.2 : 2.6, class: "astra-dot", onclick: () => this.view.act({ type: "time", label: steps[n].label }) })));
      }
    }
    this.svg.replaceChildren(draw("g", { class: "astra-axis" }, ...nodes));
  }

  /** The labels of the first and the last step, and of one between them, if they fit. */
  ticks(order, x) {
    const { steps } = this.view.about, { length } = order;
    const ends = length > 2 ? [0, length >> 1, length - 1] : [...order.keys()];
    let used = -99;
    return ends.flatMap((i) => {
      const px = clamp(x(order[i]), LEFT + 22, RIGHT - 22);
      if (px - used < 56) return [];
      used = px;
      return [labelAt(px, HIGH - 6, steps[order[i]].label.slice(0, 10))];
    });
  }
}
