// The line on top: mode, preset, mask and title.

import { here } from "../choice.js";
import { MASK } from "../derive.js";
import { icon, make, put } from "./dom.js";

const MODES = [["rgb", "RGB"], ["index", "Index"], ["single", "Band"]];

export class Head {
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.modes = MODES.map(([mode, title]) => {
      const input = make("input", { type: "radio", name: `${view.id}-mode`, value: mode, onchange: () => view.act({ type: "mode", mode }) });
      const none = !Object.keys(mode === "index" ? about.indices : about.bands).some((key) => here(about, key));
      input.disabled = none;
      return make("label", { class: "astra-segment", title: none ? "Not possible with these bands" : "" }, input, make("span", {}, title));
    });
    const options = [make("option", { value: "" }, "Preset…")];
    for (const [title, bands] of Object.entries(about.presets)) {
      options.push(make("option", { value: title, disabled: !here(about, ...bands) }, title));
    }
    this.preset = make("select", { "aria-label": "Preset", onchange: () => view.act({ type: "preset", title: this.preset.value }) }, ...options);
    this.preset.hidden = options.length === 1;
    this.mask = make("input", { type: "checkbox", onchange: () => view.act({ type: "mask", mask: this.mask.checked }) });
    this.maskLabel = make("label", { class: "astra-check", hidden: !about.masked }, this.mask, "Hide clouds");
    const step = (name, label, keys) => make("button", { type: "button", class: "astra-small", title: `${label} (${keys})`, "aria-label": label,
      onclick: () => view.step(name) }, icon(name));
    this.undo = step("undo", "Undo", "Ctrl+Z");
    this.redo = step("redo", "Redo", "Shift+Ctrl+Z");
    const toggle = () => (view.full ? document.exitFullscreen() : view.root.requestFullscreen()).catch(() => view.status.say("The browser denied a full screen."));
    this.full = make("button", { type: "button", class: "astra-small", title: "Full screen", "aria-label": "Full screen", "aria-pressed": "false",
      hidden: !document.fullscreenEnabled, onclick: toggle }, icon("full"));
    this.node = make("div", { class: "astra-head" },
      make("div", { class: "astra-segments", role: "radiogroup", "aria-label": "Mode" }, ...this.modes),
      this.preset, this.maskLabel, make("span", { class: "astra-pair" }, this.undo, this.redo),
      make("span", { class: "astra-title", title: about.title }, about.title.replace(/^[\w-]+:/, "")),
      view.save.node, this.full);
  }

  update() {
    const { about, state, store } = this.view;
    for (const { firstChild: input } of this.modes) input.checked = input.value === state.mode;
    const preset = Object.keys(about.presets).find((title) => state.mode === "rgb" && String(about.presets[title]) === String(state.bands));
    put(this.preset, preset || "");
    // Not `disabled`: that would take the focus away, and with it the keys.
    this.undo.setAttribute("aria-disabled", !store.history.done.length);
    this.redo.setAttribute("aria-disabled", !store.history.undone.length);
    this.full.setAttribute("aria-pressed", this.view.full);
    this.mask.checked = state.mask;
    const [unmasked] = store.failures([MASK]);
    this.maskLabel.title = unmasked || "From the scene's classification band";
    this.mask.disabled = Boolean(unmasked) && !state.mask;
  }
}
