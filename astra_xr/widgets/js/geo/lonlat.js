import { clamp } from "../numbers.js";

/**
 * Longitude and latitude, interpolated between those of a few points; null if the grid has none.
 * @param {import("../types").Grid} grid
 * @param {number} row
 * @param {number} col
 * @returns {[number, number] | null}
 */
export function lonlatAt(grid, row, col) {
  if (!grid.lonlat) return null;
  const { count, lon, lat } = grid.lonlat;
  const u = (col / grid.cols) * (count - 1), v = (row / grid.rows) * (count - 1);
  const i = clamp(Math.floor(u), 0, count - 2), j = clamp(Math.floor(v), 0, count - 2);
  const mix = (/** @type {number[]} */ a) => {
    const k = j * count + i, s = u - i, t = v - j;
    return (a[k] * (1 - s) + a[k + 1] * s) * (1 - t) + (a[k + count] * (1 - s) + a[k + count + 1] * s) * t;
  };
  return [mix(lon), mix(lat)];
}
