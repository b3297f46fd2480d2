// What follows from state and tiles: which tiles are needed, statistics and limits in force. The same as
// drawing.py.

import { channelsOf, stepOf } from "./choice.js";
import { windowOf } from "./geo/pyramid.js";
import { usualMap } from "./sides.js";
import { nameOf } from "./wire.js";
import { brightIn, centered, countsOf, partOf, stretchOf, symmetric } from "./pixels/stats.js";

/** @import { About, Address, Box, Found, Limits, State, Tile } from "./types" */
/** @import { Pyramid } from "./geo/pyramid.js" */
/** @import { Store } from "./store.js" */

export const MASK = ":mask";
const OVERVIEW = 768; // rows and columns of statistics, at most

/** @param {{ rows: number, cols: number }} grid @returns {Box} */
const wholeOf = ({ rows, cols }) => [0, 0, rows, cols];

/**
 * What statistics are of: a step, a box, and the level at which its pixels are counted.
 * @param {About} about
 * @param {Pyramid} pyramid
 * @param {State} state
 */
function statisticsOf(about, pyramid, state) {
  const box = state.stretch.of === "view" && state.view ? state.view : wholeOf(pyramid);
  return { time: stepOf(about, state.stretch.time || state.time), box, level: pyramid.levelOf(box, OVERVIEW) };
}

/**
 * The tiles that a view needs: the overview, those of its statistics, and what it shows at its level.
 * @param {About} about
 * @param {Pyramid} pyramid
 * @param {State} state
 * @param {number} level
 * @param {Box | null} view
 * @returns {Address[]}
 */
export function wantedBy(about, pyramid, state, level, view) {
  const keys = [...new Set(channelsOf(state)), ...(about.masked ? [MASK] : [])];
  const statistics = statisticsOf(about, pyramid, state), time = stepOf(about, state.time);
  const found = new Map(), whole = { level: pyramid.top, box: wholeOf(pyramid) };
  for (const each of [{ ...whole, time }, { ...whole, time: statistics.time }, statistics, { time, level, box: view || whole.box }]) {
    for (const [row, col] of pyramid.within(each.level, each.box)) {
      for (const key of keys) {
        const address = { key, time: each.time, level: each.level, row, col };
        found.set(nameOf(address), address);
      }
    }
  }
  return [...found.values()];
}

const numbers = new WeakMap();
let last = 0;

/** A number of its own for each tile. @param {Tile} tile @returns {number} */
export function numberOf(tile) {
  if (!numbers.has(tile)) numbers.set(tile, ++last);
  return numbers.get(tile);
}

/**
 * The tiles of a channel for statistics; null if not all are here.
 * @param {Pick<Store, "get">} store
 * @param {Pyramid} pyramid
 * @param {string} key
 * @param {{ time: number, level: number, box: Box }} part
 */
function tilesOf(store, pyramid, key, { time, level, box }) {
  const found = pyramid.within(level, box).map(([row, col]) => store.get({ key, time, level, row, col }));
  return found.every((tile) => tile !== undefined) ? found : null;
}

/** Limits that follow from the stretch, and the counts they follow from; remembered until these change. */
export class Statistics {
  /** @param {About} about @param {Pyramid} pyramid @param {Pick<Store, "get">} store */
  constructor(about, pyramid, store) {
    this.about = about;
    this.pyramid = pyramid;
    this.store = store;
    /** @type {Found | null} */
    this.found = null;
  }

  /** Work out what is known now; null as long as nothing is. @param {State} state */
  update(state) {
    const keys = channelsOf(state);
    const wished = statisticsOf(this.about, this.pyramid, state);
    const whole = { ...wished, level: this.pyramid.top, box: wholeOf(this.pyramid) };
    // Until pixels of the view are here, those of the whole are what is known.
    const known = [wished, whole]
      .map((from) => ({ from, tiles: keys.map((key) => tilesOf(this.store, this.pyramid, key, from)).filter((each) => each !== null) }))
      .find(({ tiles }) => tiles.length === keys.length);
    if (!known) {
      if (this.found && String(this.found.keys) !== String(keys)) this.found = null;
      return this.found;
    }
    const { from, tiles } = known;
    const masks = this.about.masked ? tilesOf(this.store, this.pyramid, MASK, from) : null;
    const made = JSON.stringify([keys, from, tiles.flat().map(numberOf), masks && masks.map(numberOf), state.stretch, state.mode, middleOf(this.about, state).name]);
    if (!this.found || this.found.made !== made) this.found = { made, keys, ...this.derived(state, tiles, masks, from) };
    return this.found;
  }

  /** @param {State} state @param {Tile[][]} tiles @param {Tile[] | null} masks @param {{ box: Box }} from */
  derived(state, tiles, masks, { box }) {
    const parts = tiles.map((channel) => channel.map((tile) => ({ codes: tile.codes, width: tile.shape[1], window: windowOf(tile, box) })));
    /** @type {ArrayLike<number>[] | null} */
    let leave = masks && masks.map((mask) => mask.codes);
    if (!masks && state.mode === "rgb" && this.about.reflectance) leave = brightIn(parts, tiles.map(([first]) => first));
    const by = JSON.stringify([box, tiles.flat().map(numberOf), masks && masks.map(numberOf), state.mode]);
    if (!this.counted || this.countedBy !== by) {
      this.countedBy = by;
      this.counted = parts.map((channel) => countsOf(channel.map((part, n) => ({ ...part, leaveOut: leave && leave[n] }))));
    }
    const scales = tiles.map(([{ low, step }]) => ({ low, step }));
    const { counted } = this;
    /** @type {Record<string, Limits>} */
    const limits = {};
    channelsOf(state).forEach((key, n) => {
      limits[key] = middleOf(this.about, state)(stretchOf(scales[n], state.stretch, counted[n]));
    });
    return { limits, counts: counted, scales };
  }
}

/** @param {Limits} limits */
const asTheyAre = (limits) => limits;

/** How limits lie about 0: the middle of a diverging colormap is 0 for what usually has one. @param {About} about @param {State} state */
function middleOf(about, state) {
  if (state.mode === "rgb") return asTheyAre;
  if (state.mode === "difference") return symmetric;
  const maps = [usualMap(about, state), state.cmap].map((name) => name.replace(/_r$/, ""));
  return maps.every((name) => about.maps.Diverging.includes(name)) ? symmetric : centered;
}

/**
 * The limits of a single tile of each channel, by the stretch.
 * @param {About} about
 * @param {State} state
 * @param {Tile[]} tiles
 * @param {Tile | undefined} mask
 * @returns {Record<string, Limits>}
 */
export function limitsOf(about, state, tiles, mask) {
  const parts = tiles.map((tile) => [partOf(tile)]);
  const bright = !mask && state.mode === "rgb" && about.reflectance ? brightIn(parts, tiles) : null;
  const leaveOut = mask ? mask.codes : bright && bright[0];
  return Object.fromEntries(channelsOf(state).map((key, n) => {
    return [key, middleOf(about, state)(stretchOf(tiles[n], state.stretch, countsOf([{ ...parts[n][0], leaveOut }])))];
  }));
}

/**
 * Channel → limits in force: those that were set, else by the stretch, else as Python told.
 * @param {State} state
 * @param {Pick<Found, "limits"> | null} found
 * @param {Record<string, Limits>} told
 * @returns {Record<string, Limits>}
 */
export function limitsInForce(state, found, told = {}) {
  const pairs = channelsOf(state).map((key) => /** @type {const} */ ([key, state.limits[key] || (found && found.limits[key]) || told[key]]));
  return Object.fromEntries(pairs.filter(([, pair]) => pair));
}
