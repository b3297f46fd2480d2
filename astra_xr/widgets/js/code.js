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
export function codeOf(about, state, limits, whole = false) {
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
  let line;
  if (state.mode === "rgb") {
    const listedPairs = pairs.map(([low, high]) => `(${low}, ${high})`).join(", ");
    const limited = known ? `, limits=[${listedPairs}]` : "";
    const gamma = state.gamma === 1 ? "" : `, gamma=${numberText(state.gamma)}`;
    line = `${name}${view}.astra.rgb(${listed(shown)}${limited}${gamma}${masked})`;
  } else if (state.mode === "index") {
    line = `${name}${view}.astra.index(${JSON.stringify(shown[0])}${masked})${plot}`;
  } else {
    const clear = state.mask ? `.where(~${name}${view}.astra.mask())` : "";
    const classes = about.bands[shown[0]].classes.length > 0;
    const band = about.array ? "" : `[${JSON.stringify(shown[0])}]`;
    line = `${name}${view}${band}${clear}${classes ? ".plot.imshow()" : plot}`;
  }
  if (!whole || !about.scene) return line;
  const names = [...new Set(state.mode === "index" ? about.needs[state.index] || [] : shown)];
  const sizes = (names.length ? names : Object.keys(about.bands)).map((n) => about.bands[n].gsd);
  const own = Math.min(...sizes.filter((size) => size !== null));
  const bands = names.length ? `bands=${listed(names)}` : 'bands="reflectance"';
  const catalog = about.catalog ? `, catalog=${JSON.stringify(about.catalog)}` : "";
  const crs = grid.degrees ? `, crs=${JSON.stringify(grid.crs)}` : "";
  const size = own === Math.abs(grid.dx) ? "" : `, resolution=${numberText(Math.abs(grid.dx))}`;
  const scene = JSON.stringify(about.scene);
  return `import astra_xr\n\n${name} = astra_xr.open_scene(${scene}, ${bands}${catalog}${crs}${size})\n${line}`;
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

