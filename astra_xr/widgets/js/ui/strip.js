// The strip below the image: a thumbnail of each time step, read when it comes into sight.

import { limitsInForce, limitsOf, MASK, numberOf, wantedBy } from "../derive.js";
import { bothOf, channelsOf } from "../sides.js";
import { CLEAR, cloudsIn, inOrder, inSight, listed, shortLabel, stepBy, stepOf } from "../steps.js";
import { checkbox, iconButton, make, modified } from "./dom.js";
import { Layer, Coloring } from "./layer.js";

/** @import { Address, Limits, Tile } from "../types" */
/** @import { View } from "./view.js" */

const CELL = 66; // CSS pixels from one to the next
const EDGE = 4; // for the frame of the first one
const BATCH = 12; // thumbnails requested at once
const FEW = 6; // thumbnails requested at once while tiles of the image are read
const AHEAD = 16; // tiles per channel up to which a neighboring step is read at the level shown
const SLICE = 10; // milliseconds of painting at once

/**
 * `made` is what the colors of a thumbnail follow from, `from` what its own limits follow from.
 * @typedef {{ node: any, canvas: HTMLCanvasElement, bar: any, made: string, from: string, limits: Record<string, Limits> }} Cell
 */

export class Strip {
  clear = false; // list only clear steps
  used = false; // the user has used the strip: read neighboring steps ahead
  hovered = -1;
  shown = -1;
  /** @type {number[]} */ list = [];
  /** @type {Map<number, Cell>} */ cells = new Map();

  /** @param {View} view */
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.steps = about.steps;
    this.dates = this.steps.some(({ date }) => date !== null);
    this.order = inOrder(this.steps);
    const what = this.dates ? "date" : "image";
    this.previous = iconButton(`Previous ${what}`, "◀", () => this.go(-1));
    this.next = iconButton(`Next ${what}`, "▶", () => this.go(1));
    this.only = checkbox(`Only clear (≤ ${CLEAR} %)`, (clear) => {
      this.clear = clear;
      this.shown = -1;
      view.refresh();
    });
    this.same = checkbox(`Same limits at all ${what}s`, (same) => view.act({ type: "same", same }));
    this.label = make("b", { class: "astra-label" });
    this.count = make("span", { class: "astra-unit" });
    this.track = make("div", { class: "astra-track" });
    this.scroller = make("div", { class: "astra-dates", role: "listbox", "aria-orientation": "horizontal", "aria-label": this.dates ? "Dates" : "Images", onscroll: () => view.refresh() }, this.track);
    this.node = make("div", { class: "astra-strip", hidden: this.steps.length < 2 }, this.scroller,
      make("div", { class: "astra-row" }, make("span", { class: "astra-pair" }, this.previous, this.label, this.next), this.count, this.only.label, this.same.label));
    // Beside the buttons if all steps fit there, else above them.
    this.scroller.style.flexBasis = `${this.steps.length * CELL + EDGE}px`;
    this.scroller.addEventListener("keydown", (e) => this.key(e));
    for (const event of ["pointerenter", "focusin"]) this.node.addEventListener(event, () => this.use());
    this.scroller.addEventListener("pointerleave", () => { this.hovered = -1; });
  }

  use() {
    if (this.used) return;
    this.used = true;
    this.view.refresh();
  }

  get current() { return stepOf(this.view.about, this.view.edited.time); }

  /** Show the step `by` places further. @param {number} by */
  go(by) {
    this.use();
    this.choose(stepBy(this.list, this.current, by));
  }

  /** @param {number} n */
  choose(n) {
    this.view.act({ type: "time", label: this.steps[n].label });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity, PageUp: -10, PageDown: 10 }[event.key];
    if (by === undefined || modified(event)) return;
    event.preventDefault();
    this.focus = true; // on the new step
    this.go(by);
  }

  /** @param {number} n */
  cloudOf(n) {
    const known = this.steps[n].cloud;
    if (known !== null || !this.view.about.masked) return known;
    const mask = this.tile(MASK, n), tile = this.tile(channelsOf(this.view.edited)[0], n);
    return mask && tile ? cloudsIn(mask, tile) : null;
  }

  /** @param {number} n @returns {Address[]} */
  addresses(n) {
    const { about, edited: state, pyramid } = this.view;
    const clouds = about.masked && (state.mask || !state.stretch.time || this.steps[n].cloud === null);
    return [...new Set(channelsOf(state)), ...(clouds ? [MASK] : [])].map((key) => ({ key, time: n, level: pyramid.thumbnail, row: 0, col: 0 }));
  }

  /** @param {string} key @param {number} n */
  tile(key, n) {
    return this.view.store.get({ key, time: n, level: this.view.pyramid.thumbnail, row: 0, col: 0 });
  }

  /** The tiles to read besides those of the image: thumbnails in sight, and neighboring steps. @param {Address[]} seen */
  wanted(seen) {
    const { about, store, edited: state, pyramid, stage } = this.view;
    if (this.steps.length < 2 || !about.quick || about.offline || !this.scroller.clientWidth) return [];
    // First the overview of the image, then its details and some thumbnails.
    const left = seen.filter((address) => !store.settled(address)), idle = !left.length;
    const most = idle ? BATCH : left.some(({ level }) => level === pyramid.top) ? 0 : FEW;
    const near = this.sight().sort((a, b) => Math.abs(a - this.place) - Math.abs(b - this.place)).map((place) => this.list[place]);
    const open = near.map((n) => this.addresses(n)).filter((all) => !all.every((address) => store.settled(address)));
    const pending = open.filter((all) => all.some((address) => store.pending(address)));
    const found = [...pending, ...open.filter((all) => !pending.includes(all)).slice(0, Math.max(0, most - pending.length))].flat();
    if (!this.used || !idle) return found;
    const beside = new Set([this.hovered, stepBy(this.list, this.current, 1), stepBy(this.list, this.current, -1)]);
    const ahead = [...beside].filter((n) => n >= 0).map((n) => ({ ...state, time: this.steps[n].label }));
    // Their overviews, and the level shown if that is not much more.
    const view = stage.viewport.view || pyramid.whole;
    const level = pyramid.within(stage.level, view).length <= AHEAD ? stage.level : pyramid.top;
    return [...found, ...ahead.flatMap((next) => wantedBy(about, pyramid, next, level, view))];
  }

  /** Places in the list that are in sight. */
  sight() {
    const [first, last] = inSight(this.scroller.scrollLeft, this.scroller.clientWidth, CELL, this.list.length);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }

  /** The place of the current step in the list. */
  get place() { return this.list.indexOf(this.current); }

  update() {
    const { state } = this.view;
    if (this.steps.length < 2) return;
    const clouds = this.steps.map((_, n) => this.cloudOf(n));
    this.list = listed(this.order, clouds, this.clear, this.current);
    this.track.style.width = `${this.list.length * CELL + EDGE}px`;
    this.only.label.hidden = !this.clear && clouds.every((cloud) => cloud === null);
    this.previous.disabled = this.place <= 0;
    this.next.disabled = this.place >= this.list.length - 1;
    this.label.textContent = this.steps[this.current].label;
    const [all, some] = [this.steps.length, this.list.length];
    this.count.textContent = some < all ? `${some} of ${all}` : "";
    this.same.input.checked = state.stretch.time !== null;
    this.same.label.title = state.stretch.time === null ? "Each has its own limits" : `The limits are those of ${state.stretch.time}`;
    if (this.shown !== this.current) this.reveal();
    this.lay(clouds);
    this.paint();
  }

  /** Scroll to the current step. */
  reveal() {
    const { scroller } = this, left = this.place * CELL;
    if (!scroller.clientWidth) return;
    this.shown = this.current;
    if (left < scroller.scrollLeft) scroller.scrollLeft = left - CELL;
    else if (left + CELL > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = left + 2 * CELL - scroller.clientWidth;
  }

  /** Make elements only for steps in sight, and for the current step, which can have the focus. @param {(number | null)[]} clouds */
  lay(clouds) {
    const { about, state } = this.view;
    const sides = state.compare ? bothOf(about, state).map(({ time }) => stepOf(about, time)) : [];
    const places = new Map([...this.sight(), this.place].map((place) => [this.list[place], place]));
    for (const [n, { node }] of this.cells) {
      if (places.has(n)) continue;
      node.remove();
      this.cells.delete(n);
    }
    for (const [n, place] of places) {
      const cell = this.cells.get(n) || this.makeCell(n);
      const { node, bar } = cell, current = n === this.current, cloud = clouds[n];
      node.style.left = `${place * CELL + EDGE}px`;
      node.setAttribute("aria-selected", String(current));
      node.setAttribute("aria-posinset", String(place + 1));
      node.setAttribute("aria-setsize", String(this.list.length));
      node.dataset.sides = sides.map((at, side) => (at === n ? "ab"[side] : "")).join("");
      node.tabIndex = current ? 0 : -1;
      const text = cloud === null ? "" : `${Math.round(cloud)} % clouds`;
      node.title = [this.steps[n].label, text].filter(Boolean).join(", ");
      node.setAttribute("aria-label", node.title);
      bar.style.visibility = cloud === null ? "hidden" : "";
      bar.firstChild.style.width = `${cloud ?? 0}%`;
      if (current && this.focus) node.focus({ preventScroll: true });
    }
    this.focus = false;
  }

  /** @param {number} n */
  makeCell(n) {
    const canvas = make("canvas"), bar = make("i", { class: "astra-clouds" }, make("i"));
    const node = make("div", {
      class: "astra-date", role: "option", onclick: () => { this.focus = true; this.use(); this.choose(n); },
      onpointerenter: () => { this.hovered = n; if (this.used) this.view.refresh(); },
    }, canvas, bar, make("span", {}, shortLabel(this.steps[n])));
    const cell = { node, canvas, bar, made: "", from: "", limits: {} };
    this.track.append(node);
    this.cells.set(n, cell);
    return cell;
  }

  /** Color the thumbnails, for a short while at a time. */
  paint() {
    const started = performance.now();
    const coloring = new Coloring(this.view.about, this.view.edited, this.view.limits);
    for (const [n, cell] of this.cells) {
      if (performance.now() - started > SLICE) {
        setTimeout(() => this.view.refresh(), 30);
        return;
      }
      this.draw(n, cell, coloring);
    }
  }

  /** @param {number} n @param {Cell} cell @param {Coloring} shared */
  draw(n, cell, shared) {
    const { about, edited: state, store } = this.view;
    const tiles = /** @type {Tile[]} */ (channelsOf(state).map((key) => this.tile(key, n)).filter(Boolean));
    const mask = about.masked ? this.tile(MASK, n) : undefined;
    const small = tiles.length === channelsOf(state).length && (!state.mask || Boolean(mask));
    let coloring = shared;
    if (!state.stretch.time && small) {
      const from = JSON.stringify([state.mode, channelsOf(state), state.stretch, state.cmap, tiles.map(numberOf), mask && numberOf(mask)]);
      if (cell.from !== from) [cell.from, cell.limits] = [from, limitsOf(about, state, tiles, mask)];
      coloring = new Coloring(about, state, limitsInForce(state, { limits: cell.limits }));
    }
    coloring.time = n;
    const failed = this.addresses(n).map((address) => store.failure(address)).find(Boolean);
    cell.node.classList.toggle("astra-failed", Boolean(failed));
    if (failed) cell.node.title = `${this.steps[n].label}: ${failed}`;
    if (!coloring.known) return;
    if (small) this.drawThumbnail(cell, coloring, tiles, state.mask ? mask : null);
    else if (about.offline || !about.quick) this.drawOverview(cell, coloring);
    if (cell.made) cell.node.classList.add("astra-here");
  }

  /** @param {Cell} cell @param {Coloring} coloring @param {Tile[]} tiles @param {Tile | null | undefined} mask */
  drawThumbnail(cell, coloring, tiles, mask) {
    const key = coloring.keyOf(tiles, mask);
    if (cell.made === key) return;
    [cell.canvas.height, cell.canvas.width] = tiles[0].shape;
    cell.canvas.getContext("2d")?.putImageData(coloring.image(tiles, mask), 0, 0);
    cell.made = key;
  }

  /** Where there are no thumbnails: shrink the overview, if the step was shown. @param {Cell} cell @param {Coloring} coloring */
  drawOverview(cell, coloring) {
    const { store, pyramid } = this.view, { keys, time, state: { mask } } = coloring, { top: level } = pyramid;
    const overview = pyramid.within(level, pyramid.whole)
      .flatMap(([row, col]) => [...keys, ...(mask ? [MASK] : [])].map((key) => store.get({ key, time, level, row, col })));
    if (!overview.every((tile) => tile !== undefined)) return;
    const key = coloring.keyOf(overview, null);
    if (cell.made === key) return;
    const layer = new Layer(store, pyramid, level);
    layer.paint(pyramid.whole, coloring);
    const { canvas } = layer, scale = 112 / Math.max(canvas.width, canvas.height);
    [cell.canvas.width, cell.canvas.height] = [canvas.width * scale, canvas.height * scale];
    cell.canvas.getContext("2d")?.drawImage(canvas, 0, 0, cell.canvas.width, cell.canvas.height);
    cell.made = key;
  }
}
