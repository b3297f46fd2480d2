// The side panel: channels and their limits, colormaps, classes, stretch and gamma.

import { available } from "../state.js";
import { numberText } from "../numbers.js";
import { baseOf } from "../pixels/colormap.js";
import { symmetric } from "../pixels/stats.js";
import { channelsOf, indexOf, labelOf } from "../sides.js";
import { checkbox, icon, make, setValue } from "./dom.js";
import { IndexMenu } from "./index_menu.js";

export const CHANNELS = [["R", "red"], ["G", "green"], ["B", "blue"]];
const STRETCHES = [["percentile", "Percentile"], ["sigma", "Sigma"], ["minmax", "Min–max"]];

/** The step of a number field for limits. */
const fieldStep = ([low, high]) => 10 ** Math.floor(Math.log10((high - low) / 20 || 1));

export class Panel {
  checking = ""; // a formula that Python checks
  wrong = ""; // what is wrong with a formula
  /** @type {HTMLInputElement[]} */ swatches = []; // of colormaps

  constructor(view) {
    this.view = view;
    /** @type {any[]} */
    this.rows = []; // of the channels
    this.node = make("div", { class: "astra-panel" });
    this.channels = make("div", { class: "astra-channels" });
    this.formula = make("div", { class: "astra-formula", "aria-live": "polite" });
    this.maps = this.makeMaps();
    this.legend = make("ul", { class: "astra-legend", "aria-label": "Classes" });
    this.makeStretch();
    this.gamma = make("input", { type: "range", min: -1, max: 1, step: 0.02, "aria-label": "Gamma",
      oninput: () => view.act({ type: "gamma", gamma: Number((3 ** Number(this.gamma.value)).toFixed(2)) }) });
    this.gammaText = make("output", { class: "astra-unit" });
    this.gammaRow = make("label", { class: "astra-row astra-gamma" }, make("span", {}, "Gamma"), this.gamma, this.gammaText);
    this.makeRanges();
    this.heading = make("div", { class: "astra-heading" });
    this.above = [this.heading, this.channels, this.formula, this.maps]; // of the histogram
    this.below = [this.legend, this.stretchRow, this.ranges, this.gammaRow];
  }

  makeMaps() {
    const { about, id } = this.view;
    const act = (name) => this.view.act({ type: "cmap", name: this.reverse.input.checked ? `${name}_r` : name });
    this.reverse = checkbox("Reverse", () => act(baseOf(this.view.state.cmap)));
    const swatch = (name) => {
      const stops = [0, 36, 73, 109, 146, 182, 219, 255].map((i) => `#${about.colormaps[name].slice(6 * i, 6 * i + 6)}`);
      const safe = about.safe.includes(name);
      const input = make("input", { type: "radio", name: `${id}-map`, value: name, "aria-label": `${name}${safe ? ", safe for color blindness" : ""}`, onchange: () => act(name) });
      this.swatches.push(input);
      return make("label", { title: safe ? `${name} (safe for color blindness)` : name, class: safe ? "astra-safe" : "" }, input,
        make("span", { style: `background:linear-gradient(90deg,${stops})` }));
    };
    const groups = Object.entries(about.maps).map(([title, names]) => make("div", { class: "astra-map-group", role: "group", "aria-label": title },
      make("span", { class: "astra-unit" }, title), make("div", { class: "astra-maps" }, ...names.map(swatch))));
    return make("div", { class: "astra-map-groups", role: "radiogroup", "aria-label": "Colormap" }, ...groups,
      make("div", { class: "astra-row" }, this.reverse.label, make("span", { class: "astra-unit astra-safe-note" }, "safe for color blindness")));
  }

  makeStretch() {
    const stretch = (patch) => this.view.act({ type: "stretch", patch, keys: channelsOf(this.view.shown) });
    this.stretch = make("select", { "aria-label": "Stretch", onchange: () => stretch({ kind: this.stretch.value }) },
      ...STRETCHES.map(([kind, title]) => make("option", { value: kind }, title)),
      make("option", { value: "custom", disabled: true }, "Custom"));
    const number = (name, label, bounds) => make("input", {
      type: "number", class: "astra-number", "aria-label": label, ...bounds,
      onchange: (e) => stretch({ [name]: Number(e.target.value) }),
    });
    this.low = number("low", "Lower percentile", { min: 0, max: 100, step: "any" });
    this.high = number("high", "Upper percentile", { min: 0, max: 100, step: "any" });
    this.sigma = number("sigma", "Standard deviations", { min: 0.1, max: 100, step: 0.5 });
    this.of = make("select", { "aria-label": "Statistics of", onchange: () => stretch({ of: this.of.value }) },
      make("option", { value: "whole" }, "of scene"), make("option", { value: "view" }, "of view"));
    this.percents = make("span", { class: "astra-pair" }, this.low, this.high, make("span", { class: "astra-unit" }, "%"));
    this.sigmas = make("span", { class: "astra-pair" }, this.sigma, make("span", { class: "astra-unit" }, "σ"));
    this.reset = make("button", { title: "Automatic limits for all channels",
      onclick: () => this.view.act({ type: "automatic", keys: channelsOf(this.view.shown) }) }, "↺ Reset");
    this.stretchRow = make("div", { class: "astra-row" }, this.stretch, this.percents, this.sigmas, this.of, this.reset);
  }

  /** Buttons for the usual limits of an index. */
  makeRanges() {
    const button = (text, title, of) => make("button", { title, onclick: () => {
      const [key] = channelsOf(this.view.shown), known = this.view.limits[key];
      if (known) this.view.act({ type: "limits", key, limits: of(known) });
    } }, text);
    this.ranges = make("div", { class: "astra-row", role: "group", "aria-label": "Usual limits" },
      button("−1…1", "Limits from −1 to 1", () => [-1, 1]), button("0…1", "Limits from 0 to 1", () => [0, 1]),
      button("±", "Limits symmetric about 0", symmetric));
  }

  /** Make the menus and limits of the channels anew when the mode changes. */
  makeChannels() {
    const { edited: state } = this.view;
    if (this.made === state.mode) return;
    this.made = state.mode;
    this.rows = channelsOf(state).map((_, n) => {
      const rgb = state.mode === "rgb";
      const name = rgb ? CHANNELS[n][1] : state.mode === "index" ? "index" : "band";
      const label = rgb ? `Band in ${name}` : name === "index" ? "Index" : "Band";
      const finder = state.mode === "index" ? new IndexMenu(this.view, (text) => this.chooseIndex(text)) : null;
      const menu = finder ? finder.input : make("select", { "aria-label": label, onchange: () => this.view.act({ type: "band", channel: n, name: menu.value }) },
        ...this.bandOptions());
      const limits = [0, 1].map((i) => make("input", {
        type: "number", class: "astra-number astra-limit", step: "any", "aria-label": `${i ? "Upper" : "Lower"} limit of ${name}`,
        onchange: (e) => this.typed(n, i, e.target.value),
      }));
      const lock = make("button", { class: "astra-small astra-lock", onclick: () => this.toggleLock(n) });
      const mark = rgb ? make("b", { class: `astra-mark astra-${name}`, "aria-hidden": "true" }, CHANNELS[n][0]) : null;
      return { menu, finder, limits, lock, node: make("div", { class: `astra-channel${rgb ? "" : " astra-alone"}` }, mark, finder ? finder.node : menu, ...limits, lock) };
    });
    this.channels.replaceChildren(...this.rows.map((row) => row.node));
  }

  typed(n, i, text) {
    const key = channelsOf(this.view.shown)[n];
    const limits = [...(this.view.limits[key] || [0, 1])];
    limits[i] = text === "" ? NaN : Number(text);
    this.view.act({ type: "limits", key, limits, end: i });
  }

  /** Keep the limits of a channel, or let them follow the stretch again. */
  toggleLock(n) {
    const { shown: state, limits } = this.view, key = channelsOf(state)[n];
    this.view.act(state.limits[key] ? { type: "automatic", keys: [key] } : { type: "limits", key, limits: limits[key] || [] });
  }

  bandOptions() {
    const { about } = this.view;
    return Object.entries(about.bands).map(([name, band]) => {
      const names = [...new Set([name, band.native, band.common].filter(Boolean))];
      const wave = band.wavelength ? `${numberText(band.wavelength, 4)} µm` : "";
      return make("option", { value: name, disabled: !available(about, name), title: band.title }, [names.join(" · "), wave].filter(Boolean).join("  "));
    });
  }

  update() {
    this.makeChannels();
    const { shown: state, edited, about, limits } = this.view;
    this.updateHeading();
    const classes = state.mode === "single" ? about.bands[state.band].classes : [];
    channelsOf(state).forEach((key, n) => {
      const { menu, finder, lock, limits: fields } = this.rows[n];
      if (finder) finder.show(channelsOf(edited)[n]);
      else setValue(menu, channelsOf(edited)[n]);
      this.updateLock(lock, key, classes.length > 0);
      fields.forEach((input, i) => {
        input.hidden = classes.length > 0;
        setValue(input, limits[key] ? numberText(limits[key][i], 3) : "");
        if (limits[key]) input.step = fieldStep(limits[key]);
      });
    });
    this.updateFormula();
    this.maps.hidden = state.mode === "rgb" || classes.length > 0 || !this.view.mapIsChosen;
    for (const input of this.swatches) input.checked = input.value === baseOf(state.cmap);
    this.reverse.input.checked = state.cmap !== baseOf(state.cmap);
    this.legend.hidden = !classes.length;
    const of = classes.length ? state.band : "";
    if (this.legend.dataset.of !== of) {
      this.legend.dataset.of = of;
      this.legend.replaceChildren(...classes.map((c) => make("li", {}, make("i", { style: `background:${c.color}` }), c.name)));
    }
    this.updateStretch(classes.length > 0);
  }

  /** Choose an index, or a formula, which Python checks first. @param {string} text */
  chooseIndex(text) {
    const { view } = this;
    this.wrong = "";
    if (view.about.indices[text]) view.act({ type: "band", channel: 0, name: text });
    else if (view.about.offline) this.wrong = "A formula needs a kernel.";
    else {
      this.checking = text;
      view.store.wire.send({ type: "formula", text });
    }
    view.refresh();
  }

  updateFormula() {
    const { edited, about, store } = this.view, checked = store.formula;
    if (checked && checked.text === this.checking) {
      this.checking = "";
      this.wrong = checked.message || "";
      // The mode may have changed meanwhile.
      if (checked.name && edited.mode === "index") this.view.act({ type: "band", channel: 0, name: checked.name });
    }
    this.formula.hidden = edited.mode !== "index";
    if (this.formula.hidden) return;
    const index = indexOf(about, edited.index);
    this.formula.classList.toggle("astra-wrong", Boolean(this.wrong));
    const text = this.wrong || `${index.title}: ${index.formula}`;
    if (this.formula.textContent === text) return;
    this.formula.replaceChildren(...(this.wrong ? [text] : [`${index.title}: `, make("span", {}, index.formula)]));
  }

  updateLock(lock, key, hidden) {
    const kept = Boolean(this.view.state.limits[key]);
    lock.hidden = hidden;
    lock.disabled = !this.view.limits[key];
    if (lock.dataset.of === `${key} ${kept}`) return;
    lock.dataset.of = `${key} ${kept}`;
    lock.setAttribute("aria-pressed", kept);
    lock.setAttribute("aria-label", `Keep limits of ${key}`);
    lock.title = kept ? `The limits of ${key} are kept; click for automatic ones` : `Keep the limits of ${key}, whatever the stretch`;
    lock.replaceChildren(icon(kept ? "locked" : "open"));
  }

  /** The name of the side whose limits the panel shows. */
  updateHeading() {
    const { about, state, limitsOf } = this.view;
    this.heading.hidden = !state.compare;
    if (!state.compare) return;
    this.heading.textContent = labelOf(about, state, limitsOf);
    this.heading.className = `astra-heading astra-of-${limitsOf}`;
  }

  updateStretch(classes) {
    const { shown: state } = this.view;
    this.stretchRow.hidden = classes;
    const { kind, low, high, sigma, of } = state.stretch;
    const set = channelsOf(state).filter((key) => state.limits[key]);
    const custom = set.length === channelsOf(state).length;
    this.reset.hidden = !set.length;
    setValue(this.stretch, custom ? "custom" : kind);
    setValue(this.low, low);
    setValue(this.high, high);
    setValue(this.sigma, sigma);
    setValue(this.of, of);
    this.percents.hidden = custom || kind !== "percentile";
    this.sigmas.hidden = custom || kind !== "sigma";
    this.of.hidden = custom;
    const indexed = state.mode === "index" || (state.mode === "single" && this.view.about.bands[state.band].cmap !== "gray");
    this.ranges.hidden = classes || !indexed;
    this.gammaRow.hidden = state.mode !== "rgb";
    if (Math.abs(3 ** Number(this.gamma.value) - state.gamma) > 0.006) this.gamma.value = Math.log(state.gamma) / Math.log(3);
    this.gammaText.textContent = state.gamma.toFixed(2);
  }
}
