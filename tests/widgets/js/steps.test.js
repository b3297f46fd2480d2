// The strip's arithmetic, and its use of the store.

import assert from "node:assert/strict";
import { test } from "node:test";

import { limitsOf } from "../../../astra_xr/widgets/js/derive.js";
import { Pyramid } from "../../../astra_xr/widgets/js/geo/pyramid.js";
import { cloudsIn, inOrder, inSight, listed, overTime, pieces, shortLabel, stepBy } from "../../../astra_xr/widgets/js/steps.js";
import { Store } from "../../../astra_xr/widgets/js/store.js";
import { fakeWire, scene, state, tileOf } from "./helpers.js";

test("steps are in order of date, those without a date last", () => {
  assert.deepEqual(inOrder([30, null, 10, 20, null, 10].map((date) => ({ date }))), [2, 5, 3, 0, 1, 4]);
});

test("the list of clear steps has the current one, and those of unknown clouds", () => {
  const order = [0, 1, 2, 3], clouds = [5, 80, null, 20];
  assert.deepEqual(listed(order, clouds, true, 0), [0, 2, 3]);
  assert.deepEqual(listed(order, clouds, true, 1), order);
  assert.deepEqual(listed(order, clouds, false, 0), order);
  assert.deepEqual([stepBy([0, 2, 3], 0, 1), stepBy([0, 2, 3], 3, 1), stepBy([0, 2, 3], 2, -Infinity), stepBy([0, 2, 3], 0, Infinity)], [2, 3, 0, 3]);
});

test("cloud cover is a percentage of the pixels with data", () => {
  assert.equal(cloudsIn({ codes: [1, 0, 1, 1] }, { codes: [5, 5, 0, 9] }), 200 / 3);
  assert.equal(cloudsIn({ codes: [1] }, { codes: [0] }), null);
});

test("few of many steps are in sight", () => {
  const [first, last] = inSight(6600, 660, 66, 500);
  assert.deepEqual([first, last], [95, 115]);
  assert.deepEqual(inSight(0, 660, 66, 3), [0, 2]);
});

test("short labels", () => {
  const labels = [["2025-01-15", 1], ["2025-01-15T18:49:29", 1], ["winter", null], ["2025-01-15 (2)", 1]];
  assert.deepEqual(labels.map(([label, date]) => shortLabel({ label, date })), ["01-15", "01-15 18:49", "winter", "01-15 (2)"]);
});

test("a line has gaps where there is no value", () => {
  assert.deepEqual(pieces([2, 0, 1, 3, 4], [5, null, 3, 2, 0]), [[2, 0], [3, 4]]);
  assert.deepEqual(pieces([0, 1], [null, null]), []);
});

test("the plot over time has the band or index shown; with three channels, the index", () => {
  assert.deepEqual(["rgb", "index", "single"].map((mode) => overTime(scene, { ...state, mode })), ["NDVI", "NDVI", "red"]);
  assert.equal(overTime({ ...scene, indices: {} }, state), "red");
});

test("a thumbnail is a single tile at the level above the top", () => {
  const pyramid = new Pyramid({ rows: 10980, cols: 5490 }, { side: 256, top: 4, overview: [686, 343], thumbnail: [64, 32] });
  assert.deepEqual(pyramid.within(pyramid.thumbnail, [0, 0, 10980, 5490]), [[0, 0]]);
  assert.deepEqual(pyramid.box(pyramid.thumbnail, 0, 0), [0, 0, 10980, 5490]);
});

test("0 is in the middle of a diverging colormap if the default one is diverging too", () => {
  const tile = tileOf({ shape: [1, 4], box: [0, 0, 1, 4], low: 1, step: 1, codes: [0, 1, 5, 8] });
  const index = { ...state, mode: "index", stretch: { ...state.stretch, kind: "minmax" } };
  const limits = (chosen) => Object.values(limitsOf(scene, chosen, [tile], undefined))[0];
  assert.deepEqual(limits({ ...index, cmap: "PiYG" }), [-8, 8]);
  assert.deepEqual(limits({ ...index, cmap: "BrBG_r" }), [-8, 8]);
  assert.deepEqual(limits({ ...index, cmap: "YlGn" }), [1, 8]);
  assert.deepEqual(limits({ ...index, mode: "single", cmap: "BrBG" }), [1, 8]);
});

test("limits of a single tile follow the stretch, without masked pixels", () => {
  const single = { ...state, mode: "single", stretch: { ...state.stretch, kind: "minmax" } };
  const tile = tileOf({ shape: [1, 4], box: [0, 0, 1, 4], low: -1, step: 1, codes: [0, 1, 5, 9] });
  assert.deepEqual(limitsOf(scene, single, [tile], undefined), { red: [-7, 7] });
  assert.deepEqual(limitsOf(scene, single, [tile], { codes: Uint8Array.of(0, 0, 0, 1) }), { red: [-3, 3] });
});

test("tiles read ahead are not waited for, and their failures are not shown", () => {
  const wire = fakeWire(), store = new Store(wire, "own", () => 0), at = (time) => ({ key: "red", time, level: 0, row: 0, col: 0 });
  store.join("view", () => {});
  store.want("view", [at(0)], [at(1), at(2)]);
  assert.equal(wire.sent[0].add.length, 3);
  assert.deepEqual([store.reading, store.settled(at(1)), store.pending(at(1))], [["red"], false, true]);
  store.receive({ type: "tile", ...at(0), codes: new Uint16Array(4) });
  store.receive({ type: "failed", ...at(1), message: "503" });
  assert.deepEqual([store.reading, store.failures(["red"]), store.failure(at(1)), store.settled(at(1))], [[], [], "503", true]);
  store.want("view", [at(0)]);
  assert.deepEqual(wire.sent.at(-1).drop, [["red", 2, 0, 0, 0]]);
});
