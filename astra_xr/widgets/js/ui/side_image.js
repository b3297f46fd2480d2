// The image of one side: a layer for each level, and which of them to draw now.

import { Layer, Coloring } from "./layer.js";

/** @import { About, Box, Limits, State } from "../types" */
/** @import { Pyramid } from "../geo/pyramid.js" */
/** @import { Store } from "../store.js" */

export class SideImage {
  /**
   * `tiles` is the store, or the differences.
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

  /** Free all pixels. */
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

  /** Color the tiles of a box: of `level`, and below them those of coarser levels if some are missing. @param {State} state @param {Record<string, Limits>} limits @param {Box} box @param {number} level */
  paint(state, limits, box, level) {
    const { pyramid } = this, coloring = new Coloring(this.about, state, limits);
    let drawn = [];
    this.complete = false;
    if (coloring.known) {
      const shown = this.layer(level);
      shown.paint(box, coloring);
      drawn = shown.complete ? [shown] : [pyramid.top, ...(level + 1 < pyramid.top ? [level + 1] : [])]
        .filter((each) => each !== level).map((each) => this.layer(each));
      for (const layer of drawn) if (layer !== shown) layer.paint(box, coloring);
      if (!shown.complete) drawn.push(shown);
      drawn = drawn.filter((layer) => layer.some);
      this.complete = shown.complete;
    }
    // Others would only take memory.
    for (const each of this.layers.keys()) if (![level, level + 1, pyramid.top].includes(each)) this.layers.delete(each);
    // Until there are tiles of what was chosen, the last image stays; it is drawn pale.
    this.fresh = drawn.length > 0;
    if (this.fresh) this.drawn = drawn;
  }
}
