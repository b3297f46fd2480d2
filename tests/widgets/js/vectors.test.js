// Pure functions: the same results as in Python.

import assert from "node:assert/strict";
import { test } from "node:test";

import { codeOf } from "../../../astra_xr/widgets/js/code.js";
import { Pyramid, windowOf } from "../../../astra_xr/widgets/js/geo/pyramid.js";
import { colormapOf } from "../../../astra_xr/widgets/js/pixels/colormap.js";
import { classColors, colorsOf, composeColored, composeRgb, levelsOf } from "../../../astra_xr/widgets/js/pixels/compose.js";
import { subtracted } from "../../../astra_xr/widgets/js/difference.js";
import { brightIn, centered, countsOf, partOf, stretchOf, symmetric } from "../../../astra_xr/widgets/js/pixels/stats.js";
import { unpacked } from "../../../astra_xr/widgets/js/wire.js";
import { tileOf, vectors } from "./helpers.js";

const tiles = vectors.channels.map(tileOf);
const near = (got, expected, what) => got.forEach((value, n) => assert.ok(Math.abs(value - expected[n]) <= 2e-6 * Math.max(1e-6, Math.abs(expected[n])), `${what}: ${got} is not ${expected}`));

test("limits of all stretches", () => {
  for (const { channel, stretch, clouds, limits } of vectors.statistics.limits) {
    const counts = countsOf([partOf(tiles[channel], clouds ? vectors.statistics.clouds : null)]);
    near(stretchOf(tiles[channel], stretch, counts), limits, JSON.stringify(stretch));
  }
  for (const [pair, expected] of vectors.statistics.centered) assert.deepEqual(centered(pair), expected);
});

test("differences", () => {
  for (const { a, b, difference } of vectors.differences) {
    const { low, step, codes } = subtracted(...[a, b].map(tileOf));
    near([low, step], [difference.low, difference.step], "scale");
    assert.deepEqual([...codes], difference.codes);
  }
  for (const [pair, expected] of vectors.statistics.symmetric) assert.deepEqual(symmetric(pair), expected);
});

test("statistics of parts are those of the whole", () => {
  const [tile] = tiles, [rows, cols] = tile.shape;
  const piece = (top, left, bottom, right) => ({ codes: tile.codes, width: cols, window: [top, left, bottom, right] });
  const pieces = countsOf([piece(0, 0, 5, cols), piece(5, 0, rows, 7), piece(5, 7, rows, cols)]);
  assert.deepEqual(pieces, countsOf([partOf(tile)]));
});

test("bright pixels", () => {
  const [found] = brightIn(tiles.map((tile) => [partOf(tile)]), tiles);
  assert.deepEqual([...found], vectors.statistics.bright);
});

const bytesOf = (size, compose) => {
  const words = new Uint32Array(size);
  compose(words);
  return new Uint8Array(words.buffer);
};

/** Equal where there is data; other colors do not matter. */
function alike(got, expected, most) {
  assert.equal(got.length, expected.length);
  for (let i = 0; i < got.length; i += 4) {
    assert.equal(got[i + 3], expected[i + 3]);
    for (let c = 0; c < 3 && expected[i + 3]; c++) assert.ok(Math.abs(got[i + c] - expected[i + c]) <= most);
  }
}

test("images of three channels", () => {
  for (const { limits, gamma, bytes } of vectors.images.rgb) {
    const tables = tiles.map((tile, n) => levelsOf(tile, limits[n], gamma));
    alike(bytesOf(bytes.length / 4, (out) => composeRgb(out, tiles.map((tile) => tile.codes), tables)), bytes, 1);
  }
});

test("images of one channel and of classes", () => {
  const { colored, classes } = vectors.images;
  const table = colorsOf(tiles[0], colored.limits, colored.colormap);
  alike(bytesOf(colored.bytes.length / 4, (out) => composeColored(out, tiles[0].codes, table)), colored.bytes, 0);
  const tile = tileOf(classes.tile);
  alike(bytesOf(tile.codes.length, (out) => composeColored(out, tile.codes, classColors(tile, classes.classes))), classes.bytes, 0);
});

test("masked pixels are transparent", () => {
  const tables = tiles.map((tile) => levelsOf(tile, [0, 1], 1)), hidden = vectors.statistics.clouds;
  const out = bytesOf(hidden.length, (words) => composeRgb(words, tiles.map((tile) => tile.codes), tables, hidden));
  assert.ok(hidden.every((is, n) => !is || out[4 * n + 3] === 0));
});

test("tiles are unpacked", async () => {
  for (const { data, codes, ...message } of vectors.wire) {
    assert.deepEqual([...await unpacked(message, [Uint8Array.from(Buffer.from(data, "base64"))])], codes);
  }
});

test("levels and tiles", () => {
  for (const { rows, cols, top, levels, level_of } of vectors.pyramids) {
    const pyramid = new Pyramid({ rows, cols }, { side: 256, top, overview: levels[top].shape });
    levels.forEach(({ shape, within, box: [[row, col], box] }, level) => {
      assert.deepEqual(pyramid.shape(level), shape);
      near(pyramid.box(level, row, col), box, "box");
      const every = Math.max(1, Math.floor(pyramid.within(level, [0, 0, rows, cols]).length / 9));
      for (const [of, places] of within) assert.deepEqual(pyramid.within(level, of).filter((_, n) => n % every === 0), places);
    });
    for (const [box, level] of level_of) assert.equal(pyramid.levelOf(box, 768), level);
  }
  for (const { of, window, ...tile } of vectors.windows) assert.deepEqual(windowOf(tile, of), window);
});

test("the Python of an image", () => {
  for (const { about, state, limits, code } of vectors.code) assert.equal(codeOf(about, state, limits), code);
});

test("colormaps are reversed", () => {
  const maps = { two: "000000ffffff" };
  assert.deepEqual([colormapOf(maps, "two"), colormapOf(maps, "two_r")], ["000000ffffff", "ffffff000000"]);
});
