// The state, which is what the user chose: only reduce() makes states. What follows from pixels is in derive.js.

import { clamp } from "./numbers.js";
import { parted } from "./pixels/stats.js";
import { canDiffer, channelsOf, compared, DIFFERENCE, indexOf, otherThan, sideOf, swapped, withB } from "./sides.js";

/** @import { About, Limits, State, Stretch } from "./types" */

/**
 * Whether channels can be shown: all with a kernel, else those that the page contains.
 * @param {About} about
 * @param {string[]} keys
 */
export const available = ({ offline }, ...keys) => !offline || keys.every((key) => offline.includes(key));

/**
 * The state after an action on side "a" or "b"; the same state if the action is impossible.
 * @param {About} about
 * @param {State} state
 * @param {{ type: string, side?: string, [key: string]: any }} action
 * @returns {State}
 */
export function reduce(about, state, { side, ...action }) {
  if (!Object.hasOwn(ACTIONS, action.type)) return state;
  const act = ACTIONS[action.type];
  if (side !== "b" || !state.compare || !OF_A_SIDE.has(action.type)) return possible(about, act(about, state, action));
  const before = sideOf(about, state, "b"), after = act(about, before, action);
  return after === before ? state : possible(about, withB(about, state, after));
}

const OF_A_SIDE = new Set(["mode", "preset", "band", "time"]);

/** The state, with the sides beside each other if they have no difference. @param {About} about @param {State} state @returns {State} */
function possible(about, state) {
  if (state.compare?.show !== "difference" || canDiffer(about, state)) return state;
  return compared(state, { show: "swipe" });
}

/** @param {Record<string, Limits>} limits  @param {string[]} keys */
const without = (limits, keys) => Object.fromEntries(Object.entries(limits).filter(([key]) => !keys.includes(key)));

/** @type {Record<string, (about: About, state: State, action: any) => State>} */
const ACTIONS = {
  mode(about, state, { mode }) {
    const next = { ...state, mode };
    if (mode === "index") {
      if (!available(about, state.index)) next.index = about.offline?.find((key) => about.indices[key]) ?? state.index;
      next.cmap = indexOf(about, next.index).cmap;
    }
    if (mode === "single") next.cmap = about.bands[state.band].cmap;
    return next;
  },
  preset(about, state, { title }) {
    const bands = about.presets[title];
    return bands ? { ...state, mode: "rgb", bands: [...bands] } : state;
  },
  band(about, state, { channel, name }) {
    if (state.mode === "rgb") return { ...state, bands: state.bands.map((band, n) => (n === channel ? name : band)) };
    if (state.mode === "index") return { ...state, index: name, cmap: indexOf(about, name).cmap };
    return { ...state, band: name };
  },
  // Limits that were set stay, unless all channels have such: the stretch would change nothing then.
  stretch(about, state, { patch, keys: shown = channelsOf(state) }) {
    /** @type {Stretch} */
    const stretch = { ...state.stretch, ...patch };
    const { low, high, sigma } = stretch;
    if (!(low >= 0 && low < high && high <= 100 && sigma > 0 && sigma <= 100)) return state;
    return { ...state, stretch, limits: shown.every((key) => state.limits[key]) ? without(state.limits, shown) : state.limits };
  },
  /** Limits follow the stretch again. */
  automatic(about, state, { keys }) {
    return keys.some((key) => state.limits[key]) ? { ...state, limits: without(state.limits, keys) } : state;
  },
  // `end` is the limit that was moved. In a difference, the other one follows, as 0 is in the middle.
  limits(about, state, { key, limits: [low, high], end }) {
    if (key === DIFFERENCE) [low, high] = [-1, 1].map((sign) => sign * (end === undefined ? Math.max(-low, high) : Math.abs(end ? high : low)));
    if (!Number.isFinite(low) || !Number.isFinite(high) || !(low < high)) return state;
    return { ...state, limits: { ...state.limits, [key]: parted(low, high) } };
  },
  pin(about, state, { row, col }) {
    const { grid } = about;
    if (row < 0 || col < 0 || row >= grid.rows || col >= grid.cols) return state;
    const at = [grid.x + grid.dx * (Math.floor(col) + 0.5), grid.y + grid.dy * (Math.floor(row) + 0.5)];
    const point = at.map((value) => Number(value.toPrecision(12)));
    if (state.pins.some((pin) => String(pin) === String(point))) return state;
    return { ...state, pins: [...state.pins, [point[0], point[1]]] };
  },
  area(about, state, { area }) {
    if (!area) return state.area ? { ...state, area: null } : state;
    const { rows, cols } = about.grid;
    const whole = area.map((edge, n) => clamp(Math.round(edge), 0, n % 2 ? cols : rows));
    const [top, left, bottom, right] = whole;
    if (!(top < bottom && left < right) || String(whole) === String(state.area)) return state;
    return { ...state, area: whole };
  },
  unpin: (about, state, { n }) => ({ ...state, pins: state.pins.filter((_, i) => i !== n) }),
  clear: (about, state) => ({ ...state, pins: [] }),
  view: (about, state, { view }) => (String(view) === String(state.view) ? state : { ...state, view }),
  time: (about, state, { label }) => (label === state.time || !about.steps.some((step) => step.label === label) ? state : { ...state, time: label }),
  // All steps have the limits of the one that was shown when this was chosen.
  same: (about, state, { same }) => ({ ...state, stretch: { ...state.stretch, time: same ? state.time : null } }),
  cmap(about, state, { name }) {
    return state.compare?.show === "difference" ? compared(state, { cmap: name }) : { ...state, cmap: name };
  },
  compare(about, state, { on }) {
    if (!on) return { ...state, compare: null };
    return { ...state, compare: { ...otherThan(about, state, (key) => available(about, key)), show: "swipe", split: 0.5, cmap: "BrBG" } };
  },
  show(about, state, { show }) {
    const possible = show === "swipe" || (show === "difference" && canDiffer(about, state));
    return state.compare && possible && show !== state.compare.show ? compared(state, { show }) : state;
  },
  split(about, state, { split }) {
    const at = Math.round(split * 1000) / 1000;
    return state.compare && at >= 0 && at <= 1 && at !== state.compare.split ? compared(state, { split: at }) : state;
  },
  swap: (about, state) => (state.compare ? swapped(about, state) : state),
  gamma: (about, state, { gamma }) => ({ ...state, gamma }),
  mask: (about, state, { mask }) => ({ ...state, mask }),
};
