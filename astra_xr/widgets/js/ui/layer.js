// The tiles of a level, colored, as one canvas.

import { MASK, numberOf } from "../derive.js";
import { colormapOf } from "../pixels/colormap.js";
import { classColors, colorsOf, composeColored, composeRgb, levelsOf } from "../pixels/compose.js";
import { channelsOf } from "../sides.js";
import { stepOf } from "../steps.js";

/** @import { About, Box, Limits, State, Tile } from "../types" */
/** @import { Pyramid } from "../geo/pyramid.js" */
/** @import { Store } from "../store.js" */

/** How codes become colors; all tiles share its tables. */
export class Coloring {
  /** @param {About} about @param {State} state @param {Record<string, Limits>} limits */
  constructor(about, state, limits) {
    this.about = about;
    this.state = state;
    this.keys = channelsOf(state);
    this.time = stepOf(about, state.time);
    this.tables = new Map();
    this.classes = state.mode === "single" ? about.bands[state.band].classes : [];
    this.limits = this.keys.map((key) => limits[key]);
    this.made = JSON.stringify([state.mode, this.keys, this.limits, state.gamma, state.cmap, state.mask]);
  }

  /** Whether tiles can be colored: there are classes, or limits of all channels. */
  get known() {
    return this.classes.length > 0 || this.limits.every(Boolean);
  }

  /** @param {Tile} tile @param {number} n */
  table(tile, n) {
    const name = `${n} ${tile.low} ${tile.step}`;
    if (!this.tables.has(name)) {
      const { state, about } = this;
      const make = () => {
        if (state.mode === "rgb") return levelsOf(tile, this.limits[n], state.gamma);
        if (this.classes.length) return classColors(tile, this.classes);
        return colorsOf(tile, this.limits[n], colormapOf(about.colormaps, state.cmap));
      };
      this.tables.set(name, make());
    }
    return this.tables.get(name);
  }

  /** What the colors of a tile depend on, as a key. @param {Tile[]} tiles @param {Tile | null | undefined} mask */
  keyOf(tiles, mask) {
    return `${this.made} ${tiles.map(numberOf)} ${mask ? numberOf(mask) : ""}`;
  }

  /** A tile in colors. @param {Tile[]} tiles one of each channel @param {Tile | null | undefined} mask */
  image(tiles, mask) {
    const [rows, cols] = tiles[0].shape, image = new ImageData(cols, rows), words = new Uint32Array(image.data.buffer);
    const tables = tiles.map((tile, n) => this.table(tile, n));
    if (this.state.mode === "rgb") composeRgb(words, tiles.map((tile) => tile.codes), tables, mask?.codes);
    else composeColored(words, tiles[0].codes, tables[0], mask?.codes);
    return image;
  }
}

/** @param {HTMLCanvasElement} canvas */
const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

export class Layer {
  /** @param {Pick<Store, "get">} store @param {Pyramid} pyramid @param {number} level */
  constructor(store, pyramid, level) {
    this.store = store;
    this.pyramid = pyramid;
    this.level = level;
    this.parts = new Map();
    this.complete = false;
    this.some = false;
    /** @type {number[] | null} */
    this.box = null;
    this.canvas = document.createElement("canvas");
    this.context = contextOf(this.canvas);
  }

  /** Color the tiles of a box that are here, unless they have these colors already. @param {Box} box @param {Coloring} coloring */
  paint(box, coloring) {
    const { store, pyramid, level } = this;
    const places = pyramid.within(level, box);
    const [r0, c0] = places[0], [r1, c1] = places[places.length - 1];
    const range = `${r0} ${c0} ${r1} ${c1}`;
    if (range !== this.range) this.lay(range, r0, c0, r1, c1);
    const all = places.map(([row, col]) => {
      const tiles = coloring.keys.map((key) => store.get({ key, time: coloring.time, level, row, col }));
      const mask = coloring.state.mask ? store.get({ key: MASK, time: coloring.time, level, row, col }) : null;
      return { row, col, tiles: /** @type {Tile[]} */ (tiles), mask, here: tiles.every(Boolean) && (!coloring.state.mask || Boolean(mask)) };
    });
    const count = all.filter(({ here }) => here).length;
    this.complete = count === places.length;
    this.some = count > 0;
    if (!this.some) return; // what was painted before may still be shown, pale
    for (const { row, col, tiles, mask, here } of all) {
      const name = `${row} ${col}`;
      /** @type {[number, number]} */
      const corner = [(col - c0) * pyramid.side, (row - r0) * pyramid.side];
      if (!here) {
        // Tiles in other colors must not be left beside these.
        this.context.clearRect(...corner, pyramid.side, pyramid.side);
        this.parts.delete(name);
        continue;
      }
      const key = coloring.keyOf(tiles, mask);
      if (this.parts.get(name) === key) continue;
      this.context.putImageData(coloring.image(tiles, mask), ...corner);
      this.parts.set(name, key);
    }
  }

  /** Make the canvas of a range of tiles, and copy those that are painted already. @param {string} range @param {number} r0 @param {number} c0 @param {number} r1 @param {number} c1 */
  lay(range, r0, c0, r1, c1) {
    const { pyramid, level } = this;
    const [rows, cols] = pyramid.shape(level);
    const [down, across] = pyramid.pitch(level);
    const size = [Math.min((r1 + 1) * pyramid.side, rows) - r0 * pyramid.side, Math.min((c1 + 1) * pyramid.side, cols) - c0 * pyramid.side];
    const before = this.box && { canvas: this.canvas, box: this.box, parts: this.parts };
    this.canvas = document.createElement("canvas");
    [this.canvas.height, this.canvas.width] = size;
    this.context = contextOf(this.canvas);
    this.box = [r0 * pyramid.side * down, c0 * pyramid.side * across, (r0 * pyramid.side + size[0]) * down, (c0 * pyramid.side + size[1]) * across];
    this.parts = new Map();
    this.range = range;
    if (!before) return;
    const x = Math.round((before.box[1] - this.box[1]) / across), y = Math.round((before.box[0] - this.box[0]) / down);
    this.context.drawImage(before.canvas, x, y);
    for (const [name, made] of before.parts) {
      const [row, col] = name.split(" ").map(Number);
      if (row >= r0 && row <= r1 && col >= c0 && col <= c1) this.parts.set(name, made);
    }
  }
}
