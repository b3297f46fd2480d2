// The figure: round scale bars, captions, and parts that do not overlap.

import assert from "node:assert/strict";
import { test } from "node:test";

import { pickOf } from "../../../astra_xr/widgets/js/code.js";
import { captionOf, layoutOf, linesOf, rowsOf } from "../../../astra_xr/widgets/js/figure.js";
import { barOf } from "../../../astra_xr/widgets/js/geo/scalebar.js";
import { roundNumbers } from "../../../astra_xr/widgets/js/numbers.js";
import { scene, state } from "./helpers.js";

const wide = (text) => text.length * 7;
const about = {
  ...scene, name: "ds", title: "sentinel-2:S2B", source: "Sentinel-2 · S2B · catalog sample", date: "2025-01-15",
  steps: [{ label: "", date: null }], colormaps: { RdYlGn: "000000".repeat(256) }, indices: { NDVI: { title: "Normalized", cmap: "RdYlGn" } },
};
about.bands = { ...scene.bands, SCL: { title: "Classes", units: "", classes: Array.from({ length: 12 }, (_, n) => ({ value: n, name: `class number ${n}`, color: "#123456" })) } };

test("ticks of an axis are round numbers within its range", () => {
  assert.deepEqual(roundNumbers(0, 0.44, 4), [0, 0.2, 0.4]);
  assert.deepEqual(roundNumbers(-0.3, 0.31, 5), [-0.2, 0, 0.2]);
  assert.deepEqual(roundNumbers(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(roundNumbers(113.5, 4940, 5), [1000, 2000, 3000, 4000]);
  assert.deepEqual(roundNumbers(1e-7, 3.2e-7, 4), [1e-7, 2e-7, 3e-7]);
});

test("a scale bar has a round length in meters, kilometers or degrees, within its bounds", () => {
  const meters = { degrees: false, meters: 10, dx: 10 };
  const cases = [[meters, 0.07, 200, "20 km"], [meters, 1, 200, "2 km"], [meters, 1, 99, "500 m"], [meters, 40, 200, "50 m"],
    [{ ...meters, meters: 0.01 }, 4, 200, "50 cm"], [{ degrees: true, meters: 1113.2, dx: 0.01 }, 1, 200, "200 km"],
    [{ degrees: true, meters: 27830, dx: 0.25 }, 2, 200, "20°"], [{ ...meters, meters: 30 }, 0.001, 200, "5000 km"]];
  for (const [grid, scale, most, text] of cases) {
    const bar = barOf(grid, scale, most);
    assert.equal(bar.text, text);
    assert.ok(bar.width <= most && bar.width > most * 0.39, `${text} ${bar.width}`);
    const unit = { km: 1000 / grid.meters, m: 1 / grid.meters, cm: 0.01 / grid.meters, "°": 1 / grid.dx }[text.replace(/[\d. ]/g, "")];
    assert.ok(Math.abs(bar.width - parseFloat(text) * unit * scale) < 1e-6);
  }
  assert.equal(barOf({ degrees: false, meters: null, dx: 1 }, 1, 200), null);
});

test("a caption has the date, channels with their limits, and the source", () => {
  const rgb = captionOf(about, state, { red: [0, 0.3], green: [0, 0.25], blue: [0.01, 0.2] });
  assert.equal(rgb.title, "2025-01-15 · red, green, blue");
  assert.deepEqual(rgb.entries.map(({ text }) => text), ["Red: red 0 to 0.3", "Green: green 0 to 0.25", "Blue: blue 0.01 to 0.2"]);
  assert.equal(rgb.source, "Sentinel-2 · S2B · catalog sample · astra-xr");
  const index = captionOf(about, { ...state, mode: "index", cmap: "RdYlGn" }, { NDVI: [-0.8, 0.8] });
  assert.deepEqual([index.title, index.maps[0].name, index.maps[0].ends], ["2025-01-15 · NDVI, Normalized", "NDVI", ["-0.8", "0.8"]]);
  const classes = captionOf(about, { ...state, mode: "single", band: "SCL" }, {});
  assert.deepEqual([classes.entries.length, classes.maps], [12, []]);
});

test("the caption of a comparison names both sides, and has each legend once", () => {
  const of = (compare, more) => captionOf(about, { ...state, ...more, compare: { show: "swipe", split: 0.5, cmap: "RdYlGn", ...compare } }, { red: [0, 0.3], green: [0, 0.25], blue: [0.01, 0.2], NDVI: [-0.8, 0.8], "B - A": [-1, 1] });
  const both = of({ mode: "index", index: "NDVI" });
  assert.equal(both.title, "A · red, green, blue  |  B · NDVI");
  assert.deepEqual([both.entries.length, both.maps.map(({ name }) => name)], [3, ["NDVI"]]);
  const same = of({ mode: "index", index: "NDVI" }, { mode: "index", cmap: "RdYlGn" });
  assert.deepEqual([same.entries.length, same.maps.length], [0, 1]);
  const difference = of({ show: "difference" }, { mode: "index" });
  assert.deepEqual([difference.title, difference.maps[0].name, difference.maps[0].ends], ["B − A · NDVI", "B − A", ["-1", "1"]]);
});

test("lines and rows keep within their width, without loss", () => {
  assert.deepEqual(rowsOf([50, 40, 30, 200, 10], 10, 100), [[0, 1], [2], [3], [4]]);
  const text = "Sentinel-2 · S2B_MSIL2A_20250115T184929_N0511_R113_T10SEG_20250115T210000 · catalog sample";
  for (const most of [60, 140, 300, 2000]) {
    const lines = linesOf(text, most, wide);
    assert.ok(lines.every((line) => wide(line) <= most));
    assert.equal(lines.join("").replace(/ /g, ""), text.replace(/ /g, ""));
  }
});

test("parts of a figure do not overlap, and stay within its edges", () => {
  const states = [[state, { red: [0, 0.3], green: [0, 0.25], blue: [0.01, 0.2] }], [{ ...state, mode: "single", band: "SCL" }, {}],
    [{ ...state, mode: "index", cmap: "RdYlGn" }, { NDVI: [-0.8, 0.8] }],
    [{ ...state, compare: { mode: "index", index: "NDVI", show: "swipe", split: 0.5 } }, { red: [0, 0.3], green: [0, 0.25], blue: [0.01, 0.2], NDVI: [-0.8, 0.8] }]];
  for (const [shown, limits] of states) {
    for (const width of [30, 300, 700, 1600]) {
      for (const bar of [null, { width: Math.min(150, width / 2), text: "2 km" }]) {
        const caption = captionOf(about, shown, limits);
        const layout = layoutOf({ width, height: 400 }, caption, bar, wide);
        const boxes = [layout.frame, ...layout.entries.map(({ n, x, y }) => ({ x, y, width: 16 + wide(caption.entries[n].text), height: 17 }))];
        if (layout.bar) boxes.push({ ...layout.bar, width: bar.width, height: 22 });
        for (const map of layout.maps) boxes.push({ ...map, y: map.y - 16, height: 40 });
        layout.title.forEach((line, n) => boxes.push({ x: 12, y: 12 + 19 * n, width: wide(line), height: 17 }));
        layout.source.forEach((line, n) => boxes.push({ x: 12, y: layout.sourceAt + 14 * n, width: wide(line) * 0.8, height: 14 }));
        boxes.forEach((a, i) => {
          assert.ok(a.x >= 11 && a.y >= 11 && a.x + a.width <= layout.width && a.y + a.height <= layout.height, JSON.stringify([width, a, layout]));
          for (const b of boxes.slice(i + 1)) {
            const apart = a.x + a.width <= b.x + 0.5 || b.x + b.width <= a.x + 0.5 || a.y + a.height <= b.y + 0.5 || b.y + b.height <= a.y + 0.5;
            assert.ok(apart, JSON.stringify([width, a, b]));
          }
        });
      }
    }
  }
});

test("a state as Python", () => {
  const code = pickOf(about, { ...state, view: [1, 2, 3, 4], mask: true });
  assert.match(code, /^ds\.astra\.pick\(\n {4}mode="rgb",\n {4}bands=\["red", "green", "blue"\],/);
  assert.match(code, /mask=True,\n.*view=\[1, 2, 3, 4\],\n\)$/s);
  assert.doesNotMatch(code, /pins|limits|null|true/);
  const both = { ...about, steps: [{ label: "a", source: "" }, { label: "b", source: "other" }] };
  const pair = pickOf(both, { ...state, time: "a", compare: { time: "b", show: "swipe", split: 0.5, cmap: "BrBG" } });
  assert.match(pair, /compare=\{"other": other, "time": "b", "show": "swipe", "split": 0.5, "cmap": "BrBG"\},\n/);
});
