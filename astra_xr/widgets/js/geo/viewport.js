// The part of the scene that is seen, and where its pixels are on the screen.

import { clamp } from "../numbers.js";

/** @import { Box, Grid } from "../types" */

const middle = (values) => values[values.length >> 1];

export class Viewport {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    // Height of a pixel divided by its width, on the ground.
    const squeeze = grid.degrees && grid.lonlat ? Math.cos((middle(grid.lonlat.lat) * Math.PI) / 180) : 1;
    this.ratio = Math.abs(grid.dy / grid.dx) / squeeze || 1;
    this.aspect = clamp((grid.rows * this.ratio) / grid.cols, 0.45, 1.35);
    this.row = grid.rows / 2;
    this.col = grid.cols / 2;
    this.scale = 1; // CSS pixels a column
    this.width = 0;
    this.height = 0;
  }

  /** @param {number} width @param {number} height by default, as the shape of the scene requires */
  resize(width, height = Math.round(width * this.aspect)) {
    const zoom = this.width ? this.scale / this.fit : 1;
    this.width = width;
    this.height = height;
    this.scale = this.fit * zoom;
  }

  get fit() {
    return Math.min(this.width / this.grid.cols, this.height / (this.grid.rows * this.ratio));
  }

  get zoomed() { return this.scale > this.fit * 1.001; }

  /** @param {Box | null} view */
  show(view) {
    if (!view) {
      [this.row, this.col, this.scale] = [this.grid.rows / 2, this.grid.cols / 2, this.fit];
      return;
    }
    const [top, left, bottom, right] = view;
    this.row = (top + bottom) / 2;
    this.col = (left + right) / 2;
    this.scale = Math.min(this.width / (right - left), this.height / ((bottom - top) * this.ratio));
    this.settle();
  }

  /** Keep scale and center within the scene. */
  settle() {
    this.scale = clamp(this.scale, this.fit, Math.max(40, this.fit));
    const rows = this.height / (this.scale * this.ratio) / 2, cols = this.width / this.scale / 2;
    const keep = (at, half, size) => (2 * half >= size ? size / 2 : clamp(at, half, size - half));
    this.row = keep(this.row, rows, this.grid.rows);
    this.col = keep(this.col, cols, this.grid.cols);
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [row, col] = this.toGrid(x, y);
    this.scale = clamp(this.scale * factor, this.fit, Math.max(40, this.fit));
    this.col = col - (x - this.width / 2) / this.scale;
    this.row = row - (y - this.height / 2) / (this.scale * this.ratio);
    this.settle();
  }

  move(dx, dy) {
    this.col -= dx / this.scale;
    this.row -= dy / (this.scale * this.ratio);
    this.settle();
  }

  /** Row and column of a point in CSS pixels. @param {number} x @param {number} y @returns {[number, number]} */
  toGrid(x, y) {
    return [
      this.row + (y - this.height / 2) / (this.scale * this.ratio),
      this.col + (x - this.width / 2) / this.scale,
    ];
  }

  /** x and y in CSS pixels. @param {number} row @param {number} col @returns {[number, number]} */
  toScreen(row, col) {
    return [
      (col - this.col) * this.scale + this.width / 2,
      (row - this.row) * this.scale * this.ratio + this.height / 2,
    ];
  }

  /** The pixels that are seen, as in the state; null: all. @returns {Box | null} */
  get view() {
    if (!this.zoomed) return null;
    const [top, left] = this.toGrid(0, 0), [bottom, right] = this.toGrid(this.width, this.height);
    const { rows, cols } = this.grid;
    const low = (v, size) => clamp(Math.floor(v + 1e-6), 0, size - 1);
    const high = (v, size) => clamp(Math.ceil(v - 1e-6), 1, size);
    return [low(top, rows), low(left, cols), high(bottom, rows), high(right, cols)];
  }
}

