// The histogram: one axis for all channels, and for each a lane with two handles.

import { clamp, numberText, roundNumbers } from "../numbers.js";
import { colormapOf } from "../pixels/colormap.js";
import { LAST, percentile } from "../pixels/stats.js";
import { channelsOf } from "../sides.js";
import { labelAt, WIDE } from "./chart.js";
import { draw, make, onDrag, unique } from "./dom.js";
import { CHANNELS } from "./panel.js";

const HIGH = 92, LANE = 24, EDGE = 12, BINS = 140; // handles of 24 units are large enough for fingers

export class Histogram {
  gesture = ""; // identifies the drag of a limit

  constructor(view) {
    this.view = view;
    this.plot = draw("g");
    this.lanes = draw("g");
    this.axis = draw("g", { class: "astra-axis" });
    this.svg = draw("svg", { class: "astra-histogram", role: "group", "aria-label": "Histogram and limits" }, this.plot, this.axis, this.lanes);
    this.node = make("div", {}, this.svg);
    /** @type {any[]} */
    this.sliders = [];
    /** @type {[number, number]} */
    this.range = [0, 1]; // of the axis
    this.ranged = "";
    /** @type {import("../types").Counts[] | null} */
    this.counts = null;
  }

  x(value) {
    const [low, high] = this.range;
    return EDGE + clamp((value - low) / (high - low), 0, 1) * (WIDE - 2 * EDGE);
  }

  update() {
    const { shown: state, about, limits, found } = this.view;
    const keys = channelsOf(state);
    this.node.hidden = state.mode === "single" && about.bands[state.band].classes.length > 0;
    const known = found && String(found.keys) === String(keys) && keys.every((key) => limits[key]);
    this.svg.style.visibility = known ? "" : "hidden"; // not the histogram of what was shown before
    if (this.node.hidden || !known) return;
    const { counts, scales } = found;
    if (!this.gesture) { // the axis stays while a limit is dragged
      const reach = scales.map((scale, n) => (counts[n].total ? [percentile(scale, counts[n], 0.1), percentile(scale, counts[n], 99.5)] : [0, 1]));
      const edges = [...reach, ...keys.map((key) => limits[key])];
      const low = Math.min(...edges.map((e) => e[0])), high = Math.max(...edges.map((e) => e[1]));
      const room = (high - low || 1) * 0.04;
      this.range = [low - room, high + room];
    }
    if (this.counts !== counts || String(this.range) !== this.ranged) {
      [this.counts, this.ranged] = [counts, String(this.range)];
      this.bars(scales, counts);
      this.ticks(keys.length);
    }
    this.tint(keys);
    this.handles(keys);
  }

  bars(scales, counted) {
    const [low, high] = this.range, rgb = this.view.shown.mode === "rgb";
    const shapes = scales.map((scale, n) => {
      const bins = new Float64Array(BINS);
      const { counts } = counted[n];
      const per = BINS / (high - low);
      for (let code = 1; code <= LAST; code++) {
        if (!counts[code]) continue;
        const bin = Math.floor((scale.low + (code - 1) * scale.step - low) * per);
        if (bin >= 0 && bin < BINS) bins[bin] += counts[code];
      }
      return bins;
    });
    const tall = Math.max(...shapes.map((bins) => [...bins].sort((a, b) => b - a)[2] || 1), 1);
    this.plot.replaceChildren(...shapes.map((bins, n) => {
      const step = (WIDE - 2 * EDGE) / BINS;
      let path = `M${EDGE} ${HIGH}`;
      bins.forEach((count, i) => {
        const y = (HIGH - Math.min(1, Math.sqrt(count / tall)) * (HIGH - 8)).toFixed(1);
        path += `L${(EDGE + (i + 0.5) * step).toFixed(1)} ${y}`;
      });
      return draw("path", { d: `${path}L${WIDE - EDGE} ${HIGH}Z`, class: rgb ? `astra-${CHANNELS[n][1]}` : "astra-tinted", ...(rgb ? {} : { fill: `url(#${this.view.id}-tint)` }) });
    }));
  }

  /** Color the bars of a single channel by its colormap. */
  tint(keys) {
    const { shown: state, about, id } = this.view;
    if (state.mode === "rgb") return;
    const hex = colormapOf(about.colormaps, state.cmap);
    const [low, high] = this.view.limits[keys[0]];
    const stops = Array.from({ length: 16 }, (_, i) => draw("stop", { offset: i / 15, "stop-color": `#${hex.slice(102 * i, 102 * i + 6)}` }));
    const next = draw("linearGradient", { id: `${id}-tint`, gradientUnits: "userSpaceOnUse", x1: this.x(low), x2: Math.max(this.x(high), this.x(low) + 0.1) }, ...stops);
    if (this.tinted) this.tinted.replaceWith(next);
    else this.svg.prepend(next);
    this.tinted = next;
  }

  ticks(lanes) {
    const [low, high] = this.range;
    const nodes = [draw("line", { x1: EDGE, x2: WIDE - EDGE, y1: HIGH, y2: HIGH })];
    for (const v of roundNumbers(low, high, 5)) {
      nodes.push(draw("line", { x1: this.x(v), x2: this.x(v), y1: HIGH, y2: HIGH + 3 }));
      nodes.push(labelAt(this.x(v), HIGH + 13, numberText(v, 4)));
    }
    this.axis.replaceChildren(...nodes);
    this.svg.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH + 20 + lanes * LANE}`);
  }

  handles(keys) {
    const { mode } = this.view.shown;
    if (this.handlesOf !== mode) {
      this.handlesOf = mode;
      this.sliders = keys.map((_, n) => this.lane(n));
      this.lanes.replaceChildren(...this.sliders.map((s) => s.node));
    }
    keys.forEach((key, n) => {
      const pair = this.view.limits[key];
      const { track, ends } = this.sliders[n];
      const y = HIGH + 20 + n * LANE + LANE / 2;
      track.setAttribute("x", this.x(pair[0]));
      track.setAttribute("width", Math.max(0, this.x(pair[1]) - this.x(pair[0])));
      ends.forEach((end, i) => {
        end.setAttribute("transform", `translate(${this.x(pair[i]).toFixed(2)} ${y})`);
        end.setAttribute("aria-valuemin", numberText(this.range[0]));
        end.setAttribute("aria-valuemax", numberText(this.range[1]));
        end.setAttribute("aria-valuenow", numberText(pair[i]));
        end.setAttribute("aria-label", `${i ? "Upper" : "Lower"} limit of ${key}${mode === "rgb" ? ` in ${CHANNELS[n][1]}` : ""}`);
      });
    });
  }

  lane(n) {
    const y = HIGH + 20 + n * LANE + LANE / 2;
    const color = this.view.shown.mode === "rgb" ? `astra-${CHANNELS[n][1]}` : "astra-plain";
    const rail = draw("line", { x1: EDGE, x2: WIDE - EDGE, y1: y, y2: y, class: "astra-rail" });
    const track = draw("rect", { y: y - 1.5, height: 3, class: color });
    const ends = [0, 1].map((i) => {
      const end = draw("g", { class: `astra-handle ${color}`, tabindex: 0, role: "slider", "aria-orientation": "horizontal" },
        draw("rect", { x: -LANE / 2, y: -LANE / 2, width: LANE, height: LANE, class: "astra-reach" }),
        draw("circle", { r: 5.5 }));
      this.drags(end, n, i);
      return end;
    });
    return { node: draw("g", {}, rail, track, ...ends), track, ends };
  }

  drags(end, n, i) {
    const key = () => channelsOf(this.view.shown)[n];
    const move = (value) => {
      const pair = [...this.view.limits[key()]], [low, high] = this.range, gap = (high - low) / 500;
      pair[i] = i ? clamp(value, pair[0] + gap, high) : clamp(value, low, pair[1] - gap);
      this.view.act({ type: "limits", key: key(), limits: pair, end: i, gesture: this.gesture });
    };
    onDrag(end, () => {
      end.focus();
      this.gesture = unique();
    }, (e) => {
      const box = this.svg.getBoundingClientRect();
      const at = ((e.clientX - box.left) / box.width) * WIDE;
      move(this.range[0] + ((at - EDGE) / (WIDE - 2 * EDGE)) * (this.range[1] - this.range[0]));
    }, () => {
      this.gesture = "";
      this.view.refresh();
    });
    end.addEventListener("dblclick", () => this.view.act({ type: "automatic", keys: [key()] }));
    end.addEventListener("keydown", (e) => {
      const step = (this.range[1] - this.range[0]) / (e.shiftKey ? 400 : 100);
      const ways = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
      const now = this.view.limits[key()][i];
      if (ways[e.key]) move(now + ways[e.key] * step);
      else if (e.key === "Home") move(this.range[0]);
      else if (e.key === "End") move(this.range[1]);
      else return;
      e.preventDefault();
    });
  }
}
