// Statistics of codes, and the limits that follow from them; the same as tile_codes.py.
//
// A part is a tile or a window of one: { codes, width, window: [top, left, bottom, right], leaveOut }.
// All codes of a channel have one scale: 0 is no data, else the value is low + (code - 1) * step.

/** @import { Box, Counts, Limits, Scale, Stretch, Tile } from "../types" */
/** @typedef {{ codes: ArrayLike<number>, width: number, window: Box, leaveOut?: ArrayLike<number> | null }} Part */

export const LAST = 65535;
const BRIGHT = 0.4;

/** A whole tile as a part. @param {Tile} tile @returns {Part} */
export const partOf = (tile, leaveOut = null) => ({
  codes: tile.codes, width: tile.shape[1], window: [0, 0, ...tile.shape], leaveOut,
});

/** How often each code occurs, without nodata and the pixels to leave out (unless these are nearly all). @param {Part[]} parts @returns {Counts} */
export function countsOf(parts) {
  const all = new Uint32Array(LAST + 1), some = new Uint32Array(LAST + 1);
  let total = 0, kept = 0;
  for (const { codes, width, window: [top, left, bottom, right], leaveOut } of parts) {
    for (let row = top; row < bottom; row++) {
      for (let i = row * width + left, end = row * width + right; i < end; i++) {
        const code = codes[i];
        if (!code) continue;
        all[code]++;
        total++;
        if (leaveOut?.[i]) continue;
        some[code]++;
        kept++;
      }
    }
  }
  return kept && kept * 100 >= total ? { counts: some, total: kept } : { counts: all, total };
}

/** The percentile, interpolated as by NumPy. @param {Scale} scale @param {Counts} found @param {number} percent */
export function percentile({ low, step }, { counts, total }, percent) {
  const at = (percent / 100) * (total - 1);
  const rank = Math.floor(at);
  let seen = 0;
  for (let code = 1; code <= LAST; code++) {
    seen += counts[code];
    if (seen <= rank) continue;
    const value = low + (code - 1) * step;
    if (at === rank || seen > rank + 1) return value;
    let next = code + 1;
    while (next <= LAST && !counts[next]) next++;
    return next > LAST ? value : value + (at - rank) * (next - code) * step;
  }
  return low;
}

/** Mean and standard deviation. @param {Scale} scale @param {Counts} found */
function momentsOf({ low, step }, { counts, total }) {
  let sum = 0, squares = 0;
  for (let code = 1; code <= LAST; code++) sum += counts[code] * (code - 1);
  const mean = sum / total;
  for (let code = 1; code <= LAST; code++) {
    if (counts[code]) squares += counts[code] * (code - 1 - mean) ** 2;
  }
  return [low + mean * step, Math.sqrt(squares / total) * step];
}

/** Limits rounded to six digits, and not equal. @param {number} low @param {number} high @returns {Limits} */
export function parted(low, high) {
  low = Number(low.toPrecision(6));
  high = Number(high.toPrecision(6));
  return [low, high > low ? high : low + Math.max(Math.abs(low) * 1e-3, 1e-6)];
}

/** The values that become black and white. @param {Scale} scale @param {Stretch} stretch @param {Counts} stats @returns {Limits} */
export function stretchOf(scale, stretch, stats) {
  if (!stats.total) return [0, 1];
  if (stretch.kind === "sigma") {
    const [mean, deviation] = momentsOf(scale, stats);
    return parted(mean - deviation * stretch.sigma, mean + deviation * stretch.sigma);
  }
  const [low, high] = stretch.kind === "minmax" ? [0, 100] : [stretch.low, stretch.high];
  return parted(percentile(scale, stats, low), percentile(scale, stats, high));
}

/** Limits of a single channel: symmetric about 0 if they have different signs, as in ds.astra.plot. @param {Limits} limits @returns {Limits} */
export function centered([low, high]) {
  const most = Math.max(-low, high);
  return low < 0 && high > 0 ? [-most, most] : [low, high];
}

/** Limits of a difference: symmetric about 0. @param {Limits} limits @returns {Limits} */
export function symmetric([low, high]) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return [-most, most];
}

/**
 * Whether each pixel is as bright as clouds in all channels, one array per part; null if most of the image is.
 * `channels` has the parts of each channel.
 * @param {Part[][]} channels
 * @param {Scale[]} scales
 */
export function brightIn(channels, scales) {
  const least = scales.map(({ low, step }) => (BRIGHT - low) / step + 1);
  let hits = 0, valid = 0;
  const found = channels[0].map((first, n) => {
    const bright = new Uint8Array(first.codes.length);
    const [top, left, bottom, right] = first.window;
    for (let row = top; row < bottom; row++) {
      for (let i = row * first.width + left, end = row * first.width + right; i < end; i++) {
        let here = true, all = true;
        for (let c = 0; c < channels.length; c++) {
          const code = channels[c][n].codes[i];
          if (!code) here = false;
          if (!(code > least[c])) all = false;
        }
        if (here) valid++;
        if (here && all) { bright[i] = 1; hits++; }
      }
    }
    return bright;
  });
  return hits * 2 < valid ? found : null;
}
