// The band picker in the browser: it holds pixels as 16-bit codes, and stretches and colors them here, so that
// it responds at once while the kernel is busy. Built into ../picker.js by `npm run build`.

import { offlineModel } from "./offline.js";
import { Store } from "./store.js";
import { unique } from "./ui/dom.js";
import { View } from "./ui/view.js";
import { Wire } from "./wire.js";

/** @import { Model } from "./types" */

/** @param {Model} model @param {Store} store @param {HTMLElement} el */
function shown(model, store, el) {
  const view = new View(model, store, el);
  return () => view.close();
}

/** What anywidget runs: once a model, whose store all its views share; then once a view. */
export default function widget() {
  /** @type {Store} */
  let store;
  return {
    /** @param {{ model: Model }} context */
    initialize({ model }) {
      const wire = new Wire(model, (message) => store.heard(message));
      store = new Store(wire, unique());
      return () => wire.close();
    },
    /** @param {{ model: Model, el: HTMLElement }} context */
    render: ({ model, el }) => shown(model, store, el),
  };
}

/** Show a picker in a page without a kernel. @param {any} held @param {HTMLElement} el */
export async function offline(held, el) {
  const { model, store } = await offlineModel(held);
  return shown(model, store, el);
}
