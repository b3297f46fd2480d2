// One view of a picker: its parts, and the way from state to what is seen.

import { reduce } from "../choice.js";
import { codeOf } from "../code.js";
import { limitsInForce, Statistics, wantedBy } from "../derive.js";
import { Differences } from "../difference.js";
import { Pyramid } from "../geo/pyramid.js";
import { bothOf, channelsOf, sideOf, sidesRead, sidesSeen } from "../sides.js";
import { copyText, make, unique } from "./dom.js";
import { Head } from "./head.js";
import { Histogram } from "./histogram.js";
import { Panel } from "./panel.js";
import { AreaPanel } from "./area.js";
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
  /** @type {() => void} */ followed = () => {};
  /** @type {() => void} */ told = () => {};
  /** @type {() => void} */ widen = () => {};
  full = false; // on the full screen
  asleep = false; // far from what is seen of the page
  falling = 0;
  /** @type {(event: KeyboardEvent) => void} */ typed = () => {};
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
    this.side = "a"; // that menus are of
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
    const copy = make("button", { type: "button", class: "astra-main", onclick: (e) => this.copied(e.target, "") }, "Copy code");
    const none = about.opening ? "" : about.unopened || "";
    const title = none || "A whole program: opens the Dataset and makes this image";
    const script = make("button", { type: "button", title, disabled: !about.opening, onclick: (e) => this.copied(e.target, `${about.opening}\n`) }, "Copy script");
    const why = none ? make("div", { class: "astra-why" }, `No script. ${none}`) : null;
    const foot = make("div", { class: "astra-foot" },
      make("pre", { class: "astra-code", tabIndex: 0, role: "region", "aria-label": "Python code for this image" }, this.code),
      make("div", { class: "astra-row" }, copy, script), why);
    const below = make("div", { class: "astra-below" }, stage.readout, status.line);
    const left = make("div", { class: "astra-left" }, stage.node, below, status.alert);
    this.panel.node.append(...this.panel.above, this.histogram.node, ...this.panel.below, this.area.node, this.spectra.node, this.timeline.node);
    root.classList.add("astra-picker");
    // As long as this view is there, the image that a saved notebook has beside it is not shown.
    if (about.still) root.append(make("style", {}, `.jp-OutputArea-child:has(> .jp-OutputArea-output > .${about.still}), .${about.still} { display: none !important; }`));
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.append(make("section", { class: "astra-box", "aria-label": `Band picker of ${about.title}` },
      this.head.node, make("div", { class: "astra-body" }, left, this.strip.node, this.panel.node), foot));
  }

  listen() {
    this.followed = () => {
      const state = this.model.get("state");
      if (state === this.state) return;
      const moved = String(state.view) !== String(this.state.view);
      this.state = state;
      if (moved) this.stage.follow(state.view);
      this.refresh();
    };
    this.told = () => this.refresh();
    this.typed = (event) => {
      event.stopPropagation(); // notebooks have shortcuts of single keys
      const [field] = event.composedPath();
      const text = field instanceof HTMLInputElement && !["radio", "checkbox", "range"].includes(field.type); // has an undo of its own
      if (!(event.ctrlKey || event.metaKey) || event.altKey || text) return;
      const name = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
      if (!name) return;
      event.preventDefault();
      this.step(name);
    };
    this.model.on("change:state", this.followed);
    this.model.on("change:shown", this.told);
    this.root.addEventListener("keydown", this.typed);
    // As wide as the screen is high enough for.
    this.widen = () => {
      const at = /** @type {ShadowRoot} */ (this.root.getRootNode()).fullscreenElement;
      this.full = at === this.root;
      const most = PANEL + (0.85 * window.innerHeight) / this.stage.eye.aspect;
      this.root.style.maxWidth = this.full ? "none" : `${Math.min(1680, Math.max(1080, Math.round(most)))}px`;
      this.head.update();
      this.stage.resized();
    };
    this.widen();
    addEventListener("resize", this.widen);
    document.addEventListener("fullscreenchange", this.widen);
    this.sizes = new ResizeObserver(() => this.stage.resized());
    this.sizes.observe(this.stage.node);
    // Far from what is seen of the page, after a while, it holds no pixels.
    this.near = new IntersectionObserver(([{ isIntersecting }]) => {
      clearTimeout(this.falling);
      if (isIntersecting) this.wake();
      else this.falling = setTimeout(() => this.sleep(), 3000);
    }, /** @type {any} */ ({ rootMargin: "1000px", scrollMargin: "1000px" }));
    this.near.observe(this.root);
    this.ticking = setInterval(() => this.status.update(this.broken), 500);
  }

  close() {
    this.closed = true;
    this.model.off("change:state", this.followed);
    this.model.off("change:shown", this.told);
    this.root.removeEventListener("keydown", this.typed);
    this.sizes?.disconnect();
    this.near?.disconnect();
    clearTimeout(this.falling);
    clearInterval(this.ticking);
    clearTimeout(this.saving);
    clearTimeout(this.stage.looking);
    cancelAnimationFrame(this.frame);
    this.save.close();
    removeEventListener("resize", this.widen);
    document.removeEventListener("fullscreenchange", this.widen);
    this.store.leave(this);
    this.root.replaceChildren();
  }

  sleep() {
    this.asleep = true;
    this.stage.release();
    this.store.rest(this);
  }

  wake() {
    if (!this.asleep) return;
    this.asleep = false;
    this.stage.load();
    this.stage.fill();
  }

  /** Change the state, and tell Python, not more often than every 80 ms. */
  act(action) {
    const next = reduce(this.about, this.state, { side: this.side, ...action });
    if (next !== this.state) this.store.history.record(this.state, next, action);
    this.become(next);
  }

  /** Undo or redo a step. */
  step(name) {
    const { history } = this.store;
    if (!(name === "undo" ? history.done : history.undone).length) return;
    this.become(history[name](this.state));
    this.status.say(name === "undo" ? "Undone." : "Redone.");
  }

  become(next) {
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

  /** Let menus be of side "a" or "b". */
  choose(side) {
    this.side = side;
    this.refresh();
  }

  /** The side that limits, histogram and color map are of. */
  get limitsOf() { return sidesSeen(this.state).includes(this.side) ? this.side : sidesSeen(this.state)[0]; }

  /** The state of the side that menus are of, and of the one that limits are of. */
  get edited() { return sideOf(this.about, this.state, this.side); }
  get shown() { return sideOf(this.about, this.state, this.limitsOf); }

  /** The statistics of that, if they are known. */
  get found() { return this.statistics[this.limitsOf].found; }

  /** Whether the color map is one that was chosen: B has that of its own index, where A has another. */
  get mapIsChosen() { return this.limitsOf !== "b" || String(channelsOf(this.shown)) === String(channelsOf(sideOf(this.about, this.state, "a"))); }

  refresh() {
    if (this.frame || this.closed) return;
    this.root.dataset.busy = "true";
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.update(); });
  }

  /** State → what is needed → what follows → each panel; what fails in one stops no other. */
  update() {
    if (this.closed) return;
    if (!this.state.compare) this.side = "a";
    const { stage, head, panel, histogram, spectra, area, timeline, strip } = this;
    const parts = [
      () => this.fetch(),
      () => this.derive(),
      () => stage.paint(this.limits),
      ...[head, panel, histogram, area, spectra, timeline, strip].map((part) => () => part.update()),
      () => this.showCode(),
      () => stage.tellPixel(),
    ];
    this.broken = "";
    for (const part of parts) {
      try { part(); } catch (error) { this.broken = `A part of the picker failed: ${/** @type {Error} */ (error).message}`; }
    }
    this.status.update(this.broken);
  }

  fetch() {
    if (this.asleep || this.stage.looking || !this.stage.eye.width) return; // it still moves
    const { about, pyramid, state, stage } = this;
    const wanted = sidesRead(state).flatMap((side) => wantedBy(about, pyramid, sideOf(about, state, side), stage.level, stage.eye.view));
    this.store.want(this, wanted, this.strip.wanted(wanted));
  }

  derive() {
    const { about, state, statistics } = this, told = (this.model.get("shown") || {}).limits;
    if (this.differences.of(...bothOf(about, state))) statistics.difference.found = null;
    this.limits = {};
    // The limits of A count for what both show.
    for (const side of new Set([...sidesRead(state), ...sidesSeen(state)])) {
      const own = sideOf(about, state, side);
      statistics[side].update(own);
      this.limits = { ...limitsInForce(own, statistics[side].found, told), ...this.limits };
    }
  }

  showCode() {
    const code = codeOf(this.about, this.state, this.limits);
    if (this.code.textContent !== code) this.code.textContent = code;
  }

  async copied(button, opening) {
    const text = button.textContent;
    const done = await copyText(opening + codeOf(this.about, this.state, this.limits));
    button.textContent = done ? "Copied" : "Not copied; select the text";
    this.status.say(done ? "Copied." : "The browser denied access to the clipboard.");
    setTimeout(() => { button.textContent = text; }, 1500);
  }
}
