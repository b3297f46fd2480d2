// Codes to colors, as RGBA words; the same as tile_codes.py. Each table serves many tiles.

import { clamp } from "../numbers.js";
import { LAST } from "./stats.js";

/** @import { ClassOf, Limits, Scale } from "../types" */

/** Code → 0 to 255. @param {Scale} scale @param {Limits} limits @param {number} gamma */
export function levelsOf({ low: first, step }, [low, high], gamma) {
  const levels = new Uint8Array(LAST + 1);
  for (let code = 1; code <= LAST; code++) {
    const level = (first + (code - 1) * step - low) / (high - low);
    const clipped = level <= 0 ? 0 : level >= 1 ? 1 : gamma === 1 ? level : level ** (1 / gamma);
    levels[code] = clipped * 255 + 0.5;
  }
  return levels;
}

/** @param {string} hex */
const word = (hex) =>
  (255 << 24) | (parseInt(hex.slice(4, 6), 16) << 16) | (parseInt(hex.slice(2, 4), 16) << 8) |
  parseInt(hex.slice(0, 2), 16);

/** Code → color, from 256 colors of six hexadecimal digits each. @param {Scale} scale @param {Limits} limits @param {string} colormap */
export function colorsOf({ low: first, step }, [low, high], colormap) {
  const colors = Array.from({ length: 256 }, (_, i) => word(colormap.slice(6 * i, 6 * i + 6)));
  const table = new Uint32Array(LAST + 1);
  for (let code = 1; code <= LAST; code++) {
    const level = (first + (code - 1) * step - low) / (high - low);
    table[code] = colors[clamp(Math.floor(level * 256), 0, 255)];
  }
  return table;
}

/** Code → color of a class; others are gray. @param {Scale} scale @param {ClassOf[]} classes */
export function classColors({ low, step }, classes) {
  const table = new Uint32Array(LAST + 1).fill(word("808080"));
  table[0] = 0;
  for (const { value, color } of classes) table[(value - low) / step + 1] = word(color.slice(1));
  return table;
}

/**
 * Three channels by their levels; transparent where one has no data or is masked.
 * @param {Uint32Array} out
 * @param {ArrayLike<number>[]} codes
 * @param {Uint8Array[]} levels
 * @param {ArrayLike<number> | null} mask
 */
export function composeRgb(out, [r, g, b], [R, G, B], mask = null) {
  for (let i = 0; i < out.length; i++) {
    const p = r[i], q = g[i], s = b[i];
    out[i] = p && q && s && !mask?.[i] ? (255 << 24) | (B[s] << 16) | (G[q] << 8) | R[p] : 0;
  }
}

/** One channel by its colors. @param {Uint32Array} out @param {ArrayLike<number>} codes @param {Uint32Array} table @param {ArrayLike<number> | null} mask */
export function composeColored(out, codes, table, mask = null) {
  for (let i = 0; i < out.length; i++) out[i] = mask?.[i] ? 0 : table[codes[i]];
}
