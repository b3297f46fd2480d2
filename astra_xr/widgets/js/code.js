// The Python code of an image; the same as code.py.

import { channelsOf } from "./choice.js";

/** @import { About, Box, Grid, Limits, State } from "./types" */

/** A number as text, without trailing zeros; as Python's format "g" has it. @param {number} value */
export function numberText(value, digits = 6) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  if (Number(exponent) >= -4 && Number(exponent) < digits) return String(Number(value.toPrecision(digits)));
  return `${Number(mantissa)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/**
 * The Python of an image; `limits` are those in force, and left out where they are not known yet.
 * @param {About} about
 * @param {State} state
 * @param {Record<string, Limits>} limits
 */
export function codeOf(about, state, limits) {
  const { name, grid } = about;
  const shown = channelsOf(state);
  const known = shown.every((key) => limits[key]);
  const pairs = known ? shown.map((key) => limits[key].map((v) => numberText(v))) : [];
  const listed = (/** @type {string[]} */ names) => `[${names.map((n) => JSON.stringify(n)).join(", ")}]`;
  const masked = state.mask ? ", mask_clouds=True" : "";
  const step = about.steps.find(({ label }) => label === state.time);
  const view = (step ? step.code : "") + viewCode(grid, state.view);
  const ends = known ? `, vmin=${pairs[0][0]}, vmax=${pairs[0][1]}` : "";
  const plot = `.plot.imshow(cmap=${JSON.stringify(state.cmap)}${ends})`;
  if (state.mode === "rgb") {
    const listedPairs = pairs.map(([low, high]) => `(${low}, ${high})`).join(", ");
    const limited = known ? `, limits=[${listedPairs}]` : "";
    const gamma = state.gamma === 1 ? "" : `, gamma=${numberText(state.gamma)}`;
    return `${name}${view}.astra.rgb(${listed(shown)}${limited}${gamma}${masked})`;
  }
  if (state.mode === "index") {
    return `${name}${view}.astra.index(${JSON.stringify(shown[0])}${masked})${plot}`;
  }
  const clear = state.mask ? `.where(~${name}${view}.astra.mask())` : "";
  const classes = about.bands[shown[0]].classes.length > 0;
  const band = about.array ? "" : `[${JSON.stringify(shown[0])}]`;
  return `${name}${view}${band}${clear}${classes ? ".plot.imshow()" : plot}`;
}

/** Python of a value of JSON. @param {any} value @returns {string} */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${literal(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** The Python that opens a picker in this state. @param {About} about @param {State} state */
export function pickOf(about, state) {
  const told = Object.entries(state).filter(([, value]) => value !== null && JSON.stringify(value) !== "{}" && JSON.stringify(value) !== "[]");
  return `${about.name}.astra.pick(\n${told.map(([key, value]) => `    ${key}=${literal(value)},\n`).join("")})`;
}

/** @param {Grid} grid @param {Box | null} view */
function viewCode(grid, view) {
  if (!view) return "";
  const [top, left, bottom, right] = view;
  if (!grid.placed) return `.isel(y=slice(${top}, ${bottom}), x=slice(${left}, ${right}))`;
  const ends = [top, bottom].map((edge) => numberText(grid.y + grid.dy * edge, 12));
  if (grid.up) ends.reverse();
  const sides = [left, right].map((edge) => numberText(grid.x + grid.dx * edge, 12));
  return `.sel(y=slice(${ends.join(", ")}), x=slice(${sides.join(", ")}))`;
}

