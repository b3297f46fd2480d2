// The scene as square tiles at several levels: at level n, a pixel is 2ⁿ pixels of the scene wide. The top
// level is an overview of the whole scene, read at once. The same as tile_pyramid.py.

import { clamp } from "../numbers.js";

/** @import { Box, Grid, Levels, Tile } from "../types" */

export class Pyramid {
  /**
   * @param {Pick<Grid, "rows" | "cols">} grid
   * @param {Levels} levels
   */
  constructor({ rows, cols }, { side, top, bottom = 0, overview, thumbnail = [1, 1] }) {
    this.rows = rows;
    this.cols = cols;
    this.side = side;
    this.top = top;
    this.bottom = bottom;
    this.overview = overview;
    this.thumbnail = top + 1; // the level of one small tile
    this.small = thumbnail;
  }

  /** All of the scene. @returns {Box} */
  get whole() { return [0, 0, this.rows, this.cols]; }

  /** Rows and columns of a level. @param {number} level @returns {[number, number]} */
  shape(level) {
    if (level === this.top) return this.overview;
    if (level === this.thumbnail) return this.small;
    const part = (/** @type {number} */ size) => Math.max(1, Math.floor(size / 2 ** level));
    return [part(this.rows), part(this.cols)];
  }

  /** Pixels of the scene in one pixel of a level, down and across. @param {number} level @returns {[number, number]} */
  pitch(level) {
    const [rows, cols] = this.shape(level);
    return level >= this.top ? [this.rows / rows, this.cols / cols] : [2 ** level, 2 ** level];
  }

  /** The tiles, [row, col], that a box of the scene touches. @param {number} level @param {number[]} box @returns {[number, number][]} */
  within(level, [top, left, bottom, right]) {
    const [down, across] = this.pitch(level), [rows, cols] = this.shape(level);
    const ends = (low, high, pitch, size) => {
      const last = Math.ceil(size / this.side) - 1;
      return [Math.floor(low / pitch / this.side), Math.ceil(high / pitch / this.side) - 1].map((n) => clamp(n, 0, last));
    };
    const [r0, r1] = ends(top, bottom, down, rows), [c0, c1] = ends(left, right, across, cols);
    /** @type {[number, number][]} */
    const found = [];
    for (let row = r0; row <= r1; row++) for (let col = c0; col <= c1; col++) found.push([row, col]);
    return found;
  }

  /** The box of the scene that a tile shows. @returns {Box} */
  box(level, row, col) {
    const [down, across] = this.pitch(level), [rows, cols] = this.shape(level);
    const end = (n, size) => Math.min((n + 1) * this.side, size);
    return [
      row * this.side * down, col * this.side * across,
      Math.min(this.rows, end(row, rows) * down), Math.min(this.cols, end(col, cols) * across),
    ];
  }

  /** The finest level at which a box has at most `most` rows and columns; the top level if there is none. */
  levelOf([top, left, bottom, right], most) {
    let level = 0;
    while (level < this.top && Math.max(bottom - top, right - left) > most * 2 ** level) level++;
    return Math.max(level, this.bottom);
  }

  /** The coarsest level whose pixels are at most `limit` wide if those of the scene are `scale` wide. */
  levelAt(scale, limit) {
    return clamp(Math.floor(Math.log2(limit / scale)), this.bottom, this.top);
  }
}

/** The pixels of a tile whose centers lie in a box: [top, left, bottom, right], of the tile. @param {Tile} tile @param {Box} box @returns {Box} */
export function windowOf(tile, box) {
  const edge = (/** @type {0 | 1} */ n, /** @type {number} */ at) => {
    const size = tile.shape[n], low = tile.box[n];
    return clamp(Math.ceil(((at - low) / (tile.box[n + 2] - low)) * size - 0.5), 0, size);
  };
  return [edge(0, box[0]), edge(1, box[1]), edge(0, box[2]), edge(1, box[3])];
}
