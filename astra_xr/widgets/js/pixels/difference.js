// Codes of a difference; the same as tile_codes.py.

import { LAST } from "./stats.js";

/** @import { Scale, Tile } from "../types" */
/** @typedef {Scale & { codes: Tile["codes"] }} Channel */

/** B − A, on a scale that covers all its possible values; no data where A or B has none. @param {Channel} a @param {Channel} b */
export function subtracted(a, b) {
  const step = a.step + b.step, low = b.low - a.low - (LAST - 1) * a.step;
  const codes = new Uint16Array(a.codes.length);
  for (let i = 0; i < codes.length; i++) {
    const p = a.codes[i], q = b.codes[i];
    if (p && q) codes[i] = Math.floor(((LAST - p) * a.step + (q - 1) * b.step) / step + 0.5) + 1;
  }
  return { low, step, codes };
}

/** Whether each pixel is masked in A or B. @param {Tile["codes"]} a @param {Tile["codes"]} b */
export const maskedInEither = (a, b) => a.map((code, i) => code | b[i]);
