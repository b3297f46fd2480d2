// The tiles of B − A, computed from those of A and B; their codes are the same as in tile_codes.py.

import { MASK } from "./derive.js";
import { LAST } from "./pixels/stats.js";
import { channelsOf } from "./sides.js";
import { stepOf } from "./steps.js";

/** @import { About, Address, Scale, State, Tile } from "./types" */
/** @import { Store } from "./store.js" */
/** @typedef {Scale & { codes: Tile["codes"] }} Channel */

/** B − A, on a scale that covers all its possible values; no data where A or B has none. @param {Channel} a @param {Channel} b */
export function subtracted(a, b) {
  const step = a.step + b.step, low = b.low - a.low - (LAST - 1) * a.step;
  const codes = new Uint16Array(a.codes.length);
  for (let i = 0; i < codes.length; i++) {
    const p = a.codes[i], q = b.codes[i];
    if (p && q) codes[i] = Math.floor(((LAST - p) * a.step + (q - 1) * b.step) / step + 0.5) + 1;
  }
  return { low, step, codes };
}

/** The difference of two sides, which can be used like a store. */
export class Differences {
  /** @param {About} about @param {Store} store */
  constructor(about, store) {
    this.about = about;
    this.store = store;
    /** @type {{ key: string, time: number }[]} */
    this.sides = [];
    /** @type {WeakMap<Tile, WeakMap<Tile, Tile>>} */
    this.made = new WeakMap(); // tile of A → tile of B → tile of B − A
  }

  /** Set the states of A and B; return whether their channels or steps are others than before. @param {State[]} states */
  of(...states) {
    const before = JSON.stringify(this.sides);
    this.sides = states.map((state) => ({ key: channelsOf(state)[0], time: stepOf(this.about, state.time) }));
    return JSON.stringify(this.sides) !== before;
  }

  /** The tile of the difference, or of the union of both masks; the time of the address is ignored. @param {Address} address @returns {Tile | undefined} */
  get({ key, level, row, col }) {
    const [a, b] = this.sides.map((side) => this.store.get({ key: key === MASK ? MASK : side.key, time: side.time, level, row, col }));
    if (!a || !b) return undefined;
    const known = this.made.get(a) || new WeakMap();
    this.made.set(a, known);
    const tile = known.get(b) || { ...a, key, ...(key === MASK ? { codes: a.codes.map((code, i) => code | b.codes[i]) } : subtracted(a, b)) };
    known.set(b, tile);
    return tile;
  }
}
