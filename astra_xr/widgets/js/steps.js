// The steps of a stack, as a strip shows them: their order, their clouds, which are in sight. Pure.

import { isFormula } from "./sides.js";

/** @import { About, State, Step, Tile } from "./types" */

export const CLEAR = 20; // percent of clouds up to which a step counts as clear

/** The numbers of steps by date; those without one come last, as they are. @param {Step[]} steps */
export function inOrder(steps) {
  const date = (n) => steps[n].date ?? Infinity;
  return steps.map((_, n) => n).sort((a, b) => (date(a) === date(b) ? a - b : date(a) - date(b)));
}

/**
 * Percent of the pixels with data that are masked; null where there is no data.
 * @param {Pick<Tile, "codes">} mask
 * @param {Pick<Tile, "codes">} tile
 */
export function cloudsIn(mask, tile) {
  let data = 0, clouds = 0;
  for (let i = 0; i < tile.codes.length; i++) {
    if (!tile.codes[i]) continue;
    data++;
    if (mask.codes[i]) clouds++;
  }
  return data ? (100 * clouds) / data : null;
}

/**
 * The steps that a strip lists: all, or those that are clear or not known to be cloudy, and the current one.
 * @param {number[]} order
 * @param {(number | null)[]} clouds
 * @param {boolean} clear
 * @param {number} current
 */
export function listed(order, clouds, clear, current) {
  return clear ? order.filter((n) => n === current || (clouds[n] ?? 0) <= CLEAR) : order;
}

/** The step that many places on; the last one at an end. @param {number[]} list @param {number} current @param {number} by */
export function stepBy(list, current, by) {
  return list[Math.min(list.length - 1, Math.max(0, list.indexOf(current) + by))];
}

/** First and last place that is in sight, half a screen more at both ends. */
export function inSight(left, width, cell, count) {
  const more = width / 2;
  return [Math.max(0, Math.floor((left - more) / cell)), Math.min(count - 1, Math.floor((left + width + more) / cell))];
}

/** What a step is called where there is little room: of a date month and day, and the time of one that is there twice. @param {Step} step */
export function shortLabel({ label }) {
  return /^\d{4}-\d\d-\d\d/.test(label) ? label.slice(5, 16).replace("T", " ") : label;
}

/** What is shown over time: the band or index, of three channels the index. @param {About} about @param {State} state */
export function overTime(about, state) {
  if (state.mode === "single") return state.band;
  return about.indices[state.index] || isFormula(state.index) ? state.index : state.bands[0];
}

/**
 * The pieces of a line: gaps where there is no value.
 * @param {number[]} order
 * @param {(number | null)[]} values
 */
export function pieces(order, values) {
  /** @type {number[][]} */
  const found = [];
  let open = false;
  for (const n of order) {
    const here = typeof values[n] === "number";
    if (here && open) found[found.length - 1].push(n);
    if (here && !open) found.push([n]);
    open = here;
  }
  return found;
}
