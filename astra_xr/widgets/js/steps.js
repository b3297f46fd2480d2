// The time steps of a stack, as the strip shows them: their order, clouds, and which ones are in sight. Pure.

import { clamp } from "./numbers.js";
import { isFormula } from "./sides.js";

/** @import { About, State, Step, Tile } from "./types" */

export const CLEAR = 20; // percent of clouds up to which a step counts as clear

/** The number of the step with a label; 0 if there is only one step. @param {About} about @param {string | null} label */
export const stepOf = (about, label) => Math.max(0, about.steps.findIndex((step) => step.label === label));

/** The numbers of the steps in order of date; steps without one come last, in their own order. @param {Step[]} steps */
export function inOrder(steps) {
  const date = (n) => steps[n].date ?? Infinity;
  return steps.map((_, n) => n).sort((a, b) => (date(a) === date(b) ? a - b : date(a) - date(b)));
}

/**
 * Percent of the pixels with data that are masked; null if there is no data.
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
 * The steps in the strip: all, or (`clear`) the current one and all that are not known to be cloudy.
 * @param {number[]} order
 * @param {(number | null)[]} clouds
 * @param {boolean} clear
 * @param {number} current
 */
export function listed(order, clouds, clear, current) {
  return clear ? order.filter((n) => n === current || (clouds[n] ?? 0) <= CLEAR) : order;
}

/** The step `by` places further in the list, within its ends. @param {number[]} list @param {number} current @param {number} by */
export const stepBy = (list, current, by) => list[clamp(list.indexOf(current) + by, 0, list.length - 1)];

/** The first and last place in sight, with half a screen more at both ends. */
export function inSight(left, width, cell, count) {
  const more = width / 2;
  return [Math.max(0, Math.floor((left - more) / cell)), Math.min(count - 1, Math.floor((left + width + more) / cell))];
}

/** A label without the year, and with the time of day if it has one. @param {Step} step */
export const shortLabel = ({ label }) => (/^\d{4}-\d\d-\d\d/.test(label) ? label.slice(5, 16).replace("T", " ") : label);

/** What is shown over time: the band or index; with three channels, the index. @param {About} about @param {State} state */
export function overTime(about, state) {
  if (state.mode === "single") return state.band;
  return about.indices[state.index] || isFormula(state.index) ? state.index : state.bands[0];
}

/**
 * The pieces of a line, which is interrupted where there is no value.
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
