// The status line under the image, and an alert for failures.

import { MASK } from "../derive.js";
import { channelsOf, sideOf, sidesRead } from "../sides.js";
import { make } from "./dom.js";

export class Status {
  constructor(view) {
    this.view = view;
    this.line = make("div", { class: "astra-status", role: "status" });
    this.alert = make("div", { class: "astra-alert", role: "alert", hidden: true });
  }

  show(text) {
    this.line.textContent = text;
  }

  /** @param {boolean} done */
  copied(done) {
    this.show(done ? "Copied." : "The browser denied access to the clipboard.");
  }

  /** `broken` is the message of a panel that failed. */
  update(broken) {
    const { view } = this, { store } = view;
    const { reading } = store;
    view.stage.bar.hidden = !reading.length;
    view.root.dataset.busy = String(view.frame > 0 || reading.length > 0);
    const [text, weight] = this.text(reading);
    if (this.shown !== text) {
      this.shown = text;
      this.show(text);
      this.line.dataset.weight = weight;
    }
    const shown = sidesRead(view.state).flatMap((side) => channelsOf(sideOf(view.about, view.state, side)));
    const wanted = [...shown, ...(view.state.mask ? [MASK] : [])];
    const failure = [...store.failures(wanted), store.refused, broken].filter(Boolean).join("\n");
    if (this.failure === failure) return;
    this.failure = failure;
    this.alert.hidden = !failure;
    this.alert.replaceChildren(make("span", {}, failure), make("button", { onclick: () => { store.retry(); view.refresh(); } }, "Try again"));
  }

  text(reading) {
    const { store, found } = this.view;
    if (store.wire.gone) return ["The kernel is gone: run the cell again. What has been read still works.", "warning"];
    if (store.waiting > 4000) return ["Still waiting: the kernel is busy, or gone. If it was restarted, run the cell again.", "warning"];
    if (reading.length) return [`Reading ${reading.map((key) => (key === MASK ? "clouds" : key)).join(", ")}`, ""];
    const empty = found && found.counts.some(({ total }) => !total);
    return [empty ? "No data here." : "", ""];
  }
}
