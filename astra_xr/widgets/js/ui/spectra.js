// Spectra: the values under the pins over wavelength.

import { stepOf } from "../choice.js";
import { numberText, roundNumbers } from "../code.js";
import { copyText, draw, make, tryAgain } from "./dom.js";
import { WIDE } from "./histogram.js";
import { PINS } from "./stage.js";

export class Spectra {
  constructor(view) {
    this.view = view;
    this.hint = make("p", { class: "astra-hint" }, "Click the image to see the spectrum of a pixel.");
    this.title = make("div", { class: "astra-formula" });
    this.svg = draw("svg", { class: "astra-spectra", viewBox: `0 0 ${WIDE} 130`, role: "img", "aria-label": "Spectra of the marked pixels" });
    this.list = make("ul", { class: "astra-pins", "aria-label": "Marked pixels" });
    const table = make("button", { type: "button", onclick: (e) => this.copyTable(e.target) }, "Copy table");
    const clear = make("button", { type: "button", onclick: () => view.act({ type: "clear" }) }, "Clear");
    this.again = tryAgain(() => view.store.wire.send({ type: "spectra" }));
    this.actions = make("div", { class: "astra-row" }, this.again, table, clear);
    this.node = make("div", { class: "astra-spectrum" }, this.hint, this.title, this.svg, this.list, this.actions);
  }

  get known() {
    const { store, state, about } = this.view, time = stepOf(about, state.time);
    return state.pins.map(([x, y]) => store.spectra.find((s) => s.x === x && s.y === y && s.time === time));
  }

  update() {
    const { pins, time, compare } = this.view.state, { gone } = this.view.store.wire;
    this.hint.hidden = pins.length > 0;
    for (const part of [this.title, this.list, this.actions]) part.hidden = !pins.length;
    // With several images, of which one they are: with a comparison, those of A.
    this.title.textContent = ["Spectra", compare && "A", time].filter(Boolean).join(" · ");
    const known = this.known;
    const made = JSON.stringify([pins, known, gone]);
    if (made === this.made) return;
    this.made = made;
    this.again.hidden = !known.some((found) => found?.message);
    this.lines(known);
    this.list.replaceChildren(...pins.map(([x, y], n) => {
      const found = known[n];
      const what = !found ? (gone ? "needs a kernel" : "reading…") : found.message ? found.message : `${numberText(x, 8)}, ${numberText(y, 8)}`;
      const drop = make("button", { type: "button", "aria-label": `Remove mark ${n + 1}`, onclick: () => this.view.act({ type: "unpin", n }) }, "×");
      return make("li", {}, make("i", { style: `background:${PINS[n % PINS.length]}` }, String(n + 1)), make("span", {}, what), drop);
    }));
  }

  lines(known) {
    const { bands } = this.view.about;
    const reflective = this.view.about.reflectance;
    let names = Object.keys(bands).filter((n) => !bands[n].classes.length && (!reflective || bands[n].role === "reflectance"));
    const waves = names.every((n) => bands[n].wavelength);
    if (waves) names = names.sort((a, b) => bands[a].wavelength - bands[b].wavelength);
    const at = (n) => (waves ? bands[names[n]].wavelength : n);
    const values = known.filter(Boolean).flatMap((s) => names.map((n) => s.values[n])).filter((v) => typeof v === "number");
    // What is there already stays while others are read, pale.
    const reading = !this.view.store.wire.gone && known.some((found) => !found);
    if (!values.length && !reading) this.svg.replaceChildren();
    this.svg.classList.toggle("astra-pale", !values.length && reading);
    this.svg.toggleAttribute("hidden", !known.length || (!values.length && !this.svg.firstChild));
    if (!values.length) return;
    const low = Math.min(0, ...values), high = Math.max(...values) || 1;
    const first = at(0), last = at(names.length - 1);
    const x = (w) => 34 + ((w - first) / (last - first || 1)) * (WIDE - 44);
    const y = (v) => 108 - ((v - low) / (high - low || 1)) * 98;
    const nodes = [];
    for (const v of roundNumbers(low, high > low ? high : low + 1, 4)) {
      const text = draw("text", { x: 30, y: y(v) + 3, class: "astra-end" });
      text.textContent = numberText(v, 4);
      nodes.push(draw("line", { x1: 34, x2: WIDE - 10, y1: y(v), y2: y(v), class: "astra-rail" }), text);
    }
    let used = -99;
    names.forEach((name, n) => {
      const px = x(at(n));
      if (px - used < 27) return;
      used = px;
      const text = draw("text", { x: px, y: 122 });
      text.textContent = waves ? numberText(at(n), 3) : name.slice(0, 5);
      nodes.push(text);
    });
    known.forEach((found, k) => {
      if (!found) return;
      const color = PINS[k % PINS.length];
      const dots = names.map((name, n) => [at(n), found.values[name], name]).filter(([, v]) => typeof v === "number");
      nodes.push(draw("path", { d: dots.map(([w, v], i) => `${i ? "L" : "M"}${x(w).toFixed(1)} ${y(v).toFixed(1)}`).join(""), stroke: color, class: "astra-line" }));
      nodes.push(...dots.map(([w, v, name]) => {
        const dot = draw("circle", { cx: x(w).toFixed(1), cy: y(v).toFixed(1), r: 2.6, fill: color }, draw("title"));
        dot.firstChild.textContent = `${name}: ${numberText(v, 4)}`;
        return dot;
      }));
    });
    if (waves) {
      const unit = draw("text", { x: WIDE - 10, y: 104, class: "astra-end" });
      unit.textContent = "µm";
      nodes.push(unit);
    }
    this.svg.replaceChildren(draw("g", { class: "astra-axis" }, ...nodes));
  }

  async copyTable(button) {
    const names = Object.keys(this.view.about.bands).filter((n) => !this.view.about.bands[n].classes.length);
    const rows = this.known.filter(Boolean).map((s) => [s.x, s.y, ...names.map((n) => s.values[n] ?? "")].join("\t"));
    const done = await copyText([["x", "y", ...names].join("\t"), ...rows].join("\n"));
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = "Copy table"; }, 1500);
  }
}
