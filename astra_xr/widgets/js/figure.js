// A figure of what is seen, as for a paper: its texts, and the positions of its parts. Drawn in ui/save.js.

import { colormapOf } from "./pixels/colormap.js";
import { channelsOf, DIFFERENCE, indexOf, labelOf, sideOf, sidesSeen } from "./sides.js";
import { numberText } from "./numbers.js";

/** @import { About, Limits, State } from "./types" */
/** @typedef {{ color: string, text: string }} Entry */
/** @typedef {{ x: number, y: number, width: number, height: number }} Place */

/** A date as YYYY-MM-DD, in UTC. @param {number | null | undefined} date */
const dayOf = (date) => (typeof date === "number" ? new Date(date).toISOString().slice(0, 10) : "");

const COLORS = [["Red", "#c62a2f"], ["Green", "#18794e"], ["Blue", "#0b68cb"]];

/** What a side shows, and its legend. @param {About} about @param {State} state @param {Record<string, Limits>} limits */
function partOf(about, state, limits) {
  const keys = channelsOf(state), [key] = keys, rgb = state.mode === "rgb", single = state.mode === "single";
  const classes = single ? about.bands[key].classes : [];
  const range = (/** @type {string} */ name) => (limits[name] ? ` ${limits[name].map((edge) => numberText(edge, 3)).join(" to ")}` : "");
  const units = single && about.bands[key].units;
  const what = rgb ? keys.join(", ") : state.mode === "index" ? `${key}, ${indexOf(about, key).title}` : single ? about.bands[key].title || key : "";
  /** @type {Entry[]} */
  const entries = rgb ? keys.map((name, n) => ({ color: COLORS[n][1], text: `${COLORS[n][0]}: ${name}${range(name)}` }))
    : classes.map(({ color, name }) => ({ color, text: name }));
  const maps = !rgb && !classes.length && limits[key]
    ? [{ colors: colormapOf(about.colormaps, state.cmap), name: `${key === DIFFERENCE ? "B − A" : key}${units ? ` (${units})` : ""}`, ends: limits[key].map((each) => numberText(each, 3)) }] : [];
  return { what, entries, maps };
}

/** Each value once. @template T @param {T[]} all */
const distinct = (all) => [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];

/**
 * The texts of the figure: a title, a legend of entries and colormaps, and the source.
 * @param {About} about
 * @param {State} state
 * @param {Record<string, Limits>} limits
 */
export function captionOf(about, state, limits) {
  const seen = sidesSeen(state), parts = seen.map((side) => partOf(about, sideOf(about, state, side), limits));
  const step = about.steps.find(({ label }) => label === state.time) || about.steps[0];
  const title = [dayOf(step?.date) || about.date, parts[0].what].filter(Boolean).join(" · ");
  return {
    title: state.compare ? seen.map((side) => labelOf(about, state, side)).join("  |  ") : title,
    entries: distinct(parts.flatMap(({ entries }) => entries)),
    maps: distinct(parts.flatMap(({ maps }) => maps)),
    source: [about.source, "astra-xr"].filter(Boolean).join(" · "),
  };
}

/** The numbers of the widths in each row, where rows are at most `most` wide. @param {number[]} widths @param {number} gap @param {number} most @returns {number[][]} */
export function rowsOf(widths, gap, most) {
  /** @type {number[][]} */
  const rows = [];
  let used = Infinity;
  widths.forEach((width, n) => {
    if (used + gap + width > most) {
      rows.push([n]);
      used = width;
    } else {
      rows[rows.length - 1].push(n);
      used += gap + width;
    }
  });
  return rows;
}

/** A text in lines at most `most` wide, broken between words, and within words that are wider. @param {string} text @param {number} most @param {(text: string) => number} wide */
export function linesOf(text, most, wide) {
  /** @type {string[]} */
  const lines = [];
  const words = text.split(" ").flatMap((word) => {
    let size = word.length;
    while (size > 1 && wide(word.slice(0, size)) > most) size--;
    return word.match(new RegExp(`.{1,${size || 1}}`, "g")) || [];
  });
  for (const word of words) {
    const joined = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && wide(joined) <= most) lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines;
}

/**
 * The positions of the parts of a figure, in CSS pixels.
 * @param {{ width: number, height: number }} image
 * @param {ReturnType<typeof captionOf>} caption
 * @param {{ width: number } | null} bar
 * @param {(text: string) => number} wide
 */
export function layoutOf(image, caption, bar, wide) {
  const pad = 12, line = 17, swatch = 16;
  const inner = Math.max(image.width, 200);
  const title = linesOf(caption.title, inner, (text) => wide(text) * 1.3);
  const top = pad + title.length * 19 + 3;
  /** @type {Place} */
  const frame = { x: pad + (inner - image.width) / 2, y: top, ...image };
  let y = top + image.height + pad;
  // The scale bar is right of the legend, or above it if there is no room.
  const beside = bar && inner - bar.width - 24 >= 190;
  const left = beside ? inner - bar.width - 24 : inner;
  const barAt = bar && { x: beside ? pad + inner - bar.width : pad, y: y + 2 };
  if (bar && !beside) y += 30;
  const texts = caption.entries.map(({ text }) => text);
  const rows = rowsOf(texts.map((text) => swatch + wide(text)), 14, left);
  const entries = rows.flatMap((row, n) => {
    let x = pad;
    return row.map((each) => {
      const at = { n: each, x, y: y + n * line };
      x += swatch + wide(texts[each]) + 14;
      return at;
    });
  });
  const high = line + 10 + line;
  const maps = caption.maps.map((_, n) => ({ x: pad, y: y + rows.length * line + n * high + line, width: Math.min(240, left), height: 10 }));
  const legend = rows.length * line + maps.length * high;
  y += Math.max(legend, beside ? 26 : 0) + 4;
  const source = linesOf(caption.source, inner, (text) => wide(text) * 0.84);
  return { width: inner + 2 * pad, height: y + source.length * 14 + pad - 2, title, frame, bar: barAt, entries, maps, source, sourceAt: y };
}
