// The parts of small charts: scales, labels, and lines with dots.

import { draw } from "./dom.js";

export const WIDE = 300; // units of the width of a chart

/** The color of each pin, repeated after the last. */
const PINS = ["#e8590c", "#1c7ed6", "#2f9e44", "#ae3ec9", "#e03131", "#0c8599"];

/** @param {number} n */
export const pinColor = (n) => PINS[n % PINS.length];

/** A function from values between `low` and `high` to positions between `from` and `to`. */
export const scaleOf = (low, high, from, to) => (/** @type {number} */ value) => from + ((value - low) / (high - low || 1)) * (to - from);

export const labelAt = (x, y, text, attrs = {}) => draw("text", { x, y, ...attrs }, text);

/** A horizontal line with its value. */
export const gridLine = (y, text, left, right) =>
  [draw("line", { x1: left, x2: right, y1: y, y2: y, class: "astra-rail" }), labelAt(left - 4, y + 3, text, { class: "astra-end" })];

/** @param {number[][]} points [x, y] */
export const lineThrough = (points, color) =>
  draw("path", { d: points.map(([x, y], n) => `${n ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""), stroke: color, class: "astra-line" });

/** @param {number[]} point [x, y] */
export const dotAt = ([x, y], color, tooltip, attrs = {}) =>
  draw("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6, fill: color, ...attrs }, draw("title", {}, tooltip));
