// Longitude and latitude.

/**
 * Longitude and latitude, between those known of a few points.
 * @param {import("../types").Grid} grid
 * @param {number} row
 * @param {number} col
 * @returns {[number, number] | null}
 */
export function lonlatAt(grid, row, col) {
  if (!grid.lonlat) return null;
  const { count, lon, lat } = grid.lonlat;
  const u = (col / grid.cols) * (count - 1), v = (row / grid.rows) * (count - 1);
  const i = Math.min(count - 2, Math.max(0, Math.floor(u)));
  const j = Math.min(count - 2, Math.max(0, Math.floor(v)));
  const mix = (/** @type {number[]} */ a) => {
    const k = j * count + i, s = u - i, t = v - j;
    return (a[k] * (1 - s) + a[k + 1] * s) * (1 - t) + (a[k + count] * (1 - s) + a[k + count + 1] * s) * t;
  };
  return [mix(lon), mix(lat)];
}
