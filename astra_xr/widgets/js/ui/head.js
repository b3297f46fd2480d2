// The top line: mode, preset, mask, comparison and title.

import { available } from "../state.js";
import { MASK } from "../derive.js";
import { canDiffer } from "../sides.js";
import { checkbox, icon, iconButton, make, setValue } from "./dom.js";

const SIDES = [["a", "A"], ["b", "B"]];
const SHOWS = [["swipe", "Swipe"], ["difference", "B − A"]];
const MODES = [["rgb", "RGB"], ["index", "Index"], ["single", "Band"]];

export class Head {
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.modes = this.segments("Mode", "mode", MODES, (mode) => view.act({ type: "mode", mode }));
    for (const label of this.modes.children) {
      const input = label.firstChild;
      input.disabled = !Object.keys(input.value === "index" ? about.indices : about.bands).some((key) => available(about, key));
      label.title = input.disabled ? "Not possible with these bands" : "";
    }
    const options = [make("option", { value: "" }, "Preset…")];
    for (const [title, bands] of Object.entries(about.presets)) {
      options.push(make("option", { value: title, disabled: !available(about, ...bands) }, title));
    }
    this.preset = make("select", { "aria-label": "Preset", onchange: () => view.act({ type: "preset", title: this.preset.value }) }, ...options);
    this.preset.hidden = options.length === 1;
    this.mask = checkbox("Hide clouds", (mask) => view.act({ type: "mask", mask }), { hidden: !about.masked });
    const step = (name, label, keys) => iconButton(label, icon(name), () => view.step(name), { title: `${label} (${keys})` });
    this.undo = step("undo", "Undo", "Ctrl+Z");
    this.redo = step("redo", "Redo", "Shift+Ctrl+Z");
    const toggle = () => (view.full ? document.exitFullscreen() : view.root.requestFullscreen()).catch(() => view.status.show("The browser denied full screen."));
    this.full = iconButton("Full screen", icon("full"), toggle, { "aria-pressed": "false", hidden: !document.fullscreenEnabled });
    this.makeCompare();
    this.node = make("div", { class: "astra-head" }, this.sides, this.modes, this.preset,
      this.mask.label, this.compare.label, this.shows, this.swap, make("span", { class: "astra-pair" }, this.undo, this.redo),
      make("span", { class: "astra-title", title: about.title }, about.title.replace(/^[\w-]+:/, "")),
      view.save.node, this.full);
  }

  /** Alternatives side by side, of which one is chosen. */
  segments(label, name, all, run) {
    return make("div", { class: "astra-segments", role: "radiogroup", "aria-label": label },
      ...all.map(([value, title]) => make("label", { class: `astra-segment astra-of-${value}` },
        make("input", { type: "radio", name: `${this.view.id}-${name}`, value, onchange: () => run(value) }), make("span", {}, title))));
  }

  /** The checkbox "Compare", and the choices that it opens. */
  makeCompare() {
    const { view } = this;
    this.compare = checkbox("Compare", (on) => view.act({ type: "compare", on }), { title: "Compare with another date, index or bands" });
    this.sides = this.segments("Side that the menus change", "side", SIDES, (side) => view.choose(side));
    this.shows = this.segments("Comparison", "show", SHOWS, (show) => view.act({ type: "show", show }));
    this.swap = iconButton("Swap A and B", "⇄", () => view.act({ type: "swap" }));
  }

  updateCompare() {
    const { about, state, side } = this.view, { compare } = state;
    this.compare.input.checked = Boolean(compare);
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
    for (const { firstChild: input } of this.modes.children) input.checked = input.value === state.mode;
    const preset = Object.keys(about.presets).find((title) => state.mode === "rgb" && String(about.presets[title]) === String(state.bands));
    setValue(this.preset, preset || "");
    // `disabled` would take away the focus, and with it the keys.
    this.undo.setAttribute("aria-disabled", !store.history.done.length);
    this.redo.setAttribute("aria-disabled", !store.history.undone.length);
    this.full.setAttribute("aria-pressed", this.view.full);
    this.mask.input.checked = state.mask;
    const [unmasked] = store.failures([MASK]);
    this.mask.label.title = unmasked || "From the scene's classification band";
    this.mask.input.disabled = Boolean(unmasked) && !state.mask;
  }
}
