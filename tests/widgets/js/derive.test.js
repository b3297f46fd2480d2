// What follows from state and tiles.

import assert from "node:assert/strict";
import { test } from "node:test";

import { limitsInForce, MASK, Statistics, wantedBy } from "../../../astra_xr/widgets/js/derive.js";
import { Pyramid } from "../../../astra_xr/widgets/js/geo/pyramid.js";
import { Store } from "../../../astra_xr/widgets/js/store.js";
import { fakeWire, scene, state } from "./helpers.js";

const single = { ...state, mode: "single" };
const pyramid = new Pyramid(scene.grid, { side: 256, top: 0, overview: [600, 800] });

/** A store with the tiles of one band, whose code is its row in the scene + 1. */
function filled(key = "red", step = 1) {
  const store = new Store(fakeWire(), "own");
  for (const [row, col] of pyramid.within(0, [0, 0, 600, 800])) {
    const box = pyramid.box(0, row, col), shape = [box[2] - box[0], box[3] - box[1]];
    const codes = Uint16Array.from({ length: shape[0] * shape[1] }, (_, i) => box[0] + Math.floor(i / shape[1]) + 1);
    store.put({ key, time: 0, level: 0, row, col, box, shape, low: 0, step, codes });
  }
  return store;
}

test("the overview and the tiles in view are wanted, once each", () => {
  const large = new Pyramid({ rows: 10980, cols: 10980 }, { side: 256, top: 4, overview: [686, 686] });
  const names = (found) => found.map(({ key, level, row, col }) => `${key} ${level} ${row} ${col}`);
  const whole = names(wantedBy({ ...scene, masked: true }, large, state, 4, null));
  assert.equal(whole.length, 4 * 9);
  assert.equal(new Set(whole).size, whole.length);
  assert.ok(whole.includes(`${MASK} 4 2 2`));
  const zoomed = wantedBy(scene, large, state, 0, [300, 300, 500, 600]).filter(({ level }) => level === 0);
  assert.deepEqual(new Set(zoomed.map(({ row, col }) => `${row} ${col}`)), new Set(["1 1", "1 2"]));
  assert.equal(zoomed.length, 3 * 2);
});

test("limits follow the stretch, of the scene or of the view", () => {
  const store = filled(), statistics = new Statistics(scene, pyramid, store);
  const minmax = { ...single, stretch: { ...single.stretch, kind: "minmax" } };
  assert.deepEqual(statistics.update(minmax).limits, { red: [0, 599] });
  const view = { ...minmax, view: [100, 10, 300, 790], stretch: { ...minmax.stretch, of: "view" } };
  assert.deepEqual(statistics.update(view).limits, { red: [100, 299] });
  assert.deepEqual(statistics.update({ ...view, view: [250, 0, 260, 5] }).limits, { red: [250, 259] });
  assert.equal(statistics.update(minmax), statistics.update(minmax)); // remembered
});

test("tiles are of the time that is shown, and limits of the time of the stretch", () => {
  const stack = { ...scene, steps: [{ label: "a" }, { label: "b" }] }, store = filled();
  for (const tile of [...store.tiles.values()]) store.put({ ...tile, time: 1, low: 1000 });
  const minmax = { ...single, time: "b", stretch: { ...single.stretch, kind: "minmax", time: "a" } };
  const times = new Set(wantedBy(stack, pyramid, minmax, 0, [0, 0, 9, 9]).map(({ time }) => time));
  assert.deepEqual(times, new Set([0, 1]));
  const statistics = new Statistics(stack, pyramid, store);
  assert.deepEqual(statistics.update(minmax).limits.red, [0, 599]);
  const own = { ...minmax, stretch: { ...minmax.stretch, time: null } };
  assert.deepEqual(statistics.update(own).limits.red, [1000, 1599]);
  assert.ok(wantedBy(stack, pyramid, own, 0, null).every(({ time }) => time === 1));
});

test("clouds do not count once the mask is there", () => {
  const store = filled(), masked = { ...scene, masked: true };
  const statistics = new Statistics(masked, pyramid, store);
  const minmax = { ...single, stretch: { ...single.stretch, kind: "minmax" } };
  assert.deepEqual(statistics.update(minmax).limits.red, [0, 599]);
  for (const tile of [...store.tiles.values()]) store.put({ ...tile, key: MASK, codes: Uint8Array.from(tile.codes, (code) => Number(code > 400)) });
  assert.deepEqual(statistics.update(minmax).limits.red, [0, 399]);
});

test("limits of a single channel are symmetric if they include 0", () => {
  const store = filled();
  for (const tile of store.tiles.values()) tile.low = -100;
  const found = new Statistics(scene, pyramid, store).update({ ...single, stretch: { ...single.stretch, kind: "minmax" } });
  assert.deepEqual(found.limits.red, [-499, 499]);
});

test("a channel without tiles has no limits, and not those of another", () => {
  const statistics = new Statistics(scene, pyramid, filled());
  const known = statistics.update(single);
  const nir = { ...single, band: "nir" };
  assert.equal(statistics.update(nir), null);
  assert.deepEqual(limitsInForce(nir, known), {});
  assert.deepEqual(limitsInForce(nir, null, { nir: [0, 1] }), { nir: [0, 1] });
  assert.deepEqual(limitsInForce({ ...nir, limits: { nir: [2, 3] } }, null, { nir: [0, 1] }), { nir: [2, 3] });
});
