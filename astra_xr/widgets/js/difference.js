// The tiles of B − A, computed from those of A and B. A `Differences` can be used like a store.

import { stepOf } from "./steps.js";
import { MASK } from "./derive.js";
import { maskedInEither, subtracted } from "./pixels/difference.js";
import { channelsOf } from "./sides.js";

/** @import { About, Address, State, Tile } from "./types" */
/** @import { Store } from "./store.js" */

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
    const tile = known.get(b) || { ...a, key, ...(key === MASK ? { codes: maskedInEither(a.codes, b.codes) } : subtracted(a, b)) };
    known.set(b, tile);
    return tile;
  }
}
