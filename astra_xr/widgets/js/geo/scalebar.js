// The scale bar: a round length on the ground.

/** @import { Grid } from "../types" */

/** The largest of 1, 2 and 5 times a power of ten up to `most`. @param {number} most */
function roundBelow(most) {
  const ten = 10 ** Math.floor(Math.log10(most));
  return ten * ([5, 2].find((n) => n * ten <= most) || 1);
}

/**
 * The longest round bar within `most` CSS pixels, if a pixel of the grid is `scale` of them wide; null if the size
 * of pixels on the ground is unknown. Wide parts of the earth are in degrees, as meters differ within them.
 * @param {Grid} grid
 * @param {number} scale
 * @param {number} most
 * @returns {{ width: number, text: string } | null}
 */
export function barOf(grid, scale, most) {
  const degrees = grid.degrees && (most / scale) * Math.abs(grid.dx) > 5;
  const unit = degrees ? Math.abs(grid.dx) : grid.meters;
  if (!unit) return null;
  const length = roundBelow((most / scale) * unit);
  const short = (/** @type {number} */ value) => String(Number(value.toPrecision(6)));
  const text = degrees ? `${short(length)}°` : length >= 1000 ? `${short(length / 1000)} km` : length >= 1 ? `${short(length)} m` : `${short(length * 100)} cm`;
  return { width: (length / unit) * scale, text };
}
