// The sides of a picker: A, described by the state itself, B, which differs in some choices, and B − A. The same as
// sides.py.

import { CLEAR, inOrder } from "./steps.js";

/** @import { About, Compare, Side, State } from "./types" */

export const DIFFERENCE = "B - A"; // the key of the difference among the channels

/** The choices in which B may differ from A. */
const OWN = /** @type {const} */ (["time", "mode", "bands", "index", "band"]);

/** The channels that are shown: three bands, or one band, index or difference. @param {State} state @returns {string[]} */
export function channelsOf(state) {
  if (state.mode === "rgb") return state.bands;
  if (state.mode === "difference") return [DIFFERENCE];
  return [state.mode === "index" ? state.index : state.band];
}

/** Whether an index is a formula of the user's own. @param {string | null} name */
export const isFormula = (name) => name !== null && /[-+*/(]/.test(name);

/** The description of an index, or of a formula. @param {About} about @param {string} name */
export const indexOf = (about, name) => about.indices[name] || { title: "Formula", domain: "", formula: name, cmap: "viridis" };

/** The default colormap of an index or band. @param {About} about @param {Pick<State, "mode" | "index" | "band">} state */
export function defaultColormap(about, { mode, index, band }) {
  return (mode === "index" ? indexOf(about, index) : about.bands[band]).cmap;
}

/** The state of a side by itself: "a", "b" or "difference". @param {About} about @param {State} state @param {Side} side @returns {State} */
export function sideOf(about, state, side) {
  const { compare, ...a } = state;
  if (side === "a" || !compare) return a;
  if (side === "difference") return { ...a, mode: "difference", cmap: compare.cmap };
  const own = OWN.filter((key) => compare[key] !== undefined).map((key) => [key, compare[key]]);
  const b = { ...a, ...Object.fromEntries(own) };
  if (b.mode !== "rgb" && (b.mode !== a.mode || channelsOf(b)[0] !== channelsOf(a)[0])) b.cmap = defaultColormap(about, b);
  return b;
}

/** The states of A and B. @param {About} about @param {State} state */
export const bothOf = (about, state) => [sideOf(about, state, "a"), sideOf(about, state, "b")];

/** The state with part of its comparison changed. @param {State} state @param {Partial<Compare>} patch @returns {State} */
export const compared = (state, patch) => ({ ...state, compare: { .../** @type {Compare} */ (state.compare), ...patch } });

/** The sides that are seen: only A, A and B, or the difference. @param {State} state @returns {Side[]} */
export function sidesSeen({ compare }) {
  if (!compare) return ["a"];
  return compare.show === "difference" ? ["difference"] : ["a", "b"];
}

/** The sides whose pixels are needed. @param {State} state @returns {Side[]} */
export const sidesRead = ({ compare }) => (compare ? ["a", "b"] : ["a"]);

const CHANNELS = /** @type {Record<string, "bands" | "index" | "band">} */ ({ rgb: "bands", index: "index", single: "band" });

/** The state with another B; what changed in it no longer follows A. @param {About} about @param {State} state @param {State} b @returns {State} */
export function withB(about, state, b) {
  const before = sideOf(about, state, "b");
  const own = b.time === before.time ? ["mode", CHANNELS[b.mode]] : ["time"];
  return compared(state, Object.fromEntries(own.map((key) => [key, b[key]])));
}

/** The state with A and B swapped. @param {About} about @param {State} state @returns {State} */
export function swapped(about, state) {
  const [a, b] = bothOf(about, state);
  const own = OWN.filter((key) => state.compare?.[key] !== undefined).map((key) => [key, a[key]]);
  return { ...b, compare: compared(state, Object.fromEntries(own)).compare };
}

/** Whether there is a difference B − A: both have one channel, and no classes. @param {About} about @param {State} state */
export function canDiffer(about, state) {
  return bothOf(about, state).every(({ mode, band }) => mode === "index" || (mode === "single" && !about.bands[band].classes.length));
}

/** The next clear step, else the last clear one before, else the next. @param {About} about @param {State} state */
function otherStep({ steps }, { time }) {
  const ordered = inOrder(steps).map((n) => steps[n]);
  const now = ordered.findIndex(({ label }) => label === time);
  const others = [...ordered.slice(now + 1), ...ordered.slice(0, Math.max(0, now)).reverse()];
  const dated = others.filter(({ date }) => date !== null), known = dated.length ? dated : others;
  return (known.find(({ cloud }) => (cloud ?? 0) <= CLEAR) || known[0])?.label;
}

/** The initial B: at another step; if there is only one, what comes next in the menu. @param {About} about @param {State} state @param {(name: string) => boolean} available @returns {Partial<Compare>} */
export function otherThan(about, state, available) {
  const time = about.steps.length > 1 && otherStep(about, state);
  if (time) return { time };
  const next = (/** @type {string[]} */ names, /** @type {string} */ now) => {
    const all = names.filter((name) => available(name));
    return all[(all.indexOf(now) + 1) % all.length];
  };
  if (state.mode === "index") return { mode: "index", index: next(Object.keys(about.indices), state.index) };
  if (state.mode === "single") return { mode: "single", band: next(Object.keys(about.bands), state.band) };
  const others = Object.values(about.presets).filter((bands) => bands.every((name) => available(name)) && String(bands) !== String(state.bands));
  return { mode: "rgb", bands: others.length ? [...others[0]] : [...state.bands].reverse() };
}

/** A short description of what a state shows. @param {About} about @param {State} state */
function whatOf(about, state) {
  if (state.mode !== "rgb") return channelsOf(state)[0];
  const preset = Object.keys(about.presets).find((title) => String(about.presets[title]) === String(state.bands));
  return preset || state.bands.join(", ");
}

/** The name of a side, such as "A · 2025-06-14 · NDVI". @param {About} about @param {State} state @param {Side} side */
export function labelOf(about, state, side) {
  if (side !== "difference") {
    const own = sideOf(about, state, side);
    return [side.toUpperCase(), own.time, whatOf(about, own)].filter(Boolean).join(" · ");
  }
  const [a, b] = bothOf(about, state);
  const both = (p, q) => (p === q ? p : `${q} − ${p}`);
  return ["B − A", both(a.time, b.time), both(whatOf(about, a), whatOf(about, b))].filter(Boolean).join(" · ");
}
