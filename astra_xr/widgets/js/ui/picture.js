// What a side of the picker shows: the layers of its levels, and those to draw now.

import { Layer, Look } from "./layer.js";

/** @import { About, Box, Limits, State } from "../types" */
/** @import { Pyramid } from "../geo/pyramid.js" */
/** @import { Store } from "../store.js" */

export class Picture {
  /**
   * `tiles` has the tiles: the store, or what follows from it.
   * @param {About} about
   * @param {Pyramid} pyramid
   * @param {Pick<Store, "get">} tiles
   */
  constructor(about, pyramid, tiles) {
    this.about = about;
    this.pyramid = pyramid;
    this.tiles = tiles;
    /** @type {Map<number, Layer>} */
    this.layers = new Map();
    /** @type {Layer[] | null} */
    this.drawn = null;
    this.fresh = false;
    this.complete = false;
  }

  /** Hold no pixels. */
  release() {
    this.layers.clear();
    this.drawn = null;
  }

  /** @param {number} level */
  layer(level) {
    const layer = this.layers.get(level) || new Layer(this.tiles, this.pyramid, level);
    this.layers.set(level, layer);
    return layer;
  }

  /** Color what is here of a box: of the level that is shown, above coarser ones where that is not complete. @param {State} state @param {Record<string, Limits>} limits @param {Box} box @param {number} level */
  paint(state, limits, box, level) {
    const { pyramid } = this, look = new Look(this.about, state, limits);
    let drawn = [];
    this.complete = false;
    if (look.known) {
      const shown = this.layer(level);
      shown.paint(box, look);
      drawn = shown.complete ? [shown] : [pyramid.top, ...(level + 1 < pyramid.top ? [level + 1] : [])]
        .filter((each) => each !== level).map((each) => this.layer(each));
      for (const layer of drawn) if (layer !== shown) layer.paint(box, look);
      if (!shown.complete) drawn.push(shown);
      drawn = drawn.filter((layer) => layer.some);
      this.complete = shown.complete;
    }
    // Layers of other levels would only take memory.
    for (const each of this.layers.keys()) if (![level, level + 1, pyramid.top].includes(each)) this.layers.delete(each);
    // Until what was chosen is there: what was shown before, and pale, as it is of something else.
    this.fresh = drawn.length > 0;
    if (this.fresh) this.drawn = drawn;
  }
}
