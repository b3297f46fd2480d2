// What follows from state and tiles: which tiles are needed, statistics, and limits in force. The same as
// drawing.py.

import { windowOf } from "./geo/pyramid.js";
import { channelsOf, defaultColormap } from "./sides.js";
import { stepOf } from "./steps.js";
import { nameOf } from "./wire.js";
import { baseOf } from "./pixels/colormap.js";
import { brightIn, centered, countsOf, stretchOf, symmetric } from "./pixels/stats.js";

/** @import { About, Address, Box, ChannelStatistics, Limits, State, Tile } from "./types" */
/** @import { Pyramid } from "./geo/pyramid.js" */
/** @import { Store } from "./store.js" */

export const MASK = ":mask";
const OVERVIEW = 768; // rows and columns of statistics, at most

/**
 * The step, the box and the level whose pixels are counted for statistics.
 * @param {About} about
 * @param {Pyramid} pyramid
 * @param {State} state
 */
function countedPart(about, pyramid, state) {
  const box = state.stretch.of === "view" && state.view ? state.view : pyramid.whole;
  return { time: stepOf(about, state.stretch.time || state.time), box, level: pyramid.levelOf(box, OVERVIEW) };
}

/**
 * The tiles that a view needs: the overview, those that are counted, and those it shows at its level.
 * @param {About} about
 * @param {Pyramid} pyramid
 * @param {State} state
 * @param {number} level
 * @param {Box | null} view
 * @returns {Address[]}
 */
export function wantedBy(about, pyramid, state, level, view) {
  const keys = [...new Set(channelsOf(state)), ...(about.masked ? [MASK] : [])];
  const counted = countedPart(about, pyramid, state), time = stepOf(about, state.time);
  const found = new Map(), overview = { level: pyramid.top, box: pyramid.whole };
  for (const part of [{ ...overview, time }, { ...overview, time: counted.time }, counted, { time, level, box: view || pyramid.whole }]) {
    for (const [row, col] of pyramid.within(part.level, part.box)) {
      for (const key of keys) {
        const address = { key, time: part.time, level: part.level, row, col };
        found.set(nameOf(address), address);
      }
    }
  }
  return [...found.values()];
}

const numbers = new WeakMap();
let last = 0;

/** A number that identifies a tile. @param {Tile} tile @returns {number} */
export function numberOf(tile) {
  if (!numbers.has(tile)) numbers.set(tile, ++last);
  return numbers.get(tile);
}

/**
 * The tiles of a channel that are counted; null if some are missing.
 * @param {Pick<Store, "get">} store
 * @param {Pyramid} pyramid
 * @param {string} key
 * @param {{ time: number, level: number, box: Box }} part
 */
function tilesOf(store, pyramid, key, { time, level, box }) {
  const found = pyramid.within(level, box).map(([row, col]) => store.get({ key, time, level, row, col }));
  return found.every((tile) => tile !== undefined) ? found : null;
}

/**
 * How often each code occurs in a box, for each channel: without clouds, or without bright pixels if there is no mask.
 * @param {About} about
 * @param {State} state
 * @param {Tile[][]} channels the tiles of each
 * @param {Tile[] | null} masks
 * @param {Box} box
 */
function countsIn(about, state, channels, masks, box) {
  const parts = channels.map((tiles) => tiles.map((tile) => ({ codes: tile.codes, width: tile.shape[1], window: windowOf(tile, box) })));
  /** @type {ArrayLike<number>[] | null} */
  let leave = masks && masks.map(({ codes }) => codes);
  if (!masks && state.mode === "rgb" && about.reflectance) leave = brightIn(parts, channels.map(([first]) => first));
  return parts.map((channel) => countsOf(channel.map((part, n) => ({ ...part, leaveOut: leave && leave[n] }))));
}

/** The limits of each channel by the stretch. @param {About} about @param {State} state @param {import("./types").Scale[]} scales @param {import("./types").Counts[]} counts @returns {Record<string, Limits>} */
const stretched = (about, state, scales, counts) =>
  Object.fromEntries(channelsOf(state).map((key, n) => [key, middleOf(about, state)(stretchOf(scales[n], state.stretch, counts[n]))]));

/** Limits by the stretch, and the counts they follow from; computed again only if tiles or state change. */
export class Statistics {
  /** @param {About} about @param {Pyramid} pyramid @param {Pick<Store, "get">} store */
  constructor(about, pyramid, store) {
    this.about = about;
    this.pyramid = pyramid;
    this.store = store;
    /** @type {ChannelStatistics | null} */
    this.found = null;
  }

  /** The statistics of the tiles that are here; null if there are too few. @param {State} state */
  update(state) {
    const { about, pyramid, store } = this, keys = channelsOf(state);
    const part = countedPart(about, pyramid, state);
    // Until the pixels of the view are here, those of the whole scene count.
    const known = [part, { ...part, level: pyramid.top, box: pyramid.whole }]
      .map((from) => ({ from, tiles: keys.map((key) => tilesOf(store, pyramid, key, from)).filter((each) => each !== null) }))
      .find(({ tiles }) => tiles.length === keys.length);
    if (!known) {
      if (this.found && String(this.found.keys) !== String(keys)) this.found = null;
      return this.found;
    }
    const { from, tiles } = known, masks = about.masked ? tilesOf(store, pyramid, MASK, from) : null;
    const counted = JSON.stringify([from.box, tiles.flat().map(numberOf), masks && masks.map(numberOf), state.mode]);
    if (!this.counts || this.counted !== counted) {
      this.counted = counted;
      this.counts = countsIn(about, state, tiles, masks, from.box);
    }
    const made = JSON.stringify([keys, counted, state.stretch, middleOf(about, state).name]);
    if (this.found?.made !== made) {
      const scales = tiles.map(([{ low, step }]) => ({ low, step }));
      this.found = { made, keys, scales, counts: this.counts, limits: stretched(about, state, scales, this.counts) };
    }
    return this.found;
  }
}

/** @param {Limits} limits */
const asTheyAre = (limits) => limits;

/** How limits lie about 0: if both the default and the chosen colormap are diverging, their middle is 0. @param {About} about @param {State} state */
function middleOf(about, state) {
  if (state.mode === "rgb") return asTheyAre;
  if (state.mode === "difference") return symmetric;
  const maps = [defaultColormap(about, state), state.cmap].map(baseOf);
  return maps.every((name) => about.maps.Diverging.includes(name)) ? symmetric : centered;
}

/**
 * The limits by the stretch, from one tile of each channel.
 * @param {About} about
 * @param {State} state
 * @param {Tile[]} tiles
 * @param {Tile | undefined} mask
 */
export const limitsOf = (about, state, tiles, mask) =>
  stretched(about, state, tiles, countsIn(about, state, tiles.map((tile) => [tile]), mask ? [mask] : null, tiles[0].box));

/**
 * Channel → limits in force: those that were set, else by the stretch, else as the kernel reported.
 * @param {State} state
 * @param {Pick<ChannelStatistics, "limits"> | null} found
 * @param {Record<string, Limits>} reported
 * @returns {Record<string, Limits>}
 */
export function limitsInForce(state, found, reported = {}) {
  const pairs = channelsOf(state).map((key) => /** @type {const} */ ([key, state.limits[key] || found?.limits[key] || reported[key]]));
  return Object.fromEntries(pairs.filter(([, pair]) => pair));
}
