// What a side of the picker shows: the layers of its levels, and those to draw now.

import { Layer, Look } from "./layer.js";

export class Picture {
  /** `tiles` has the tiles: the store, or what follows from it. */
  constructor(about, pyramid, tiles) {
    Object.assign(this, { about, pyramid, tiles, layers: new Map(), drawn: null, fresh: false, complete: false });
  }

  layer(level) {
    if (!this.layers.has(level)) this.layers.set(level, new Layer(this.tiles, this.pyramid, level));
    return this.layers.get(level);
  }

  /** Color what is here of a box: of the level that is shown, above coarser ones where that is not complete. */
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
