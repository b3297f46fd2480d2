// A picker in a page without a kernel: its store is filled with what Python put into the page.

import { MASK } from "./derive.js";
import { Store } from "./store.js";
import { unpacked } from "./wire.js";

/** @import { Address, Heard, Line, Model } from "./types" */

/**
 * A model of anywidget's kind, and its store.
 * @param {any} held
 * @returns {Promise<{ model: Model, store: Store }>}
 */
export async function offlineModel(held) {
  /** @type {Record<string, unknown>} */
  const kept = { about: held.about, state: held.state, shown: held.shown };
  const heard = new Map();
  /** @type {any} */
  const model = {
    get: (key) => kept[key],
    set: (key, value) => {
      kept[key] = value;
      for (const act of heard.get(`change:${key}`) || []) act();
    },
    on: (event, act) => heard.set(event, [...(heard.get(event) || []), act]),
    off: (event, act) => heard.set(event, (heard.get(event) || []).filter((each) => each !== act)),
  };
  /** @type {Line} */
  const wire = {
    gone: false,
    save: (state) => model.set("state", state),
    send(message) {
      // What is not here will not come: that is said of what was asked for, so a moment later.
      if (message.type === "want") setTimeout(() => message.add.forEach(([key, time, level, row, col]) => store.heard(missing({ key, time, level, row, col }))));
      return true;
    },
  };
  /** @param {Address} address @returns {Heard} */
  const missing = (address) => ({ type: "failed", ...address, message: `${address.key === MASK ? "The cloud mask" : address.key} is not included in this page.`, final: true });
  const store = new Store(wire, "page");
  store.lasting = true;
  store.spectra = held.spectra;
  store.statistics = held.statistics;
  for (const { data, ...tile } of held.tiles) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    store.put({ ...tile, codes: await unpacked(tile, [bytes]) });
  }
  return { model, store };
}
