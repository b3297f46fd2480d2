// Undo and redo.

import assert from "node:assert/strict";
import { test } from "node:test";

import { reduce } from "../../../astra_xr/widgets/js/state.js";
import { History } from "../../../astra_xr/widgets/js/history.js";
import { scene, state } from "./helpers.js";

function playing() {
  const clock = { at: 0 }, history = new History(() => clock.at);
  const act = (from, action) => { const next = reduce(scene, from, action); history.record(from, next, action); return next; };
  return { clock, history, act };
}

test("steps are undone and redone, one by one", () => {
  const { history, act } = playing();
  const one = act(state, { type: "preset", title: "False" }), two = act(one, { type: "mode", mode: "index" });
  assert.deepEqual(history.undo(two), one);
  assert.deepEqual(history.undo(one), state);
  assert.equal(history.undo(state), state);
  assert.deepEqual(history.redo(state), one);
  assert.deepEqual(history.redo(one), two);
  assert.equal(history.redo(two), two);
});

test("a drag is one step, however long; so are keys pressed in quick succession", () => {
  const { clock, history, act } = playing();
  const drag = (from, low, gesture) => act(from, { type: "limits", key: "red", limits: [low, 1], gesture });
  let now = drag(state, 0.1, "a");
  clock.at = 5000;
  now = drag(now, 0.2, "a");
  const dragged = now;
  now = drag(now, 0.3, "b");
  assert.deepEqual(history.undo(now), dragged);
  assert.deepEqual(history.undo(dragged), state);
  now = drag(state, 0.1, 0);
  clock.at += 500;
  const before = (now = drag(now, 0.2, 0));
  clock.at += 1500;
  now = drag(now, 0.3, 0);
  assert.deepEqual(history.undo(now), before);
  assert.deepEqual(history.undo(before), state);
});

test("undo keeps other changes and the view", () => {
  const { history, act } = playing();
  let now = act(state, { type: "gamma", gamma: 2 });
  now = act({ ...now, mask: true }, { type: "view", view: [0, 0, 9, 9] });
  const undone = history.undo(now);
  assert.deepEqual([undone.gamma, undone.mask, undone.view], [1, true, [0, 0, 9, 9]]);
});

test("after a new step there is no redo, and 50 steps are kept", () => {
  const { history, act } = playing();
  let now = act(state, { type: "mask", mask: true });
  now = act(history.undo(now), { type: "gamma", gamma: 3 });
  assert.equal(history.redo(now), now);
  for (let n = 0; n < 99; n++) now = act(now, { type: "mask", mask: n % 2 === 0 });
  assert.equal(history.done.length, 50);
});
