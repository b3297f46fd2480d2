// Helpers of the JavaScript tests.

import { readFileSync } from "node:fs";

export const vectors = JSON.parse(readFileSync(new URL("../vectors.json", import.meta.url), "utf8"));

/** A tile as it is in a store. */
export const tileOf = ({ codes, ...rest }) => ({ ...rest, codes: Uint16Array.from(codes) });

/** A kernel that records its messages. */
export function fakeWire() {
  const sent = [];
  const wire = { gone: false, sent, send: (message) => { if (!wire.gone) sent.push(message); return !wire.gone; } };
  return wire;
}

export const scene = {
  reflectance: true, masked: false, presets: { False: ["nir", "red", "green"] },
  bands: Object.fromEntries(["red", "green", "blue", "nir"].map((name) => [name, { classes: [], cmap: "gray" }])),
  indices: { NDVI: { cmap: "PiYG" } },
  maps: { Sequential: ["gray", "YlGn"], Diverging: ["BrBG", "PiYG"] }, quick: true, steps: [{ label: "", code: "", date: null, cloud: null }],
  grid: { rows: 600, cols: 800, x: 1000, y: 2000, dx: 10, dy: -10 },
};

export const state = {
  mode: "rgb", bands: ["red", "green", "blue"], index: "NDVI", band: "red", cmap: "gray", gamma: 1, mask: false,
  stretch: { kind: "percentile", low: 2, high: 98, sigma: 2, of: "whole" }, limits: {}, view: null, pins: [], area: null,
};
