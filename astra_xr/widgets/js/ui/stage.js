// The picture: panning, zooming, pins, and painting it.

import { stepOf } from "../choice.js";
import { MASK } from "../derive.js";
import { Eye } from "../geo/eye.js";
import { lonlatAt } from "../geo/lonlat.js";
import { barOf } from "../geo/scalebar.js";
import { numberText } from "../code.js";
import { canDiffer, channelsOf, sideOf, sidesRead, sidesSeen } from "../sides.js";
import { AreaTool } from "./area.js";
import { clamp, make } from "./dom.js";
import { Picture } from "./picture.js";
import { Swipe } from "./swipe.js";

export const PINS = ["#e8590c", "#1c7ed6", "#2f9e44", "#ae3ec9", "#e03131", "#0c8599"];

const GAP = "   "; // between the values of a pixel

const shortNumber = (value) => numberText(value, Math.abs(value) >= 1000 ? 6 : 4);

/** @import { Box, Side } from "../types" */
/** @import { View } from "./view.js" */

export class Stage {
  /** @type {[number, number] | null} */ hover = null; // where the pointer is
  /** @type {View["about"]} */ about;
  /** @type {View["store"]} */ store;
  /** @type {View["pyramid"]} */ pyramid;
  revision = 0;
  dpr = 1;
  looking = 0;

  /** @param {View} view */
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.about = about;
    this.store = view.store;
    this.pyramid = view.pyramid;
    /** @type {Record<Side, Picture>} */
    this.pictures = { a: new Picture(about, view.pyramid, view.store), b: new Picture(about, view.pyramid, view.store), difference: new Picture(about, view.pyramid, view.differences) };
    this.swipe = new Swipe(view);
    this.eye = new Eye(about.grid);
    this.canvas = make("canvas", {
      class: "astra-canvas", tabIndex: 0, role: "application", "aria-roledescription": "image",
      "aria-label": `Image of ${about.title}. Arrow keys pan, plus and minus zoom, 0 shows all, comma and full stop move the bar between A and B, Enter marks the center, Delete removes the last mark.`,
    });
    this.scalebar = make("div", { class: "astra-scalebar", "aria-hidden": "true" }, make("i"), make("span"));
    this.bar = make("div", { class: "astra-bar", role: "progressbar", "aria-label": "Reading", hidden: true });
    const tool = (label, text, run) => make("button", { type: "button", class: "astra-tool", title: label, "aria-label": label, onclick: run }, text);
    this.areaTool = new AreaTool(this);
    const tools = make("div", { class: "astra-tools" },
      tool("Zoom in", "+", () => this.look(() => this.eye.zoom(1.6))),
      tool("Zoom out", "−", () => this.look(() => this.eye.zoom(1 / 1.6))),
      tool("Show all", "⤢", () => this.look(() => this.eye.show(null))), this.areaTool.button);
    this.node = make("div", { class: "astra-stage" }, this.canvas, ...this.swipe.nodes, this.areaTool.node, this.bar, tools, this.scalebar);
    this.readout = make("div", { class: "astra-readout" });
    this.pointers();
    this.keys();
    this.load();
  }

  /** The picture as Python last drew it, to be seen until tiles come: in a notebook that is opened again they never do. */
  async load() {
    /** @type {ArrayBufferView<ArrayBuffer> | undefined} */
    const preview = this.view.model.get("preview");
    if (!preview || !ArrayBuffer.isView(preview) || !preview.byteLength) return;
    this.preview = await createImageBitmap(new Blob([preview], { type: "image/jpeg" }));
    this.view.refresh();
  }

  // Looking around.

  look(change) {
    change();
    this.view.refresh();
    clearTimeout(this.looking);
    this.looking = setTimeout(() => {
      this.looking = 0;
      this.view.act({ type: "view", view: this.eye.view });
    }, 140);
  }

  /** Follow a view that Python, or another view of the browser, has set. */
  follow(view) {
    if (!this.looking && String(view) !== String(this.eye.view)) this.eye.show(view);
  }

  resized() {
    const width = Math.floor(this.node.clientWidth);
    if (!width || (width === this.eye.width && this.full === this.view.full)) return;
    this.full = this.view.full;
    const first = !this.eye.width;
    this.eye.resize(width, this.view.full ? this.room : undefined);
    if (first) this.eye.show(this.view.state.view);
    this.eye.settle();
    this.dpr = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.style.height = `${this.eye.height}px`;
    this.fill();
  }

  /** Give the canvas its pixels. */
  fill() {
    if (this.view.asleep || !this.eye.width) return;
    this.canvas.width = Math.round(this.eye.width * this.dpr);
    this.canvas.height = Math.round(this.eye.height * this.dpr);
    this.view.refresh();
  }

  /** Hold no pixels. */
  release() {
    this.canvas.width = this.canvas.height = 0;
    this.preview = null;
    for (const picture of Object.values(this.pictures)) picture.release();
  }

  /** CSS pixels of height that a full screen leaves for the picture. */
  get room() {
    const others = [...this.node.parentElement.children, ...this.view.root.querySelectorAll(".astra-head, .astra-foot")];
    return Math.max(240, others.reduce((left, each) => left - (each === this.node ? 0 : each.offsetHeight), window.innerHeight - 4));
  }

  /** The level of what is shown: a pixel of it is at most a CSS pixel, or two screen pixels, wide. */
  get level() {
    return this.eye.width ? this.pyramid.levelAt(this.eye.scale, this.dpr >= 1.5 ? 1 : 1.41) : this.pyramid.top;
  }

  pointers() {
    const { canvas } = this;
    /** @type {Map<number, any>} */
    const down = new Map();
    let moved = 0;
    const at = (/** @type {MouseEvent} */ e) => { const r = canvas.getBoundingClientRect(); return /** @type {[number, number]} */ ([e.clientX - r.left, e.clientY - r.top]); };
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      canvas.setPointerCapture(e.pointerId);
      if (!down.size) moved = 0;
      down.set(e.pointerId, at(e));
    });
    canvas.addEventListener("pointermove", (e) => {
      const [x, y] = at(e);
      if (!down.has(e.pointerId)) { this.hover = [x, y]; this.tellPixel(); return; }
      const [px, py] = down.get(e.pointerId);
      moved += Math.abs(x - px) + Math.abs(y - py);
      if (down.size === 2) {
        const other = [...down.keys()].filter((id) => id !== e.pointerId).map((id) => down.get(id))[0];
        const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        this.look(() => this.eye.zoom(apart([x, y]) / apart([px, py]), (x + other[0]) / 2, (y + other[1]) / 2));
      } else if (moved > 4) this.look(() => this.eye.move(x - px, y - py));
      down.set(e.pointerId, [x, y]);
    });
    const up = (e) => {
      const was = down.delete(e.pointerId);
      if (was && e.type === "pointerup" && moved <= 4 && !down.size) this.pin(...this.eye.at(...at(e)));
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.tellPixel(); });
    canvas.addEventListener("wheel", (e) => {
      // The page scrolls past, unless the picture was chosen.
      if (!e.ctrlKey && !e.metaKey && canvas.getRootNode().activeElement !== canvas) return;
      e.preventDefault();
      this.look(() => this.eye.zoom(Math.exp(-clamp(e.deltaY, -300, 300) * 0.0022), ...at(e)));
    }, { passive: false });
  }

  keys() {
    const step = () => Math.round(this.eye.width / 8);
    const acts = {
      ArrowLeft: () => this.look(() => this.eye.move(step(), 0)),
      ArrowRight: () => this.look(() => this.eye.move(-step(), 0)),
      ArrowUp: () => this.look(() => this.eye.move(0, step())),
      ArrowDown: () => this.look(() => this.eye.move(0, -step())),
      "+": () => this.look(() => this.eye.zoom(1.6)),
      "=": () => this.look(() => this.eye.zoom(1.6)),
      "-": () => this.look(() => this.eye.zoom(1 / 1.6)),
      0: () => this.look(() => this.eye.show(null)),
      ",": () => this.swipe.move(-1),
      ".": () => this.swipe.move(1),
      Enter: () => { this.pin(this.eye.row, this.eye.col); this.view.status.say(this.pixelText(this.eye.row, this.eye.col)); },
      Delete: () => this.view.act({ type: "unpin", n: this.view.state.pins.length - 1 }),
    };
    this.canvas.addEventListener("keydown", (e) => {
      if (!acts[e.key] || e.ctrlKey || e.metaKey || e.altKey) return;
      e.preventDefault();
      acts[e.key]();
    });
  }

  pin(row, col) {
    this.view.act({ type: "pin", row, col });
    if (this.about.offline) this.guessSpectra();
  }

  /** Without a kernel: the values of the bands that the page has. */
  guessSpectra() {
    const { store, about } = this, { grid } = about;
    store.spectra = this.view.state.pins.map(([x, y]) => {
      const time = stepOf(about, this.view.state.time);
      const known = store.spectra.find((s) => s.x === x && s.y === y && s.time === time);
      if (known) return known;
      const at = [(y - grid.y) / grid.dy, (x - grid.x) / grid.dx];
      const bands = (about.offline || []).filter((key) => about.bands[key]);
      return { x, y, time, values: Object.fromEntries(bands.map((key) => [key, this.valueAt(key, ...at)?.value])) };
    });
    this.view.refresh();
  }

  // Values.

  /** The value of a channel at a place, of the finest tile that is here, and the level of that. */
  valueAt(key, row, col, state = this.view.state) {
    const time = stepOf(this.about, state.time);
    for (let level = this.level; level <= this.pyramid.top; level++) {
      const [[r, c]] = this.pyramid.within(level, [row, col, row + 1e-9, col + 1e-9]);
      const tile = this.store.get({ key, time, level, row: r, col: c });
      if (!tile) continue;
      const [top, left, bottom, right] = tile.box;
      const j = Math.floor(((row - top) / (bottom - top)) * tile.shape[0]);
      const i = Math.floor(((col - left) / (right - left)) * tile.shape[1]);
      if (j < 0 || i < 0 || j >= tile.shape[0] || i >= tile.shape[1]) continue;
      const code = tile.codes[j * tile.shape[1] + i];
      if (key === MASK) return { value: code, level };
      return { value: code ? tile.low + (code - 1) * tile.step : null, level };
    }
    return null;
  }

  pixelText(row, col) {
    const { grid, bands } = this.about;
    if (row < 0 || col < 0 || row >= grid.rows || col >= grid.cols) return "";
    const digits = grid.degrees ? 5 : Math.abs(grid.dx) < 1 ? 2 : 0;
    const x = (grid.x + grid.dx * col).toFixed(digits), y = (grid.y + grid.dy * row).toFixed(digits);
    const parts = [grid.placed ? `x ${x}  y ${y}` : `row ${Math.floor(row)}  column ${Math.floor(col)}`];
    const degrees = grid.degrees ? null : lonlatAt(grid, row, col);
    if (degrees) parts.push(`${Math.abs(degrees[1]).toFixed(4)}°${degrees[1] < 0 ? "S" : "N"} ${Math.abs(degrees[0]).toFixed(4)}°${degrees[0] < 0 ? "W" : "E"}`);
    const { state } = this.view, sides = sidesRead(state), values = [];
    let coarsest = 0;
    for (const side of sides) {
      const own = sideOf(this.about, state, side), mark = sides.length > 1 ? `${side.toUpperCase()} ` : "";
      let first = mark;
      for (const key of new Set(channelsOf(own))) {
        const found = this.valueAt(key, row, col, own);
        if (!found) continue;
        const { value } = found, band = bands[key] || { classes: [] };
        const named = band.classes.find((c) => c.value === value);
        const text = value === null ? "no data" : named ? named.name : shortNumber(value);
        parts.push(`${first}${key} ${text}${value !== null && band.units ? ` ${band.units}` : ""}`);
        values.push(value);
        first = "";
        if (value !== null && !band.classes.length) coarsest = Math.max(coarsest, found.level);
      }
      if (this.valueAt(MASK, row, col, own)?.value) parts.push(`${mark}cloud or shadow`);
    }
    const [a, b] = values;
    if (values.length === 2 && typeof a === "number" && typeof b === "number" && canDiffer(this.about, state)) parts.push(`B − A ${shortNumber(b - a)}`);
    const [down, across] = this.pyramid.pitch(coarsest);
    if (down * across > 1) parts.push(`(mean of ${Math.round(down * across)} pixels)`);
    return parts.join(GAP);
  }

  tellPixel() {
    const [row, col] = this.hover ? this.eye.at(...this.hover) : [this.eye.row, this.eye.col];
    const text = this.pixelText(row, col);
    if (this.readout.textContent === text) return;
    // Lines are broken between the values, not within.
    this.readout.replaceChildren(...text.split(GAP).flatMap((part, n) => [n ? GAP : "", make("span", {}, part)]));
  }

  // Painting.

  /** Draw what is here, and pale what is of something else. */
  paint(limits) {
    const { eye, canvas, dpr, level, pyramid, view: { state } } = this;
    if (!eye.width || this.view.asleep) return;
    const started = performance.now();
    /** @type {Box} */
    const whole = [0, 0, pyramid.rows, pyramid.cols];
    const sides = sidesSeen(state), pictures = sides.map((side) => this.pictures[side]);
    sides.forEach((side, n) => pictures[n].paint(sideOf(this.about, state, side), limits, eye.view || whole, level));
    const context = canvas.getContext("2d");
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, eye.width, eye.height);
    const saved = !this.drawn && this.preview;
    if (saved) this.put(context, { canvas: saved, box: whole });
    this.sides(context, (picture) => (picture.fresh ? 1 : 0.35));
    this.swipe.update();
    this.marks(context);
    this.areaTool.place();
    this.scale();
    const fresh = pictures.every(({ fresh }) => fresh);
    if (fresh) {
      canvas.dataset.rev = ++this.revision;
      canvas.dataset.ms = (performance.now() - started).toFixed(1);
    }
    canvas.dataset.fine = String(fresh && pictures.every(({ complete }) => complete));
    canvas.dataset.level = level;
    canvas.dataset.whole = String(!eye.zoomed);
    canvas.dataset.saved = String(Boolean(saved));
  }

  /** Whether there is a picture of what is seen, or was. */
  get drawn() { return sidesSeen(this.view.state).some((side) => this.pictures[side].drawn); }

  /** Draw A left of the bar and B right of it, or the one that is seen. @param {(picture: Picture) => number} alpha */
  sides(context, alpha) {
    const { eye } = this, pictures = sidesSeen(this.view.state).map((side) => this.pictures[side]);
    const edge = pictures.length > 1 ? this.swipe.split * eye.width : eye.width;
    pictures.forEach((picture, n) => {
      context.save();
      context.beginPath();
      context.rect(n ? edge : 0, 0, n ? eye.width - edge : edge, eye.height);
      context.clip();
      context.globalAlpha = alpha(picture);
      for (const layer of picture.drawn || []) this.put(context, layer);
      context.restore();
    });
  }

  /** Draw what is seen and marked, in CSS pixels. */
  seen(context) {
    this.sides(context, () => 1);
    if (this.swipe.on) {
      context.fillStyle = "#fff";
      context.fillRect(this.swipe.split * this.eye.width - 1, 0, 2, this.eye.height);
    }
    this.marks(context);
  }

  put(context, layer) {
    const [top, left, bottom, right] = layer.box;
    const [x, y] = this.eye.place(top, left), [x2, y2] = this.eye.place(bottom, right);
    context.imageSmoothingEnabled = (x2 - x) / layer.canvas.width < 2;
    context.imageSmoothingQuality = "medium";
    context.drawImage(layer.canvas, x, y, x2 - x, y2 - y);
  }

  marks(context) {
    const { grid } = this.about;
    context.font = "600 10px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.view.state.pins.forEach(([px, py], n) => {
      const [x, y] = this.eye.place((py - grid.y) / grid.dy, (px - grid.x) / grid.dx);
      context.beginPath();
      context.arc(x, y, 8, 0, 7);
      context.fillStyle = PINS[n % PINS.length];
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = "#fff";
      context.stroke();
      context.fillStyle = "#fff";
      context.fillText(n + 1, x, y + 0.5);
    });
  }

  scale() {
    const bar = barOf(this.about.grid, this.eye.scale, this.eye.width / 4);
    this.scalebar.hidden = !bar;
    if (!bar) return;
    this.scalebar.firstChild.style.width = `${bar.width.toFixed(1)}px`;
    this.scalebar.lastChild.textContent = bar.text;
  }
}
