// The area: a rectangle that is drawn on the picture, moved and resized; and the statistics of its pixels.

import { numberText } from "../code.js";
import { bothOf, channelsOf } from "../sides.js";
import { copyText, icon, make, tryAgain, unique } from "./dom.js";

/** @import { Box, State, Statistics } from "../types" */
/** @import { Stage } from "./stage.js" */
/** @import { View } from "./view.js" */

/** Which edges a corner moves. @type {[string, number[]][]} */
const CORNERS = [["top left", [0, 1]], ["top right", [0, 3]], ["bottom left", [2, 1]], ["bottom right", [2, 3]]];
const LEAST = 4; // CSS pixels of a drag
const EDGE = 24; // of a handle

/** Height and width of an area on the ground, or in pixels. @param {View} view @param {Box} area */
function sizeText({ about: { grid }, stage }, [top, left, bottom, right]) {
  if (!grid.meters) return `${right - left} × ${bottom - top} pixels`;
  const sides = [(right - left) * grid.meters, (bottom - top) * grid.meters * stage.eye.ratio];
  const far = Math.max(...sides) >= 1000;
  const text = sides.map((side) => numberText(far ? side / 1000 : side, 3)).join(" × ");
  return `${text} ${far ? "km" : "m"}`;
}

/** The rectangle on the picture, and the tool that draws it. */
export class AreaTool {
  drawing = false;
  /** @type {Box | null} */ placed = null;

  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.button = make("button", { type: "button", class: "astra-tool", "aria-pressed": "false",
      title: "Draw an area (or Shift and drag)", "aria-label": "Draw an area", onclick: (e) => this.toggle(e.detail === 0) }, icon("area"));
    this.tag = make("button", { type: "button", class: "astra-area-tag" });
    this.corners = CORNERS.map(([name]) => make("button", { type: "button", class: "astra-area-corner", "aria-label": `Corner of the area, ${name}` }));
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

  /** By the keyboard there is no drag: the area is the middle of what is seen. */
  toggle(byKey) {
    const { eye, view } = this.stage;
    if (!byKey) { this.arm(!this.drawing); return; }
    const [top, left, bottom, right] = eye.view || [0, 0, eye.grid.rows, eye.grid.cols];
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

  /** @param {PointerEvent} e @returns {[number, number]} */
  at(e) {
    const box = this.stage.canvas.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  }

  /** Drags on the picture draw an area, with the tool or with Shift; before the picture would pan. */
  draws() {
    const { canvas, eye } = this.stage;
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
      [from, gesture, pointer] = [this.at(e), unique(), e.pointerId];
      before = this.area;
    });
    canvas.addEventListener("pointermove", own((e) => {
      const [x, y] = this.at(e);
      if (!from || Math.max(Math.abs(x - from[0]), Math.abs(y - from[1])) < LEAST) return;
      const [r0, c0] = eye.at(...from), [r1, c1] = eye.at(x, y);
      this.set([Math.floor(Math.min(r0, r1)), Math.floor(Math.min(c0, c1)), Math.ceil(Math.max(r0, r1)), Math.ceil(Math.max(c0, c1))], gesture);
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

  /** A handle moves some edges: by dragging, or by arrow keys. @param {HTMLElement} node @param {number[]} edges */
  handle(node, edges) {
    const { eye } = this.stage;
    /** @type {{ at: [number, number], area: Box | null } | null} */
    let from = null;
    let gesture = "";
    node.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      e.preventDefault();
      node.focus();
      node.setPointerCapture(e.pointerId);
      [from, gesture] = [{ at: this.at(e), area: this.area }, unique()];
    });
    node.addEventListener("pointermove", (e) => {
      if (!from || !from.area) return;
      const [x, y] = this.at(e);
      this.shift(from.area, edges, (y - from.at[1]) / (eye.scale * eye.ratio), (x - from.at[0]) / eye.scale, gesture);
    });
    const stop = () => { from = null; };
    node.addEventListener("pointerup", stop);
    node.addEventListener("pointercancel", stop);
    node.addEventListener("keydown", (e) => {
      const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (["Escape", "Delete", "Backspace"].includes(e.key)) this.remove();
      else if (ways[e.key]) {
        const step = Math.max(1, Math.round((e.shiftKey ? 1 : 10) / eye.scale));
        this.shift(this.area, edges, ways[e.key][0] * step, ways[e.key][1] * step);
      } else return;
      e.preventDefault();
    });
  }

  /** Move edges by rows and columns; all of them stay as far apart. */
  shift(area, edges, down, across, gesture) {
    const { rows, cols } = this.stage.about.grid;
    let [dr, dc] = [Math.round(down), Math.round(across)];
    if (edges.length === 4) {
      dr = Math.min(rows - area[2], Math.max(-area[0], dr));
      dc = Math.min(cols - area[3], Math.max(-area[1], dc));
    }
    const next = area.map((at, n) => at + (edges.includes(n) ? (n % 2 ? dc : dr) : 0));
    // A corner that is drawn past the other one turns the area around.
    this.set([Math.min(next[0], next[2]), Math.min(next[1], next[3]), Math.max(next[0], next[2]), Math.max(next[1], next[3])], gesture);
  }

  /** Lay the rectangle where it is seen now. */
  place() {
    const { eye, view } = this.stage, { area } = this;
    this.node.hidden = !area;
    if (!area) return;
    const [x, y] = eye.place(area[0], area[1]), [x2, y2] = eye.place(area[2], area[3]);
    const lay = (node, left, top) => {
      node.style.left = `${left.toFixed(1)}px`;
      node.style.top = `${top.toFixed(1)}px`;
    };
    // Frames far larger than the picture are cut, which shows no difference.
    const cut = [Math.max(x, -9), Math.max(y, -9), Math.min(x2, eye.width + 9), Math.min(y2, eye.height + 9)];
    this.frame.hidden = cut[0] >= cut[2] || cut[1] >= cut[3];
    lay(this.frame, cut[0], cut[1]);
    this.frame.style.width = `${(cut[2] - cut[0]).toFixed(1)}px`;
    this.frame.style.height = `${(cut[3] - cut[1]).toFixed(1)}px`;
    this.corners.forEach((corner, n) => {
      const [cx, cy] = [n % 2 ? x2 : x, n > 1 ? y2 : y];
      corner.hidden = cx < 0 || cy < 0 || cx > eye.width || cy > eye.height;
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
    const left = Math.min(Math.max(cut[0] + (cut[2] - cut[0] - wide) / 2, 2), eye.width - wide - 2);
    lay(this.tag, left, above ? cut[1] - EDGE - 14 : Math.min(Math.max(cut[1], 0) + 14, eye.height - EDGE));
  }
}

/** What the statistics of a side depend on, besides the area; as area_statistics.py has it. @param {State} state */
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
    this.copy = make("button", { type: "button", onclick: () => this.copied() }, "Copy bbox");
    const remove = make("button", { type: "button", onclick: () => view.stage.areaTool.remove() }, "Remove");
    this.again = tryAgain(() => view.store.wire.send({ type: "statistics" }));
    this.node = make("section", { class: "astra-area-panel", "aria-label": "Statistics of the area", hidden: true },
      this.title, this.table, this.note, make("div", { class: "astra-row" }, this.again, this.copy, remove));
  }

  /** What Python told, if it is of what is chosen now. @returns {Statistics | null} */
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

  /** A row for each channel. @param {Statistics} known */
  fill({ sides = [] }) {
    const number = (value) => (value === null ? "–" : numberText(value, 4));
    const head = ["mean", "std", this.view.state.mask ? "clear" : "valid"].map((text) => make("th", { scope: "col" }, text));
    const named = (key, n) => (sides.length === 1 ? key : n === 2 ? "B − A" : `${"AB"[n]}  ${key}`);
    const rows = sides.flatMap((side, n) => side.map((row) => make("tr", {}, make("th", { scope: "row" }, named(row.key, n)),
      ...[number(row.mean), number(row.std), percent(row.valid)].map((text) => make("td", {}, text)))));
    this.table.replaceChildren(make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...rows));
  }

  async copied() {
    const { known } = this;
    if (!known || !known.bbox) return;
    const done = await copyText(`bbox=(${known.bbox.join(", ")})`);
    this.copy.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { this.copy.textContent = "Copy bbox"; }, 1500);
  }
}

/** A share in percent; 100 of all alone. @param {number} share */
const percent = (share) => `${share > 0.999 && share < 1 ? "> 99.9" : numberText(100 * share, 3)} %`;

/** @param {Statistics | null} known @param {boolean} gone */
function noteOf(known, gone) {
  if (!known) return gone ? "Statistics need a kernel." : "Reading…";
  if (known.message) return known.message;
  const { mean_of: of = 1, sides = [] } = known;
  if (of > 1) return `From an overview, of which each pixel is the mean of ${numberText(of, 3)}.`;
  const count = Math.max(0, ...sides.flat().map((row) => row.count));
  return `Of ${count.toLocaleString("en")} pixels, in full resolution.`;
}
