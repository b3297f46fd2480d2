// Spectra: the values under the pins over wavelength.

import { numberText, roundNumbers } from "../numbers.js";
import { stepOf } from "../steps.js";
import { dotAt, gridLine, labelAt, lineThrough, pinColor, scaleOf, WIDE } from "./chart.js";
import { copyButton, draw, make, tryAgain } from "./dom.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [34, WIDE - 10, 10, 108];

export class Spectra {
  constructor(view) {
    this.view = view;
    this.hint = make("p", { class: "astra-hint" }, "Click the image to see the spectrum of a pixel.");
    this.title = make("div", { class: "astra-formula" });
    this.svg = draw("svg", { class: "astra-spectra", viewBox: `0 0 ${WIDE} 130`, role: "img", "aria-label": "Spectra of the marked pixels" });
    this.list = make("ul", { class: "astra-pins", "aria-label": "Marked pixels" });
    const clear = make("button", { onclick: () => view.act({ type: "clear" }) }, "Clear");
    this.again = tryAgain(() => view.store.wire.send({ type: "spectra" }));
    this.actions = make("div", { class: "astra-row" }, this.again, copyButton("Copy table", () => this.table), clear);
    this.node = make("div", { class: "astra-spectrum" }, this.hint, this.title, this.svg, this.list, this.actions);
  }

  /** The spectrum of each pin, if it was read. */
  get known() {
    const { store, state, about } = this.view, time = stepOf(about, state.time);
    return state.pins.map(([x, y]) => store.spectra.find((s) => s.x === x && s.y === y && s.time === time));
  }

  update() {
    const { pins, time, compare } = this.view.state, { gone } = this.view.store.wire;
    this.hint.hidden = pins.length > 0;
    for (const part of [this.title, this.list, this.actions]) part.hidden = !pins.length;
    // In a comparison, spectra are of A.
    this.title.textContent = ["Spectra", compare && "A", time].filter(Boolean).join(" · ");
    const known = this.known;
    const made = JSON.stringify([pins, known, gone]);
    if (made === this.made) return;
    this.made = made;
    this.again.hidden = !known.some((found) => found?.message);
    this.plot(known);
    this.list.replaceChildren(...pins.map(([x, y], n) => {
      const found = known[n];
      const text = found ? found.message || `${numberText(x, 8)}, ${numberText(y, 8)}` : gone ? "needs a kernel" : "reading…";
      const remove = make("button", { "aria-label": `Remove mark ${n + 1}`, onclick: () => this.view.act({ type: "unpin", n }) }, "×");
      return make("li", {}, make("i", { style: `background:${pinColor(n)}` }, String(n + 1)), make("span", {}, text), remove);
    }));
  }

  plot(known) {
    const { bands, reflectance } = this.view.about;
    let names = Object.keys(bands).filter((n) => !bands[n].classes.length && (!reflectance || bands[n].role === "reflectance"));
    const waves = names.every((n) => bands[n].wavelength);
    if (waves) names = names.sort((a, b) => bands[a].wavelength - bands[b].wavelength);
    const at = (n) => (waves ? bands[names[n]].wavelength : n);
    const values = known.filter(Boolean).flatMap((s) => names.map((n) => s.values[n])).filter((v) => typeof v === "number");
    // While others are read, the last spectra stay, pale.
    const reading = !this.view.store.wire.gone && known.some((found) => !found);
    if (!values.length && !reading) this.svg.replaceChildren();
    this.svg.classList.toggle("astra-pale", !values.length && reading);
    this.svg.toggleAttribute("hidden", !known.length || (!values.length && !this.svg.firstChild));
    if (!values.length) return;
    const low = Math.min(0, ...values), high = Math.max(...values) || 1;
    const x = scaleOf(at(0), at(names.length - 1), LEFT, RIGHT), y = scaleOf(low, high, BOTTOM, TOP);
    const nodes = roundNumbers(low, high > low ? high : low + 1, 4).flatMap((v) => gridLine(y(v), numberText(v, 4), LEFT, RIGHT));
    let used = -99;
    names.forEach((name, n) => {
      const px = x(at(n));
      if (px - used < 27) return;
      used = px;
      nodes.push(labelAt(px, 122, waves ? numberText(at(n), 3) : name.slice(0, 5)));
    });
    known.forEach((found, k) => {
      if (!found) return;
      const dots = names.map((name, n) => ({ name, value: found.values[name], n })).filter(({ value }) => typeof value === "number");
      const point = ({ n, value }) => [x(at(n)), y(value)];
      nodes.push(lineThrough(dots.map(point), pinColor(k)));
      nodes.push(...dots.map((dot) => dotAt(point(dot), pinColor(k), `${dot.name}: ${numberText(dot.value, 4)}`)));
    });
    if (waves) nodes.push(labelAt(RIGHT, 104, "µm", { class: "astra-end" }));
    this.svg.replaceChildren(draw("g", { class: "astra-axis" }, ...nodes));
  }

  /** The values with tabs between them, as a spreadsheet takes them. */
  get table() {
    const { bands } = this.view.about, names = Object.keys(bands).filter((n) => !bands[n].classes.length);
    const rows = this.known.filter(Boolean).map((s) => [s.x, s.y, ...names.map((n) => s.values[n] ?? "")]);
    return [["x", "y", ...names], ...rows].map((row) => row.join("\t")).join("\n");
  }
}
