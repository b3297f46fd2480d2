// A, B and B − A: their states and pixels.

import assert from "node:assert/strict";
import { test } from "node:test";

import { reduce } from "../../../astra_xr/widgets/js/state.js";
import { limitsInForce, MASK, Statistics } from "../../../astra_xr/widgets/js/derive.js";
import { Differences } from "../../../astra_xr/widgets/js/difference.js";
import { Pyramid } from "../../../astra_xr/widgets/js/geo/pyramid.js";
import { bothOf, channelsOf, DIFFERENCE, labelOf, sideOf, sidesSeen } from "../../../astra_xr/widgets/js/sides.js";
import { scene, state } from "./helpers.js";

const about = {
  ...scene, bands: { ...scene.bands, SCL: { classes: [{ value: 1 }], cmap: "gray" } },
  indices: { NDVI: { cmap: "RdYlGn" }, NDWI: { cmap: "RdYlBu" } },
};
const stack = { ...about, steps: [["06-01", 3, 5], ["06-11", 2, 90], ["06-21", 1, 0]].map(([label, date, cloud]) => ({ label, date: -date, cloud, code: `.sel(time="${label}")` })) };
const after = (from, ...actions) => actions.reduce((now, action) => reduce(about, now, action), from);
const compared = after(state, { type: "mode", mode: "index" }, { type: "compare", on: true });

test("B is the next in the menu, in its own colors", () => {
  assert.deepEqual(compared.compare, { mode: "index", index: "NDWI", show: "swipe", split: 0.5, cmap: "BrBG" });
  const [a, b] = bothOf(about, compared);
  assert.deepEqual([a.index, a.cmap, b.index, b.cmap], ["NDVI", "RdYlGn", "NDWI", "RdYlBu"]);
  assert.deepEqual(bothOf(about, after(state, { type: "compare", on: true })).map(channelsOf), [["red", "green", "blue"], ["nir", "red", "green"]]);
  assert.equal(after(compared, { type: "compare", on: false }).compare, null);
});

test("in a stack, B is at the next clear date, and otherwise follows A", () => {
  const begun = reduce(stack, { ...state, time: "06-01" }, { type: "compare", on: true });
  assert.deepEqual(begun.compare, { time: "06-21", show: "swipe", split: 0.5, cmap: "BrBG" });
  assert.equal(reduce(stack, { ...state, time: "06-21" }, { type: "compare", on: true }).compare.time, "06-01");
  // Not the one without a date, whose clouds are unknown.
  const undated = { ...stack, steps: [...stack.steps, { label: "no date", date: null, cloud: null, code: ".isel(time=3)" }] };
  assert.equal(reduce(undated, { ...state, time: "06-21" }, { type: "compare", on: true }).compare.time, "06-01");
  const index = reduce(stack, begun, { type: "mode", mode: "index" });
  assert.deepEqual(bothOf(stack, index).map(({ time, index: key }) => `${time} ${key}`), ["06-01 NDVI", "06-21 NDVI"]);
  assert.equal(labelOf(stack, index, "b"), "B · 06-21 · NDVI");
  assert.equal(labelOf(stack, index, "difference"), "B − A · 06-21 − 06-01 · NDVI");
});

test("choices for B do not change A", () => {
  const other = after(compared, { type: "mode", mode: "single", side: "b" }, { type: "band", channel: 0, name: "nir", side: "b" });
  assert.deepEqual(bothOf(about, other).map(channelsOf), [["NDVI"], ["nir"]]);
  const preset = after(compared, { type: "preset", title: "False", side: "b" });
  assert.deepEqual(bothOf(about, preset).map(channelsOf), [["NDVI"], ["nir", "red", "green"]]);
  const swapped = after(preset, { type: "swap" });
  assert.deepEqual(bothOf(about, swapped).map(channelsOf), [["nir", "red", "green"], ["NDVI"]]);
  assert.deepEqual(after(swapped, { type: "swap" }), preset);
  // Limits, stretch and view are common to both.
  assert.deepEqual(after(compared, { type: "limits", key: "NDWI", limits: [0, 1], side: "b" }).limits, { NDWI: [0, 1] });
});

test("a difference needs one channel on each side", () => {
  const difference = after(compared, { type: "show", show: "difference" });
  assert.deepEqual(sidesSeen(difference), ["difference"]);
  const seen = sideOf(about, difference, "difference");
  assert.deepEqual([channelsOf(seen), seen.cmap], [[DIFFERENCE], "BrBG"]);
  const rgb = after(state, { type: "compare", on: true });
  assert.equal(after(rgb, { type: "show", show: "difference" }), rgb);
  // Sides without a difference are shown beside each other.
  for (const action of [{ type: "mode", mode: "rgb" }, { type: "mode", mode: "rgb", side: "b" }, { type: "preset", title: "False" }]) {
    assert.deepEqual(sidesSeen(after(difference, action)), ["a", "b"]);
  }
  const classes = after(difference, { type: "mode", mode: "single", side: "b" }, { type: "band", channel: 0, name: "SCL", side: "b" });
  assert.deepEqual(sidesSeen(classes), ["a", "b"]);
  const map = after(difference, { type: "cmap", name: "PuOr" });
  assert.deepEqual([map.cmap, map.compare.cmap], ["RdYlGn", "PuOr"]);
});

test("0 stays in the middle of a difference's limits, whichever end is moved", () => {
  const difference = after(compared, { type: "show", show: "difference" });
  assert.deepEqual(after(difference, { type: "limits", key: DIFFERENCE, limits: [-0.2, 0.5], end: 0 }).limits[DIFFERENCE], [-0.2, 0.2]);
  assert.deepEqual(after(difference, { type: "limits", key: DIFFERENCE, limits: [-0.2, 0.5], end: 1 }).limits[DIFFERENCE], [-0.5, 0.5]);
  assert.deepEqual(after(compared, { type: "limits", key: "NDVI", limits: [-0.2, 0.5], end: 1 }).limits.NDVI, [-0.2, 0.5]);
});

test("impossible actions do not change the state", () => {
  for (const action of [{ type: "split", split: 1.2 }, { type: "split", split: NaN }, { type: "show", show: "blink" }]) assert.equal(after(compared, action), compared);
  for (const action of [{ type: "split", split: 0.2 }, { type: "swap" }, { type: "show", show: "difference" }]) assert.equal(after(state, action), state);
});

/** A store with one tile of one row for each channel. */
function tilesOf(channels) {
  return { get: ({ key, time }) => channels[time ? `${key} ${time}` : key] };
}
const tile = (codes, low = 0, step = 1) => ({ box: [0, 0, 1, codes.length], shape: [1, codes.length], low, step, codes: Uint16Array.from(codes) });

test("differences are of values, and masked where A or B is", () => {
  const store = tilesOf({ NDVI: tile([1, 0, 5, 9], -1, 0.5), NDWI: tile([3, 7, 0, 1], 10, 1), [MASK]: tile([0, 1, 0, 0]) });
  const differences = new Differences(about, store), pyramid = new Pyramid({ rows: 1, cols: 4 }, { side: 256, top: 0, overview: [1, 4] });
  differences.of(...bothOf(about, compared));
  const { low, step, codes } = differences.get({ key: DIFFERENCE, level: 0, row: 0, col: 0 });
  assert.deepEqual([...codes].map((code) => (code ? Math.round((low + (code - 1) * step) / 1.5) * 1.5 : null)), [13.5, null, null, 7.5]);
  assert.equal(differences.get({ key: DIFFERENCE, level: 0, row: 0, col: 0 }).codes, codes); // made once
  const seen = sideOf(about, { ...after(compared, { type: "show", show: "difference" }), stretch: { ...state.stretch, kind: "minmax" } }, "difference");
  const found = new Statistics(about, pyramid, differences).update(seen);
  const [least, most] = limitsInForce(seen, found)[DIFFERENCE];
  assert.equal(least, -most);
  assert.ok(Math.abs(most - 13) < 1);
  const clouds = { NDVI: tile([1, 1]), "NDVI 2": tile([1, 1]), [MASK]: tile([1, 0]), [`${MASK} 2`]: tile([0, 1]) };
  const over = new Differences(stack, tilesOf(clouds)), index = { ...state, mode: "index", time: "06-01", compare: { time: "06-21", show: "swipe" } };
  over.of(...bothOf(stack, index));
  assert.deepEqual([...over.get({ key: MASK, time: 0, level: 0, row: 0, col: 0 }).codes], [1, 1]);
  assert.equal(over.of(...bothOf(stack, index)), false);
  assert.equal(over.of(...bothOf(stack, { ...index, time: "06-11" })), true);
});
