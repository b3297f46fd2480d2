// A picker in a page without a kernel: its store is filled with the content that Python put into the page.

import { MASK } from "./derive.js";
import { Store } from "./store.js";
import { unpacked } from "./wire.js";

/** @import { Address, FromKernel, Connection, Model } from "./types" */

/**
 * A model of anywidget's kind, and its store.
 * @param {any} content
 * @returns {Promise<{ model: Model, store: Store }>}
 */
export async function offlineModel(content) {
  /** @type {Record<string, unknown>} */
  const kept = { about: content.about, state: content.state, shown: content.shown };
  const listeners = new Map();
  /** @type {any} */
  const model = {
    get: (key) => kept[key],
    set: (key, value) => {
      kept[key] = value;
      for (const act of listeners.get(`change:${key}`) || []) act();
    },
    on: (event, act) => listeners.set(event, [...(listeners.get(event) || []), act]),
    off: (event, act) => listeners.set(event, (listeners.get(event) || []).filter((each) => each !== act)),
  };
  /** @type {Connection} */
  const wire = {
    gone: false,
    save: (state) => model.set("state", state),
    send(message) {
      // Fails later, as a kernel would answer: once the store has recorded the request.
      if (message.type === "want") setTimeout(() => message.add.forEach(([key, time, level, row, col]) => store.receive(missing({ key, time, level, row, col }))));
      return true;
    },
  };
  /** @param {Address} address @returns {FromKernel} */
  const missing = (address) => ({ type: "failed", ...address, message: `${address.key === MASK ? "The cloud mask" : address.key} is not included in this page.`, final: true });
  const store = new Store(wire, "page");
  store.lasting = true;
  store.spectra = content.spectra;
  store.statistics = content.statistics;
  for (const { data, ...tile } of content.tiles) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    store.put({ ...tile, codes: await unpacked(tile, [bytes]) });
  }
  return { model, store };
}
