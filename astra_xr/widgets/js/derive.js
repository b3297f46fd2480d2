// What follows from state and tiles: which tiles are needed, statistics and limits in force. The same as
// derive.py.

import { channelsOf } from "./choice.js";
import { windowOf } from "./geo/pyramid.js";
import { brightIn, centered, countsOf, stretchOf } from "./pixels/stats.js";

export const MASK = ":mask";
export const OVERVIEW = 768; // rows and columns of statistics, at most

const wholeOf = ({ rows, cols }) => [0, 0, rows, cols];

/** What statistics are of: a box, and the level at which its pixels are counted. */
export function statisticsOf(pyramid, state) {
  const box = state.stretch.of === "view" && state.view ? state.view : wholeOf(pyramid);
  return { box, level: pyramid.levelOf(box, OVERVIEW) };
}

/** The tiles that a view needs: the overview, those of its statistics, and what it shows at its level. */
export function wantedBy(about, pyramid, state, level, view) {
  const keys = [...new Set(channelsOf(state)), ...(about.masked ? [MASK] : [])];
  const statistics = statisticsOf(pyramid, state);
  const found = new Map();
  for (const [each, box] of [[pyramid.top, wholeOf(pyramid)], [statistics.level, statistics.box], [level, view || wholeOf(pyramid)]]) {
    for (const [row, col] of pyramid.within(each, box)) {
      for (const key of keys) found.set(`${key} ${each} ${row} ${col}`, { key, level: each, row, col });
    }
  }
  return [...found.values()];
}

const numbers = new WeakMap();
let last = 0;

/** A number of its own for each tile. */
export function numberOf(tile) {
  if (!numbers.has(tile)) numbers.set(tile, ++last);
  return numbers.get(tile);
}

/** The tiles of a channel for statistics; null if not all are here. */
function tilesOf(store, pyramid, key, { level, box }) {
  const found = pyramid.within(level, box).map(([row, col]) => store.get({ key, level, row, col }));
  return found.every(Boolean) ? found : null;
}

/** Limits that follow from the stretch, and the counts they follow from; remembered until these change. */
export class Statistics {
  constructor(about, pyramid, store) {
    Object.assign(this, { about, pyramid, store });
    this.counts = new Map();
    this.found = null; // { keys, limits, counts, scales }
  }

  /** Work out what is known now; null as long as nothing is. */
  update(state) {
    const keys = channelsOf(state);
    const wished = statisticsOf(this.pyramid, state);
    const whole = { level: this.pyramid.top, box: wholeOf(this.pyramid) };
    // Until pixels of the view are here, those of the whole are what is known.
    const [from, tiles] = [wished, whole]
      .map((each) => [each, keys.map((key) => tilesOf(this.store, this.pyramid, key, each))])
      .find(([, all]) => all.every(Boolean)) || [];
    if (!tiles) {
      if (this.found && String(this.found.keys) !== String(keys)) this.found = null;
      return this.found;
    }
    const masks = this.about.masked ? tilesOf(this.store, this.pyramid, MASK, from) : null;
    const made = JSON.stringify([keys, from, tiles.flat().map(numberOf), masks && masks.map(numberOf), state.stretch, state.mode]);
    if (!this.found || this.found.made !== made) this.found = { made, keys, ...this.derived(state, tiles, masks, from) };
    return this.found;
  }

  derived(state, tiles, masks, { box }) {
    const parts = tiles.map((channel) => channel.map((tile) => ({ codes: tile.codes, width: tile.shape[1], window: windowOf(tile, box) })));
    let leave = masks && masks.map((mask) => mask.codes);
    if (!masks && state.mode === "rgb" && this.about.reflectance) leave = brightIn(parts, tiles.map(([first]) => first));
    const by = JSON.stringify([box, tiles.flat().map(numberOf), masks && masks.map(numberOf), state.mode]);
    if (this.countedBy !== by) {
      this.countedBy = by;
      this.counted = parts.map((channel) => countsOf(channel.map((part, n) => ({ ...part, leaveOut: leave && leave[n] }))));
    }
    const scales = tiles.map(([{ low, step }]) => ({ low, step }));
    const limits = {};
    channelsOf(state).forEach((key, n) => {
      const pair = stretchOf(scales[n], state.stretch, this.counted[n]);
      limits[key] = state.mode === "rgb" ? pair : centered(pair);
    });
    return { limits, counts: this.counted, scales };
  }
}

/** Channel → limits in force: those that were set, else by the stretch, else as Python told. */
export function limitsInForce(state, found, told = {}) {
  const pairs = channelsOf(state).map((key) => [key, state.limits[key] || (found && found.limits[key]) || told[key]]);
  return Object.fromEntries(pairs.filter(([, pair]) => pair));
}
