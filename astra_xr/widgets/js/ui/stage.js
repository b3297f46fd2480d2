// The image: panning, zooming, pins, the values under the pointer, and painting.

import { MASK } from "../derive.js";
import { lonlatAt } from "../geo/lonlat.js";
import { barOf } from "../geo/scalebar.js";
import { Viewport } from "../geo/viewport.js";
import { clamp, numberText } from "../numbers.js";
import { canDiffer, channelsOf, sideOf, sidesRead, sidesSeen } from "../sides.js";
import { stepOf } from "../steps.js";
import { AreaTool } from "./area.js";
import { pinColor } from "./chart.js";
import { iconButton, make, modified } from "./dom.js";
import { SideImage } from "./side_image.js";
import { Swipe } from "./swipe.js";

const ZOOM = 1.6; // of a click or key
const GAP = "   "; // between the values of a pixel

const shortNumber = (value) => numberText(value, Math.abs(value) >= 1000 ? 6 : 4);

/** @import { Side } from "../types" */
/** @import { View } from "./view.js" */

export class Stage {
  /** @type {[number, number] | null} */ hover = null; // position of the pointer
  /** @type {View["about"]} */ about;
  /** @type {View["store"]} */ store;
  /** @type {View["pyramid"]} */ pyramid;
  revision = 0;
  dpr = 1;
  navigating = 0;

  /** @param {View} view */
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.about = about;
    this.store = view.store;
    this.pyramid = view.pyramid;
    const imageOf = (/** @type {Pick<View["store"], "get">} */ tiles) => new SideImage(about, view.pyramid, tiles);
    /** @type {Record<Side, SideImage>} */
    this.images = { a: imageOf(view.store), b: imageOf(view.store), difference: imageOf(view.differences) };
    this.swipe = new Swipe(view);
    this.viewport = new Viewport(about.grid);
    this.canvas = make("canvas", {
      class: "astra-canvas", tabIndex: 0, role: "application", "aria-roledescription": "image",
      "aria-label": `Image of ${about.title}. Arrow keys pan, plus and minus zoom, 0 shows all, comma and full stop move the bar between A and B, Enter marks the center, Delete removes the last mark.`,
    });
    this.scalebar = make("div", { class: "astra-scalebar", "aria-hidden": "true" }, make("i"), make("span"));
    this.bar = make("div", { class: "astra-bar", role: "progressbar", "aria-label": "Reading", hidden: true });
    const tool = (label, text, run) => iconButton(label, text, run, { class: "astra-tool" });
    this.areaTool = new AreaTool(this);
    const tools = make("div", { class: "astra-tools" },
      tool("Zoom in", "+", () => this.zoom(ZOOM)), tool("Zoom out", "−", () => this.zoom(1 / ZOOM)),
      tool("Show all", "⤢", () => this.showAll()), this.areaTool.button);
    this.node = make("div", { class: "astra-stage" }, this.canvas, ...this.swipe.nodes, this.areaTool.node, this.bar, tools, this.scalebar);
    this.readout = make("div", { class: "astra-readout" });
    this.pointers();
    this.keys();
    this.load();
  }

  /** Show the last image that Python drew until tiles arrive, which they never do in a notebook opened without a kernel. */
  async load() {
    /** @type {ArrayBufferView<ArrayBuffer> | undefined} */
    const preview = this.view.model.get("preview");
    if (!preview || !ArrayBuffer.isView(preview) || !preview.byteLength) return;
    this.preview = await createImageBitmap(new Blob([preview], { type: "image/jpeg" }));
    this.view.refresh();
  }

  /** Pan or zoom, and set the state after a short pause. @param {() => void} change */
  navigate(change) {
    change();
    this.view.refresh();
    clearTimeout(this.navigating);
    this.navigating = setTimeout(() => {
      this.navigating = 0;
      this.view.act({ type: "view", view: this.viewport.view });
    }, 140);
  }

  zoom(factor) { this.navigate(() => this.viewport.zoom(factor)); }

  pan(x, y) { this.navigate(() => this.viewport.move(x, y)); }

  showAll() { this.navigate(() => this.viewport.show(null)); }

  /** Show the part of the scene that Python or another view has set. */
  follow(view) {
    if (!this.navigating && String(view) !== String(this.viewport.view)) this.viewport.show(view);
  }

  resized() {
    const width = Math.floor(this.node.clientWidth);
    if (!width || (width === this.viewport.width && this.full === this.view.full)) return;
    this.full = this.view.full;
    const first = !this.viewport.width;
    this.viewport.resize(width, this.view.full ? this.room : undefined);
    if (first) this.viewport.show(this.view.state.view);
    this.viewport.settle();
    this.dpr = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.style.height = `${this.viewport.height}px`;
    this.fill();
  }

  /** Allocate the pixels of the canvas. */
  fill() {
    if (this.view.asleep || !this.viewport.width) return;
    this.canvas.width = Math.round(this.viewport.width * this.dpr);
    this.canvas.height = Math.round(this.viewport.height * this.dpr);
    this.view.refresh();
  }

  /** Free all pixels. */
  release() {
    this.canvas.width = this.canvas.height = 0;
    this.preview = null;
    for (const image of Object.values(this.images)) image.release();
  }

  /** The height in CSS pixels that a full screen leaves for the image. */
  get room() {
    const others = [...this.node.parentElement.children, ...this.view.root.querySelectorAll(".astra-head, .astra-foot")];
    return Math.max(240, others.reduce((left, each) => left - (each === this.node ? 0 : each.offsetHeight), window.innerHeight - 4));
  }

  /** The level to show: its pixels are at most one CSS pixel wide on dense screens, else at most 1.41. */
  get level() {
    return this.viewport.width ? this.pyramid.levelAt(this.viewport.scale, this.dpr >= 1.5 ? 1 : 1.41) : this.pyramid.top;
  }

  /** The position of a pointer on the image, in CSS pixels. @param {MouseEvent} event @returns {[number, number]} */
  at(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  pointers() {
    const { canvas } = this;
    /** @type {Map<number, any>} */
    const down = new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      canvas.setPointerCapture(e.pointerId);
      if (!down.size) moved = 0;
      down.set(e.pointerId, this.at(e));
    });
    canvas.addEventListener("pointermove", (e) => {
      const [x, y] = this.at(e);
      if (!down.has(e.pointerId)) { this.hover = [x, y]; this.showPixel(); return; }
      const [px, py] = down.get(e.pointerId);
      moved += Math.abs(x - px) + Math.abs(y - py);
      if (down.size === 2) {
        const other = [...down.keys()].filter((id) => id !== e.pointerId).map((id) => down.get(id))[0];
        const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        this.navigate(() => this.viewport.zoom(apart([x, y]) / apart([px, py]), (x + other[0]) / 2, (y + other[1]) / 2));
      } else if (moved > 4) this.pan(x - px, y - py);
      down.set(e.pointerId, [x, y]);
    });
    const up = (e) => {
      const was = down.delete(e.pointerId);
      if (was && e.type === "pointerup" && moved <= 4 && !down.size) this.pin(...this.viewport.toGrid(...this.at(e)));
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.showPixel(); });
    canvas.addEventListener("wheel", (e) => {
      // The wheel scrolls the page, unless the image has the focus.
      if (!e.ctrlKey && !e.metaKey && canvas.getRootNode().activeElement !== canvas) return;
      e.preventDefault();
      this.navigate(() => this.viewport.zoom(Math.exp(-clamp(e.deltaY, -300, 300) * 0.0022), ...this.at(e)));
    }, { passive: false });
  }

  keys() {
    const step = () => Math.round(this.viewport.width / 8);
    const acts = {
      ArrowLeft: () => this.pan(step(), 0),
      ArrowRight: () => this.pan(-step(), 0),
      ArrowUp: () => this.pan(0, step()),
      ArrowDown: () => this.pan(0, -step()),
      "+": () => this.zoom(ZOOM),
      "=": () => this.zoom(ZOOM),
      "-": () => this.zoom(1 / ZOOM),
      0: () => this.showAll(),
      ",": () => this.swipe.move(-1),
      ".": () => this.swipe.move(1),
      Enter: () => this.pinCenter(),
      Delete: () => this.view.act({ type: "unpin", n: this.view.state.pins.length - 1 }),
    };
    this.canvas.addEventListener("keydown", (e) => {
      if (!acts[e.key] || modified(e)) return;
      e.preventDefault();
      acts[e.key]();
    });
  }

  pin(row, col) {
    this.view.act({ type: "pin", row, col });
    if (this.about.offline) this.readSpectra();
  }

  /** Mark the pixel in the center, and read it out to users of screen readers. */
  pinCenter() {
    const { row, col } = this.viewport;
    this.pin(row, col);
    this.view.status.show(`Marked: ${this.pixelText(row, col)}`);
  }

  /** Without a kernel: take spectra from the tiles of the bands in the page. */
  readSpectra() {
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

  /** The value of a channel at a pixel, from the finest tile that is here, and its level. */
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

  /** Position and values of a pixel, as text. */
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
      let prefix = mark;
      for (const key of new Set(channelsOf(own))) {
        const found = this.valueAt(key, row, col, own);
        if (!found) continue;
        const { value } = found, band = bands[key] || { classes: [] };
        const named = band.classes.find((c) => c.value === value);
        const text = value === null ? "no data" : named ? named.name : shortNumber(value);
        parts.push(`${prefix}${key} ${text}${value !== null && band.units ? ` ${band.units}` : ""}`);
        values.push(value);
        prefix = "";
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

  showPixel() {
    const [row, col] = this.hover ? this.viewport.toGrid(...this.hover) : [this.viewport.row, this.viewport.col];
    const text = this.pixelText(row, col);
    if (this.readout.textContent === text) return;
    // Lines may break between the values, but not within.
    this.readout.replaceChildren(...text.split(GAP).flatMap((part, n) => [n ? GAP : "", make("span", {}, part)]));
  }

  /** Draw the tiles that are here; what was shown before is drawn pale until there are some. */
  paint(limits) {
    const { viewport, canvas, dpr, level, pyramid, view: { state } } = this;
    if (!viewport.width || this.view.asleep) return;
    const started = performance.now();
    const images = this.imagesSeen;
    sidesSeen(state).forEach((side, n) => images[n].paint(sideOf(this.about, state, side), limits, viewport.view || pyramid.whole, level));
    const context = canvas.getContext("2d");
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, viewport.width, viewport.height);
    const saved = !this.drawn && this.preview;
    if (saved) this.put(context, { canvas: saved, box: pyramid.whole });
    this.sides(context, ({ fresh }) => (fresh ? 1 : 0.35));
    this.swipe.update();
    this.marks(context);
    this.areaTool.place();
    this.scale();
    const fresh = images.every(({ fresh }) => fresh);
    if (fresh) {
      canvas.dataset.rev = ++this.revision;
      canvas.dataset.ms = (performance.now() - started).toFixed(1);
    }
    canvas.dataset.fine = String(fresh && images.every(({ complete }) => complete));
    canvas.dataset.level = level;
    canvas.dataset.whole = String(!viewport.zoomed);
    canvas.dataset.saved = String(Boolean(saved));
  }

  get imagesSeen() { return sidesSeen(this.view.state).map((side) => this.images[side]); }

  /** Whether there is an image, even if of what was shown before. */
  get drawn() { return this.imagesSeen.some(({ drawn }) => drawn); }

  /** Draw A left of the bar and B right of it, or the only side. @param {(image: SideImage) => number} alpha */
  sides(context, alpha) {
    const { viewport, imagesSeen: images } = this;
    const edge = images.length > 1 ? this.swipe.split * viewport.width : viewport.width;
    images.forEach((image, n) => {
      context.save();
      context.beginPath();
      context.rect(n ? edge : 0, 0, n ? viewport.width - edge : edge, viewport.height);
      context.clip();
      context.globalAlpha = alpha(image);
      for (const layer of image.drawn || []) this.put(context, layer);
      context.restore();
    });
  }

  /** Draw the image, the bar and the pins on another canvas, in CSS pixels. */
  drawOn(context) {
    this.sides(context, () => 1);
    if (this.swipe.on) {
      context.fillStyle = "#fff";
      context.fillRect(this.swipe.split * this.viewport.width - 1, 0, 2, this.viewport.height);
    }
    this.marks(context);
  }

  put(context, layer) {
    const [top, left, bottom, right] = layer.box;
    const [x, y] = this.viewport.toScreen(top, left), [x2, y2] = this.viewport.toScreen(bottom, right);
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
      const [x, y] = this.viewport.toScreen((py - grid.y) / grid.dy, (px - grid.x) / grid.dx);
      context.beginPath();
      context.arc(x, y, 8, 0, 7);
      context.fillStyle = pinColor(n);
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = "#fff";
      context.stroke();
      context.fillStyle = "#fff";
      context.fillText(n + 1, x, y + 0.5);
    });
  }

  scale() {
    const bar = barOf(this.about.grid, this.viewport.scale, this.viewport.width / 4);
    this.scalebar.hidden = !bar;
    if (!bar) return;
    this.scalebar.firstChild.style.width = `${bar.width.toFixed(1)}px`;
    this.scalebar.lastChild.textContent = bar.text;
  }
}
