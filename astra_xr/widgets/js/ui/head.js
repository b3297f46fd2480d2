// The line on top: mode, preset, mask and title.

import { here } from "../choice.js";
import { MASK } from "../derive.js";
import { canDiffer } from "../sides.js";
import { icon, make, put } from "./dom.js";

const SIDES = [["a", "A"], ["b", "B"]];
const SHOWS = [["swipe", "Swipe"], ["difference", "B − A"]];
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
    this.makeCompare();
    this.node = make("div", { class: "astra-head" }, this.sides,
      make("div", { class: "astra-segments", role: "radiogroup", "aria-label": "Mode" }, ...this.modes),
      this.preset, this.maskLabel, this.compareLabel, this.shows, this.swap, make("span", { class: "astra-pair" }, this.undo, this.redo),
      make("span", { class: "astra-title", title: about.title }, about.title.replace(/^[\w-]+:/, "")),
      view.save.node, this.full);
  }

  /** Compare, and what is there to choose then. */
  makeCompare() {
    const { view } = this;
    this.compare = make("input", { type: "checkbox", onchange: () => view.act({ type: "compare", on: this.compare.checked }) });
    this.compareLabel = make("label", { class: "astra-check", title: "Beside another date, index or bands" }, this.compare, "Compare");
    const segments = (label, name, all, run) => make("div", { class: "astra-segments", role: "radiogroup", "aria-label": label },
      ...all.map(([value, title]) => make("label", { class: `astra-segment astra-of-${value}` },
        make("input", { type: "radio", name: `${view.id}-${name}`, value, onchange: () => run(value) }), make("span", {}, title))));
    this.sides = segments("Side to choose for", "side", SIDES, (side) => view.choose(side));
    this.shows = segments("Comparison", "show", SHOWS, (show) => view.act({ type: "show", show }));
    this.swap = make("button", { type: "button", class: "astra-swap", title: "Swap A and B", "aria-label": "Swap A and B", onclick: () => view.act({ type: "swap" }) }, "⇄");
  }

  updateCompare() {
    const { about, state, side } = this.view, { compare } = state;
    this.compare.checked = Boolean(compare);
    for (const each of [this.sides, this.shows, this.swap]) each.hidden = !compare;
    this.node.classList.toggle("astra-comparing", Boolean(compare));
    if (!compare) return;
    for (const { firstChild: input } of this.sides.children) input.checked = input.value === side;
    const can = canDiffer(about, state);
    for (const label of this.shows.children) {
      const input = label.firstChild;
      input.checked = input.value === compare.show;
      input.disabled = input.value === "difference" && !can;
      label.title = input.disabled ? "For an index or a band: choose one for A and for B" : "";
    }
  }

  update() {
    this.updateCompare();
    const { about, edited: state, store } = this.view;
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
