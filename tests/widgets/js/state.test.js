// Which actions change the state, and that invalid ones do not.

import assert from "node:assert/strict";
import { test } from "node:test";

import { reduce } from "../../../astra_xr/widgets/js/state.js";
import { channelsOf } from "../../../astra_xr/widgets/js/sides.js";
import { stepOf } from "../../../astra_xr/widgets/js/steps.js";
import { scene, state } from "./helpers.js";

const after = (from, ...actions) => actions.reduce((now, action) => reduce(scene, now, action), from);

test("modes, presets and bands", () => {
  assert.deepEqual(channelsOf(after(state, { type: "preset", title: "False" })), ["nir", "red", "green"]);
  const index = after(state, { type: "mode", mode: "index" });
  assert.deepEqual([channelsOf(index), index.cmap], [["NDVI"], "PiYG"]);
  assert.deepEqual(channelsOf(after(index, { type: "mode", mode: "single" }, { type: "band", channel: 0, name: "nir" })), ["nir"]);
  assert.deepEqual(after(state, { type: "band", channel: 2, name: "nir" }).bands, ["red", "green", "nir"]);
});

test("limits are of one channel, and stay when the stretch changes", () => {
  const set = after(state, { type: "limits", key: "red", limits: [0.12345678, 0.5] });
  assert.deepEqual(set.limits, { red: [0.123457, 0.5] });
  assert.equal(set.stretch, state.stretch);
  const minmax = after(set, { type: "stretch", patch: { kind: "minmax" } });
  assert.deepEqual([minmax.limits, minmax.stretch.kind], [set.limits, "minmax"]);
  assert.deepEqual(after(minmax, { type: "automatic", keys: ["red"] }).limits, {});
});

test("a stretch replaces limits if those of all channels are set", () => {
  const all = { ...state, limits: { red: [0, 1], green: [0, 1], blue: [0, 1], NDVI: [-1, 1] } };
  assert.deepEqual(after(all, { type: "stretch", patch: { kind: "minmax" } }).limits, { NDVI: [-1, 1] });
});

test("impossible actions do not change the state", () => {
  for (const action of [
    { type: "nothing" }, { type: "toString" }, { type: "preset", title: "none" },
    { type: "stretch", patch: { sigma: 500 } }, { type: "stretch", patch: { low: 99 } }, { type: "stretch", patch: { high: NaN } },
    { type: "limits", key: "red", limits: [NaN, 1] }, { type: "limits", key: "red", limits: [1, 1] }, { type: "limits", key: "red", limits: [0, Infinity] },
    { type: "pin", row: -1, col: 5 }, { type: "pin", row: 600, col: 5 }, { type: "automatic", keys: ["red"] }, { type: "view", view: null },
  ]) assert.equal(reduce(scene, state, action), state, JSON.stringify(action));
});

test("pins lie on centers of pixels, once each", () => {
  const two = after(state, { type: "pin", row: 1.2, col: 2.9 }, { type: "pin", row: 1.7, col: 2.1 }, { type: "pin", row: 0, col: 0 });
  assert.deepEqual(two.pins, [[1025, 1985], [1005, 1995]]);
  assert.deepEqual(after(two, { type: "unpin", n: 0 }).pins, [[1005, 1995]]);
  assert.deepEqual(after(two, { type: "clear" }).pins, []);
});

test("only labels of steps are taken as time", () => {
  const stack = { ...scene, steps: [{ label: "2025-01-15" }, { label: "2025-02-01" }] };
  const there = reduce(stack, { ...state, time: "2025-01-15" }, { type: "time", label: "2025-02-01" });
  assert.deepEqual([there.time, stepOf(stack, there.time), stepOf(stack, null), stepOf(scene, "2025")], ["2025-02-01", 1, 0, 0]);
  assert.equal(reduce(stack, there, { type: "time", label: "2025" }), there);
});

test("no state is changed in place", () => {
  const frozen = Object.freeze({ ...state, limits: Object.freeze({}), pins: Object.freeze([]), bands: Object.freeze([...state.bands]) });
  after(frozen, { type: "pin", row: 1, col: 1 }, { type: "limits", key: "red", limits: [0, 1] }, { type: "band", channel: 0, name: "nir" });
});

test("an area is of whole pixels within the scene", () => {
  const drawn = (area) => after(state, { type: "area", area }).area;
  assert.deepEqual(drawn([1.4, 2.6, 9, 9]), [1, 3, 9, 9]);
  assert.deepEqual(drawn([-5, -5, 9999, 9999]), [0, 0, 600, 800]);
  for (const area of [[700, 0, 800, 9], [5, 5, 5, 9], [9, 9, 5, 5]]) assert.equal(drawn(area), state.area);
  assert.equal(after(state, { type: "area", area: [0, 0, 5, 5] }, { type: "area", area: null }).area, null);
});
