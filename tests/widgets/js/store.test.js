// The store: requests once for all views, is bounded, and takes messages in any order.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../../astra_xr/widgets/js/store.js";
import { fakeWire } from "./helpers.js";

const at = (col, key = "red") => ({ key, time: 0, level: 0, row: 0, col });
const tile = (address, size = 4) => ({ type: "tile", ...address, codes: new Uint16Array(size) });

function made() {
  const wire = fakeWire(), clock = { now: 0 };
  const store = new Store(wire, "own", () => clock.now, (act, wait) => { clock.act = act; clock.wait = wait; });
  let changes = 0;
  for (const view of ["a", "b"]) store.join(view, () => { changes++; });
  return { store, wire, clock, changes: () => changes };
}

test("a tile that two views want is requested once, and withdrawn when neither wants it", () => {
  const { store, wire } = made();
  store.want("a", [at(0), at(1)]);
  store.want("b", [at(1), at(2)]);
  assert.deepEqual(wire.sent.map(({ add }) => add), [[["red", 0, 0, 0, 0], ["red", 0, 0, 0, 1]], [["red", 0, 0, 0, 2]]]);
  store.want("a", []);
  assert.deepEqual(wire.sent.at(-1).drop, [["red", 0, 0, 0, 0]]);
  store.leave("b");
  assert.deepEqual(wire.sent.at(-1).drop, [["red", 0, 0, 0, 1], ["red", 0, 0, 0, 2]]);
  assert.ok(wire.sent.every((message) => message.store === "own"));
});

test("tiles may arrive in any order, twice, or unrequested", () => {
  const { store, wire, changes } = made();
  store.want("a", [at(0), at(1)]);
  for (const address of [at(1), at(1), at(7), at(0)]) store.receive(tile(address));
  assert.equal(changes(), 8); // both views
  assert.deepEqual([0, 1, 7].map((col) => store.get(at(col)).col), [0, 1, 7]);
  store.want("a", [at(0), at(1), at(7)]);
  assert.equal(wire.sent.length, 1);
  assert.equal(store.bytes, 3 * 8);
});

test("a failed tile does not stop others, and is requested again on retry", () => {
  const { store, wire } = made();
  store.want("a", [at(0), at(1), at(0, "nir")]);
  store.receive({ type: "failed", ...at(0), message: "503" });
  store.receive({ type: "failed", ...at(9), message: "not requested by this store" });
  assert.deepEqual(store.failures(["red"]), ["503"]);
  assert.deepEqual(store.failures(["nir"]), []);
  store.want("a", [at(0), at(1), at(2)]);
  assert.deepEqual(wire.sent.at(-1).add, [["red", 0, 0, 0, 2]]);
  store.retry();
  assert.deepEqual(wire.sent.at(-1).add, [["red", 0, 0, 0, 0]]);
});

test("failed tiles are requested again at growing intervals, five times at most", () => {
  const { store, wire, clock } = made();
  store.want("a", [at(0), at(1)]);
  const waits = [];
  for (let n = 0; n < 5; n++) {
    for (const col of [0, 1]) store.receive({ type: "failed", ...at(col), message: "503" });
    if (n === 4) break;
    waits.push(clock.wait);
    clock.now += clock.wait;
    const { act } = clock;
    clock.act = null;
    act();
    assert.deepEqual(wire.sent.at(-1).add, [["red", 0, 0, 0, 0], ["red", 0, 0, 0, 1]]);
    assert.deepEqual(store.failures(["red"]), ["503"]); // still reported meanwhile
  }
  assert.deepEqual(waits, [2000, 4000, 8000, 16000]);
  assert.equal(clock.act, null);
  store.retry();
  store.receive(tile(at(0)));
  store.receive({ type: "failed", ...at(1), message: "403", final: true });
  assert.deepEqual(store.failures(["red"]), ["403"]);
  assert.equal(clock.act, null);
});

test("without a view no tiles are kept; a new view requests them again", () => {
  const { store, wire } = made();
  store.want("a", [at(0)]);
  store.receive(tile(at(0)));
  store.leave("b");
  assert.equal(store.bytes, 8);
  store.leave("a");
  assert.deepEqual([store.bytes, store.tiles.size], [0, 0]);
  store.join("c", () => {});
  store.want("c", [at(0)]);
  assert.deepEqual(wire.sent.at(-1).add, [["red", 0, 0, 0, 0]]);
});

test("without a kernel nothing is pending; all is requested once it is back", () => {
  const { store, wire, clock } = made();
  wire.gone = true;
  store.want("a", [at(0)]);
  clock.now = 9000;
  assert.deepEqual([store.waiting, store.reading], [0, []]);
  wire.gone = false;
  store.want("a", [at(0)]);
  clock.now = 14_000;
  assert.deepEqual([store.waiting, store.reading], [5000, ["red"]]);
});

test("kept tiles are bounded, except those in view", () => {
  const { store } = made();
  const mega = 1 << 20; // codes, two bytes each
  store.want("a", [at(0)]);
  for (let col = 0; col < 50; col++) store.receive(tile(at(col), mega));
  assert.ok(store.bytes <= 64 << 20);
  assert.ok(store.get(at(0)) && store.get(at(49)));
  assert.equal(store.get(at(1)), undefined);
});

test("pickers out of sight share a bound, and request tiles again when seen", () => {
  const stores = Array.from({ length: 6 }, () => new Store(fakeWire(), "own"));
  for (const store of stores) {
    store.join("view", () => {});
    store.want("view", [at(0)]);
    store.receive(tile(at(0), 2 << 20));
    store.sleep("view");
  }
  const kept = () => stores.map(({ tiles }) => tiles.size);
  assert.deepEqual(kept(), [0, 0, 1, 1, 1, 1]);
  const [first, , third] = stores;
  for (const store of [first, third]) store.want("view", [at(0)]);
  assert.deepEqual(first.wire.sent.at(-1).add, [["red", 0, 0, 0, 0]]);
  assert.equal(third.wire.sent.length, 1); // it has it yet
  first.receive(tile(at(0), 2 << 20));
  assert.deepEqual(kept(), [1, 0, 1, 1, 1, 1]);
  for (const store of stores) store.leave("view");
  assert.deepEqual(kept(), [0, 0, 0, 0, 0, 0]);
});
