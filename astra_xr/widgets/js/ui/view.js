// One view of a picker: its parts, and how the state becomes what is seen.

import { reduce } from "../state.js";
import { codeOf } from "../code.js";
import { limitsInForce, Statistics, wantedBy } from "../derive.js";
import { Differences } from "../difference.js";
import { Pyramid } from "../geo/pyramid.js";
import { clamp } from "../numbers.js";
import { bothOf, channelsOf, sideOf, sidesRead, sidesSeen } from "../sides.js";
import { copyButton, make, unique } from "./dom.js";
import { AreaPanel } from "./area.js";
import { Head } from "./head.js";
import { Histogram } from "./histogram.js";
import { Panel } from "./panel.js";
import { Save } from "./save.js";
import { Spectra } from "./spectra.js";
import { Stage } from "./stage.js";
import { Status } from "./status.js";
import { Strip } from "./strip.js";
import { Timeline } from "./timeline.js";

/** @import { Model, Side, State } from "../types" */
/** @import { Store } from "../store.js" */

const PANEL = 348; // CSS pixels, as in picker.css

export class View {
  closing = new AbortController(); // ends all listeners and observers
  full = false; // in full screen
  asleep = false; // far out of sight
  frame = 0;
  saving = 0;
  broken = "";

  /** @param {Model} model @param {Store} store @param {HTMLElement} root */
  constructor(model, store, root) {
    this.model = model;
    this.store = store;
    this.root = root;
    this.about = model.get("about");
    this.state = model.get("state");
    this.id = `astra-${unique()}`;
    this.pyramid = new Pyramid(this.about.grid, this.about.pyramid);
    /** @type {Side} */
    this.side = "a"; // that the menus change
    this.differences = new Differences(this.about, store);
    const statistics = (/** @type {Pick<Store, "get">} */ tiles) => new Statistics(this.about, this.pyramid, tiles);
    /** @type {Record<Side, Statistics>} */
    this.statistics = { a: statistics(store), b: statistics(store), difference: statistics(this.differences) };
    this.limits = {}; // in force
    store.join(this, () => this.refresh());
    this.status = new Status(this);
    this.stage = new Stage(this);
    this.save = new Save(this);
    this.head = new Head(this);
    this.panel = new Panel(this);
    this.histogram = new Histogram(this);
    this.spectra = new Spectra(this);
    this.area = new AreaPanel(this);
    this.timeline = new Timeline(this);
    this.strip = new Strip(this);
    this.build();
    this.listen();
    this.refresh();
    if (this.state.pins.length && !store.spectra.length) store.wire.send({ type: "spectra" });
    if (this.state.area && !store.statistics) store.wire.send({ type: "statistics" });
  }

  build() {
    const { about, stage, status, root } = this;
    this.code = make("code");
    const copy = this.copyCode("Copy code", "", { class: "astra-main" });
    const none = about.opening ? "" : about.unopened || "";
    const title = none || "A complete program that opens the Dataset and makes this image";
    const script = this.copyCode("Copy script", `${about.opening}\n`, { title, disabled: !about.opening });
    const why = none ? make("div", { class: "astra-why" }, `No script. ${none}`) : null;
    const foot = make("div", { class: "astra-foot" },
      make("pre", { class: "astra-code", tabIndex: 0, role: "region", "aria-label": "Python code for this image" }, this.code),
      make("div", { class: "astra-row" }, copy, script), why);
    const below = make("div", { class: "astra-below" }, stage.readout, status.line);
    const left = make("div", { class: "astra-left" }, stage.node, below, status.alert);
    this.panel.node.append(...this.panel.above, this.histogram.node, ...this.panel.below, this.area.node, this.spectra.node, this.timeline.node);
    root.classList.add("astra-picker");
    // While this view is there, hide the static image that a saved notebook has beside it.
    if (about.still) root.append(make("style", {}, `.jp-OutputArea-child:has(> .jp-OutputArea-output > .${about.still}), .${about.still} { display: none !important; }`));
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.append(make("section", { class: "astra-box", "aria-label": `Band picker of ${about.title}` },
      this.head.node, make("div", { class: "astra-body" }, left, this.strip.node, this.panel.node), foot));
  }

  listen() {
    const { model, root, stage, closing: { signal } } = this;
    const atEnd = (/** @type {() => void} */ act) => signal.addEventListener("abort", act);
    const onModel = (/** @type {string} */ event, /** @type {() => void} */ act) => {
      model.on(event, act);
      atEnd(() => model.off(event, act));
    };
    onModel("change:state", () => {
      const state = model.get("state");
      if (state === this.state) return;
      const moved = String(state.view) !== String(this.state.view);
      this.state = state;
      if (moved) stage.follow(state.view);
      this.refresh();
    });
    onModel("change:shown", () => this.refresh());
    root.addEventListener("keydown", (event) => {
      event.stopPropagation(); // notebooks have shortcuts of single keys
      const [field] = event.composedPath();
      const text = field instanceof HTMLInputElement && !["radio", "checkbox", "range"].includes(field.type); // has its own undo
      if (!(event.ctrlKey || event.metaKey) || event.altKey || text) return;
      const name = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
      if (!name) return;
      event.preventDefault();
      this.step(name);
    }, { signal });
    // As wide as the height of the screen allows.
    const widen = () => {
      this.full = /** @type {ShadowRoot} */ (root.getRootNode()).fullscreenElement === root;
      const most = PANEL + (0.85 * window.innerHeight) / stage.viewport.aspect;
      root.style.maxWidth = this.full ? "none" : `${clamp(Math.round(most), 1080, 1680)}px`;
      this.head.update();
      stage.resized();
    };
    widen();
    addEventListener("resize", widen, { signal });
    document.addEventListener("fullscreenchange", widen, { signal });
    const sizes = new ResizeObserver(() => stage.resized());
    sizes.observe(stage.node);
    let timer = 0;
    // Free all pixels after a while far out of sight.
    const near = new IntersectionObserver(([{ isIntersecting }]) => {
      clearTimeout(timer);
      if (isIntersecting) this.wake();
      else timer = setTimeout(() => this.sleep(), 3000);
    }, /** @type {any} */ ({ rootMargin: "1000px", scrollMargin: "1000px" }));
    near.observe(root);
    const ticking = setInterval(() => this.status.update(this.broken), 500);
    atEnd(() => {
      sizes.disconnect();
      near.disconnect();
      clearTimeout(timer);
      clearInterval(ticking);
    });
  }

  close() {
    this.closing.abort();
    clearTimeout(this.saving);
    clearTimeout(this.stage.navigating);
    cancelAnimationFrame(this.frame);
    this.store.leave(this);
    this.root.replaceChildren();
  }

  sleep() {
    this.asleep = true;
    this.stage.release();
    this.store.sleep(this);
  }

  wake() {
    if (!this.asleep) return;
    this.asleep = false;
    this.stage.load();
    this.stage.fill();
  }

  /** Change the state. @param {any} action */
  act(action) {
    const next = reduce(this.about, this.state, { side: this.side, ...action });
    if (next !== this.state) this.store.history.record(this.state, next, action);
    this.show(next);
  }

  /** Undo or redo a change. @param {"undo" | "redo"} name */
  step(name) {
    const { history } = this.store;
    if (!(name === "undo" ? history.done : history.undone).length) return;
    this.show(history[name](this.state));
    this.status.show(name === "undo" ? "Undone." : "Redone.");
  }

  /** Show a state, and send it to Python, at most every 80 ms. @param {State} next */
  show(next) {
    if (next !== this.state) {
      this.state = next;
      this.store.refused = "";
      this.model.set("state", next);
      clearTimeout(this.saving);
      const save = () => { this.saved = performance.now(); this.store.wire.save(this.state); };
      const wait = 80 - (performance.now() - (this.saved || 0));
      if (wait <= 0) save();
      else this.saving = setTimeout(save, wait);
    }
    this.refresh();
  }

  /** Let the menus change side "a" or "b". */
  choose(side) {
    this.side = side;
    this.refresh();
  }

  /** The side whose limits, histogram and colormap are shown. */
  get limitsOf() { return sidesSeen(this.state).includes(this.side) ? this.side : sidesSeen(this.state)[0]; }

  /** The state of the side that the menus change. */
  get edited() { return sideOf(this.about, this.state, this.side); }

  /** The state of the side whose limits are shown. */
  get shown() { return sideOf(this.about, this.state, this.limitsOf); }

  /** The statistics of that side, if they are known. */
  get found() { return this.statistics[this.limitsOf].found; }

  /** Whether the colormap can be chosen: if B shows another channel than A, it has the default one. */
  get mapIsChosen() { return this.limitsOf !== "b" || String(channelsOf(this.shown)) === String(channelsOf(sideOf(this.about, this.state, "a"))); }

  refresh() {
    if (this.frame || this.closing.signal.aborted) return;
    this.root.dataset.busy = "true";
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.update(); });
  }

  /** Request tiles, derive limits and update each panel; a failure in one does not stop the others. */
  update() {
    if (this.closing.signal.aborted) return;
    if (!this.state.compare) this.side = "a";
    const { stage, head, panel, histogram, spectra, area, timeline, strip } = this;
    const parts = [
      () => this.fetch(),
      () => this.derive(),
      () => stage.paint(this.limits),
      ...[head, panel, histogram, area, spectra, timeline, strip].map((part) => () => part.update()),
      () => this.showCode(),
      () => stage.showPixel(),
    ];
    this.broken = "";
    for (const part of parts) {
      try { part(); } catch (error) { this.broken = `A part of the picker failed: ${/** @type {Error} */ (error).message}`; }
    }
    this.status.update(this.broken);
  }

  fetch() {
    if (this.asleep || this.stage.navigating || !this.stage.viewport.width) return; // not while panning or zooming
    const { about, pyramid, state, stage } = this;
    const wanted = sidesRead(state).flatMap((side) => wantedBy(about, pyramid, sideOf(about, state, side), stage.level, stage.viewport.view));
    this.store.want(this, wanted, this.strip.wanted(wanted));
  }

  derive() {
    const { about, state, statistics } = this, reported = this.model.get("shown")?.limits;
    if (this.differences.of(...bothOf(about, state))) statistics.difference.found = null;
    this.limits = {};
    // If both show a channel, the limits of A are in force.
    for (const side of new Set([...sidesRead(state), ...sidesSeen(state)])) {
      const own = sideOf(about, state, side);
      statistics[side].update(own);
      this.limits = { ...limitsInForce(own, statistics[side].found, reported), ...this.limits };
    }
  }

  showCode() {
    const code = codeOf(this.about, this.state, this.limits);
    if (this.code.textContent !== code) this.code.textContent = code;
  }

  copyCode(title, opening, attrs) {
    return copyButton(title, () => opening + codeOf(this.about, this.state, this.limits), attrs, (done) => this.status.copied(done));
  }
}
