// The Python code of an image; the same as code.py.

import { numberText } from "./numbers.js";
import { bothOf, channelsOf, sideOf, sidesSeen } from "./sides.js";

/** @import { About, Box, Grid, Limits, State } from "./types" */

/**
 * The Python of an image, or of A and B, one line each. `limits` are those in force; unknown ones are left out.
 * @param {About} about
 * @param {State} state
 * @param {Record<string, Limits>} limits
 */
export function codeOf(about, state, limits) {
  const seen = sidesSeen(state);
  if (seen[0] !== "difference") return seen.map((side) => lineOf(about, sideOf(about, state, side), limits)).join("\n");
  const [a, b] = bothOf(about, state).map((own) => channelCode(about, own, true));
  return `(${b} - ${a})${plotCode(sideOf(about, state, "difference"), limits)}`;
}

/** @param {About} about @param {State} state @param {Record<string, Limits>} limits */
function lineOf(about, state, limits) {
  const shown = channelsOf(state);
  if (state.mode === "rgb") {
    const pairs = shown.filter((key) => limits[key]).map((key) => `(${limits[key].map((edge) => numberText(edge)).join(", ")})`);
    const limited = pairs.length === shown.length ? `, limits=[${pairs.join(", ")}]` : "";
    const gamma = state.gamma === 1 ? "" : `, gamma=${numberText(state.gamma)}`;
    return `${sourceCode(about, state)}.astra.rgb([${shown.map((name) => JSON.stringify(name)).join(", ")}]${limited}${gamma}${state.mask ? ", mask_clouds=True" : ""})`;
  }
  const classes = state.mode === "single" && about.bands[state.band].classes.length > 0;
  return channelCode(about, state) + (classes ? ".plot.imshow()" : plotCode(state, limits));
}

/** The Python of an index or a band; if `signed`, of numbers that can be subtracted. @param {About} about @param {State} state */
function channelCode(about, state, signed = false) {
  const source = sourceCode(about, state), [key] = channelsOf(state);
  if (state.mode === "index") return `${source}.astra.index(${JSON.stringify(key)}${state.mask ? ", mask_clouds=True" : ""})`;
  const clear = state.mask ? `.where(~${source}.astra.mask())` : "";
  const band = about.array ? "" : `[${JSON.stringify(key)}]`;
  // Unsigned integers would wrap around.
  return `${source}${band}${clear}${signed && about.bands[key].integer ? '.astype("float64")' : ""}`;
}

/** @param {State} state @param {Record<string, Limits>} limits */
function plotCode(state, limits) {
  const pair = limits[channelsOf(state)[0]];
  const ends = pair ? `, vmin=${numberText(pair[0])}, vmax=${numberText(pair[1])}` : "";
  return `.plot.imshow(cmap=${JSON.stringify(state.cmap)}${ends})`;
}

/** The Python of the time step and the part that are shown. @param {About} about @param {State} state */
function sourceCode(about, state) {
  const view = viewCode(about.grid, state.view), step = about.steps.find(({ label }) => label === state.time);
  if (!step) return about.name + view;
  return step.matched ? `${step.source}.rio.reproject_match(${about.name}${view})` : `${step.source || about.name}${step.code}${view}`;
}

/** The Python of a JSON value. @param {any} value @returns {string} */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${literal(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** The Python that opens a picker in this state. @param {About} about @param {State} state */
export function pickOf(about, state) {
  const source = about.steps.map((step) => step.source).find(Boolean);
  const chosen = Object.entries(state).filter(([, value]) => !["null", "{}", "[]"].includes(JSON.stringify(value)));
  return `${about.name}.astra.pick(\n${chosen.map(([key, value]) => {
    const code = literal(value);
    // The state does not name the other Dataset.
    return `    ${key}=${key === "compare" && source ? code.replace("{", `{"other": ${source}, `) : code},\n`;
  }).join("")})`;
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

