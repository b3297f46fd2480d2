// The area of interest: a rectangle on the image that can be drawn, moved and resized; and its statistics.

import { clamp, numberText } from "../numbers.js";
import { bothOf, channelsOf } from "../sides.js";
import { copyButton, icon, iconButton, make, onDrag, tryAgain, unique } from "./dom.js";

/** @import { AreaStatistics, Box, State } from "../types" */
/** @import { Stage } from "./stage.js" */
/** @import { View } from "./view.js" */

/** The corners, and which edges each moves. @type {[string, number[]][]} */
const CORNERS = [["top left", [0, 1]], ["top right", [0, 3]], ["bottom left", [2, 1]], ["bottom right", [2, 3]]];
const LEAST = 4; // CSS pixels of a drag
const EDGE = 24; // of a handle

/** Height and width of an area on the ground, or in pixels. @param {View} view @param {Box} area */
function sizeText({ about: { grid }, stage }, [top, left, bottom, right]) {
  if (!grid.meters) return `${right - left} × ${bottom - top} pixels`;
  const sides = [(right - left) * grid.meters, (bottom - top) * grid.meters * stage.viewport.ratio];
  const far = Math.max(...sides) >= 1000;
  const text = sides.map((side) => numberText(far ? side / 1000 : side, 3)).join(" × ");
  return `${text} ${far ? "km" : "m"}`;
}

/** The box between two corners. @param {number} top @param {number} left @param {number} bottom @param {number} right @returns {Box} */
const between = (top, left, bottom, right) => [Math.min(top, bottom), Math.min(left, right), Math.max(top, bottom), Math.max(left, right)];

/** The rectangle on the image, and the tool that draws it. */
export class AreaTool {
  drawing = false;
  /** @type {Box | null} */ placed = null;

  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.button = iconButton("Draw an area", icon("area"), (e) => this.toggle(e.detail === 0),
      { class: "astra-tool", "aria-pressed": "false", title: "Draw an area (or Shift and drag)" });
    this.tag = make("button", { class: "astra-area-tag" });
    this.corners = CORNERS.map(([name]) => make("button", { class: "astra-area-corner", "aria-label": `Corner of the area, ${name}` }));
    this.frame = make("div", { class: "astra-area-frame" });
    this.node = make("div", { class: "astra-area", role: "group", "aria-label": "Area", hidden: true }, this.frame, ...this.corners, this.tag);
    this.handle(this.tag, [0, 1, 2, 3]);
    CORNERS.forEach(([, edges], n) => this.handle(this.corners[n], edges));
    this.draws();
  }

  get area() { return this.stage.view.state.area; }

  /** @param {number[] | null} area @param {string} [gesture] */
  set(area, gesture) { this.stage.view.act({ type: "area", area, gesture }); }

  remove() {
    this.set(null);
    this.stage.canvas.focus();
  }

  /** Start or stop drawing. The keyboard cannot drag, so it sets the middle of the view as area. */
  toggle(byKey) {
    const { viewport, view } = this.stage;
    if (!byKey) { this.arm(!this.drawing); return; }
    const [top, left, bottom, right] = viewport.view || [0, 0, viewport.grid.rows, viewport.grid.cols];
    const inset = (low, high) => [low + (high - low) / 3, high - (high - low) / 3];
    const [rows, cols] = [inset(top, bottom), inset(left, right)];
    this.set([rows[0], cols[0], rows[1], cols[1]]);
    view.update();
    this.tag.focus();
  }

  arm(drawing) {
    this.drawing = drawing;
    this.button.setAttribute("aria-pressed", drawing);
    this.stage.canvas.dataset.drawing = String(drawing);
  }

  /** Let drags on the image, with the tool or with Shift, draw an area instead of panning. */
  draws() {
    const { canvas, viewport } = this.stage;
    /** @type {[number, number] | null} */
    let from = null;
    let gesture = "", pointer = 0;
    /** @type {Box | null} */
    let before = null;
    const own = (act) => (e) => {
      if (!from || e.pointerId !== pointer) return;
      e.stopImmediatePropagation();
      act(e);
    };
    const stop = () => { from = null; this.arm(false); };
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button || from || !(this.drawing || e.shiftKey)) return;
      e.stopImmediatePropagation();
      canvas.setPointerCapture(e.pointerId);
      [from, gesture, pointer] = [this.stage.at(e), unique(), e.pointerId];
      before = this.area;
    });
    canvas.addEventListener("pointermove", own((e) => {
      const [x, y] = this.stage.at(e);
      if (!from || Math.max(Math.abs(x - from[0]), Math.abs(y - from[1])) < LEAST) return;
      const [top, left, bottom, right] = between(...viewport.toGrid(...from), ...viewport.toGrid(x, y));
      this.set([Math.floor(top), Math.floor(left), Math.ceil(bottom), Math.ceil(right)], gesture);
    }));
    canvas.addEventListener("pointerup", own(stop));
    canvas.addEventListener("pointercancel", own(stop));
    canvas.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || !(this.drawing || this.area)) return;
      if (from) this.set(before, gesture);
      else if (this.drawing) this.arm(false);
      else this.set(null);
      from = null;
    });
  }

  /** Let drags and arrow keys on a handle move some edges. @param {HTMLElement} node @param {number[]} edges */
  handle(node, edges) {
    const { viewport } = this.stage;
    onDrag(node, (e) => {
      node.focus();
      return { at: this.stage.at(e), area: this.area, gesture: unique() };
    }, (e, { at, area, gesture }) => {
      const [x, y] = this.stage.at(e);
      this.shift(area, edges, (y - at[1]) / (viewport.scale * viewport.ratio), (x - at[0]) / viewport.scale, gesture);
    });
    node.addEventListener("keydown", (e) => {
      const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (["Escape", "Delete", "Backspace"].includes(e.key)) this.remove();
      else if (ways[e.key]) {
        const step = Math.max(1, Math.round((e.shiftKey ? 1 : 10) / viewport.scale));
        this.shift(this.area, edges, ways[e.key][0] * step, ways[e.key][1] * step);
      } else return;
      e.preventDefault();
    });
  }

  /** Move edges by rows and columns. All four together keep the size of the area. */
  shift(area, edges, down, across, gesture) {
    const { rows, cols } = this.stage.about.grid;
    let [dr, dc] = [Math.round(down), Math.round(across)];
    if (edges.length === 4) {
      dr = clamp(dr, -area[0], rows - area[2]);
      dc = clamp(dc, -area[1], cols - area[3]);
    }
    const [top, left, bottom, right] = area.map((at, n) => at + (edges.includes(n) ? (n % 2 ? dc : dr) : 0));
    // A corner may be dragged past the opposite one.
    this.set(between(top, left, bottom, right), gesture);
  }

  /** Position the rectangle on the screen. */
  place() {
    const { viewport, view } = this.stage, { area } = this;
    this.node.hidden = !area;
    if (!area) return;
    const [x, y] = viewport.toScreen(area[0], area[1]), [x2, y2] = viewport.toScreen(area[2], area[3]);
    const lay = (node, left, top) => {
      node.style.left = `${left.toFixed(1)}px`;
      node.style.top = `${top.toFixed(1)}px`;
    };
    // Frames that extend far beyond the image are cut just outside of it.
    const cut = [Math.max(x, -9), Math.max(y, -9), Math.min(x2, viewport.width + 9), Math.min(y2, viewport.height + 9)];
    this.frame.hidden = cut[0] >= cut[2] || cut[1] >= cut[3];
    lay(this.frame, cut[0], cut[1]);
    this.frame.style.width = `${(cut[2] - cut[0]).toFixed(1)}px`;
    this.frame.style.height = `${(cut[3] - cut[1]).toFixed(1)}px`;
    this.corners.forEach((corner, n) => {
      const [cx, cy] = [n % 2 ? x2 : x, n > 1 ? y2 : y];
      corner.hidden = cx < 0 || cy < 0 || cx > viewport.width || cy > viewport.height;
      lay(corner, cx - EDGE / 2, cy - EDGE / 2);
    });
    const text = sizeText(view, area);
    if (this.tag.textContent !== text) {
      this.tag.textContent = text;
      this.tag.setAttribute("aria-label", `Area of ${text}. Arrow keys move it, Delete removes it.`);
    }
    this.tag.hidden = this.frame.hidden;
    const above = cut[1] >= EDGE + 14;
    const wide = this.tag.offsetWidth || 80;
    const left = clamp((cut[0] + cut[2] - wide) / 2, 2, viewport.width - wide - 2);
    lay(this.tag, left, above ? cut[1] - EDGE - 14 : Math.min(Math.max(cut[1], 0) + 14, viewport.height - EDGE));
  }
}

/** What the statistics of a side depend on, besides the area; the same as in area_statistics.py. @param {State} state */
const subject = (state) => [channelsOf(state), state.mask, state.time];

/** The statistics of the area, in the panel. */
export class AreaPanel {
  made = "";

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    this.title = make("b");
    this.table = make("table", { class: "astra-table" });
    this.note = make("p", { class: "astra-hint", role: "status" });
    this.copy = copyButton("Copy bbox", () => `bbox=(${this.known?.bbox?.join(", ")})`);
    const remove = make("button", { onclick: () => view.stage.areaTool.remove() }, "Remove");
    this.again = tryAgain(() => view.store.wire.send({ type: "statistics" }));
    this.node = make("section", { class: "astra-area-panel", "aria-label": "Statistics of the area", hidden: true },
      this.title, this.table, this.note, make("div", { class: "astra-row" }, this.again, this.copy, remove));
  }

  /** The statistics from the kernel, if they are of the current choices. @returns {AreaStatistics | null} */
  get known() {
    const { about, state, store } = this.view, found = store.statistics;
    const sides = state.compare ? bothOf(about, state) : [state];
    const same = found && String(found.area) === String(state.area) && JSON.stringify(found.of) === JSON.stringify(sides.map(subject));
    return same ? found : null;
  }

  update() {
    const { view } = this, { area } = view.state;
    this.node.hidden = !area;
    if (!area) return;
    const { known } = this, gone = Boolean(view.about.offline) || view.store.wire.gone;
    const made = JSON.stringify([area, known, gone]);
    if (made === this.made) return;
    this.made = made;
    this.title.textContent = `Area ${sizeText(view, area)}`;
    this.node.dataset.known = String(Boolean(known));
    this.copy.disabled = !known || !known.bbox;
    this.copy.title = (known && known.unplaced) || "The area as bbox= of open_scene";
    if (known && known.sides) this.fill(known);
    this.again.hidden = !known?.message;
    this.note.textContent = noteOf(known, gone);
  }

  /** A row for each channel. @param {AreaStatistics} known */
  fill({ sides = [] }) {
    const number = (value) => (value === null ? "–" : numberText(value, 4));
    const head = ["mean", "std", this.view.state.mask ? "clear" : "valid"].map((text) => make("th", { scope: "col" }, text));
    const named = (key, n) => (sides.length === 1 ? key : n === 2 ? "B − A" : `${"AB"[n]}  ${key}`);
    const rows = sides.flatMap((side, n) => side.map((row) => make("tr", {}, make("th", { scope: "row" }, named(row.key, n)),
      ...[number(row.mean), number(row.std), percent(row.valid)].map((text) => make("td", {}, text)))));
    this.table.replaceChildren(make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...rows));
  }
}

/** A share in percent; 100 only if it is exactly 1. @param {number} share */
const percent = (share) => `${share > 0.999 && share < 1 ? "> 99.9" : numberText(100 * share, 3)} %`;

/** @param {AreaStatistics | null} known @param {boolean} gone */
function noteOf(known, gone) {
  if (!known) return gone ? "Statistics need a kernel." : "Reading…";
  if (known.message) return known.message;
  const { mean_of: of = 1, sides = [] } = known;
  if (of > 1) return `From an overview, whose pixels are means of ${numberText(of, 3)} each.`;
  const count = Math.max(0, ...sides.flat().map((row) => row.count));
  return `Of ${count.toLocaleString("en")} pixels, in full resolution.`;
}
