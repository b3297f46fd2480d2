// Messages: lost, damaged and unknown ones.

import assert from "node:assert/strict";
import { test } from "node:test";

import { unpacked, Wire } from "../../../astra_xr/widgets/js/wire.js";

function fakeModel() {
  const model = { sent: [], on: (_, act) => { model.receive = act; }, off: () => { model.receive = null; }, set() {}, save_changes() {} };
  model.send = (message) => {
    if (model.closed) throw new Error("Comm is closed");
    model.sent.push(message);
  };
  return model;
}

const raw = { type: "tile", key: "red", time: 0, level: 0, row: 0, col: 0, shape: [1, 2], packing: "raw", bits: false };

test("a lost kernel is detected, and its return", () => {
  const model = fakeModel(), wire = new Wire(model, () => {});
  assert.equal(wire.send({}), true);
  model.closed = true;
  assert.equal(wire.send({}), false);
  assert.equal(wire.gone, true);
  model.closed = false;
  assert.equal(wire.send({}), true);
  assert.equal(wire.gone, false);
});

test("unknown messages are ignored", async () => {
  const model = fakeModel(), received = [];
  new Wire(model, (message) => received.push(message));
  for (const message of [null, 7, "tile", {}, { type: "constructor" }, { type: "want" }]) await model.receive(message, []);
  assert.deepEqual(received, []);
});

test("a damaged tile is a failure with a message", async () => {
  const model = fakeModel(), received = [];
  new Wire(model, (message) => received.push(message));
  const cases = [
    [{ shape: [1e9, 1e9] }, [new Uint8Array(4)]], [{ shape: [1, 3] }, [new Uint8Array(4)]], [{}, []],
    [{ shape: ["x", 2] }, [new Uint8Array(4)]], [{ packing: "deflate" }, [new Uint8Array([1, 2, 3])]],
    [{ shape: null }, [new Uint8Array(4)]], [{ shape: [0, 0] }, [new Uint8Array(0)]],
  ];
  for (const [patch, buffers] of cases) await model.receive({ ...raw, ...patch }, buffers);
  assert.equal(received.length, cases.length);
  for (const message of received) assert.match(`${message.type} ${message.message}`, /^failed A tile of red is damaged: ./);
});

test("all kinds of buffers are unpacked", async () => {
  const bytes = new Uint8Array([9, 9, 2, 2, 0, 2, 9]);
  for (const buffer of [new DataView(bytes.buffer, 2, 4), bytes.subarray(2, 6), bytes.slice(2, 6).buffer]) {
    assert.deepEqual([...await unpacked(raw, [buffer])], [1, 258]);
  }
});
