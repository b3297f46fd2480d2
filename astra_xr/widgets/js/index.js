// The band picker in the browser: it has the pixels as 16-bit codes, and stretches and colors them, so it responds
// at once even while the kernel is busy. Built into ../picker.js by `npm run build`.

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

/** What anywidget runs: `initialize` once per model, whose store all views share, and `render` once per view. */
export default function widget() {
  /** @type {Store} */
  let store;
  return {
    /** @param {{ model: Model }} context */
    initialize({ model }) {
      const wire = new Wire(model, (message) => store.receive(message));
      store = new Store(wire, unique());
      return () => wire.close();
    },
    /** @param {{ model: Model, el: HTMLElement }} context */
    render: ({ model, el }) => shown(model, store, el),
  };
}

/** Show a picker in a page without a kernel. @param {any} content @param {HTMLElement} el */
export async function offline(content, el) {
  const { model, store } = await offlineModel(content);
  return shown(model, store, el);
}
