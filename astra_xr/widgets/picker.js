// The band picker in the browser: holds pixels as 16-bit codes, and stretches and colors them
// here: it responds at once while the kernel is busy. One file, no build step.
//
//   pure functions   codes -> statistics -> limits -> colors, and the Python code for an image
//   Store            the channels that are loaded, and requests to the kernel
//   Eye              the visible part of the scene
//   panels           channels, histogram, spectra
//   render           puts them together

// ── Pure: the same as picker_tiles.py and code.py ───────────────────────────────────────────────────────

const LAST = 65535;
const BRIGHT = 0.4;
export const MASK = ":mask";

/** How often each code occurs, without nodata and what is left out (unless that is nearly all). */
export function countsOf(tile, leaveOut = null) {
  const { codes } = tile;
  const all = new Uint32Array(LAST + 1);
  for (let i = 0; i < codes.length; i++) all[codes[i]]++;
  let total = codes.length - all[0];
  all[0] = 0;
  if (leaveOut && total) {
    const some = all.slice();
    let kept = total;
    for (let i = 0; i < codes.length; i++) {
      if (leaveOut[i] && codes[i]) { some[codes[i]]--; kept--; }
    }
    if (kept * 100 >= total && kept) return { counts: some, total: kept };
  }
  return { counts: all, total };
}

/** The value below which a percentage lies, interpolated as numpy does. */
export function percentile(tile, { counts, total }, percent) {
  const at = (percent / 100) * (total - 1);
  const rank = Math.floor(at);
  let seen = 0;
  for (let code = 1; code <= LAST; code++) {
    seen += counts[code];
    if (seen <= rank) continue;
    const low = tile.low + (code - 1) * tile.step;
    if (at === rank || seen > rank + 1) return low;
    let next = code + 1;
    while (next <= LAST && !counts[next]) next++;
    if (next > LAST) return low;
    return low + (at - rank) * (next - code) * tile.step;
  }
  return tile.low;
}

function momentsOf(tile, { counts, total }) {
  let sum = 0;
  for (let code = 1; code <= LAST; code++) sum += counts[code] * (code - 1);
  const mean = sum / total;
  let squares = 0;
  for (let code = 1; code <= LAST; code++) {
    if (counts[code]) squares += counts[code] * (code - 1 - mean) ** 2;
  }
  return [tile.low + mean * tile.step, Math.sqrt(squares / total) * tile.step];
}

export function parted(low, high) {
  low = Number(low.toPrecision(6));
  high = Number(high.toPrecision(6));
  return [low, high > low ? high : low + Math.max(Math.abs(low) * 1e-3, 1e-6)];
}

/** The values that become black and white. */
export function stretchOf(tile, stretch, stats) {
  if (!stats.total) return [0, 1];
  if (stretch.kind === "sigma") {
    const [mean, deviation] = momentsOf(tile, stats);
    return parted(mean - deviation * stretch.sigma, mean + deviation * stretch.sigma);
  }
  const ends = stretch.kind === "minmax" ? [0, 100] : [stretch.low, stretch.high];
  return parted(...ends.map((percent) => percentile(tile, stats, percent)));
}

/** Limits of one channel alone: as far from 0 on both sides where it is crossed, as in ds.astra.plot. */
export function centered([low, high]) {
  const most = Math.max(-low, high);
  return low < 0 && high > 0 ? [-most, most] : [low, high];
}

/** Pixels as bright as clouds in all channels; null if these are most of the image. */
export function brightIn(tiles) {
  const n = tiles[0].codes.length;
  const found = new Uint8Array(n);
  const least = tiles.map((t) => (BRIGHT - t.low) / t.step + 1);
  let hits = 0, valid = 0;
  for (let i = 0; i < n; i++) {
    let here = true, all = true;
    for (let c = 0; c < tiles.length; c++) {
      const code = tiles[c].codes[i];
      if (!code) here = false;
      if (!(code > least[c])) all = false;
    }
    if (here) valid++;
    if (here && all) { found[i] = 1; hits++; }
  }
  return hits * 2 < valid ? found : null;
}

function levelsOf(tile, [low, high], gamma) {
  const levels = new Uint8Array(LAST + 1);
  for (let code = 1; code <= LAST; code++) {
    const level = (tile.low + (code - 1) * tile.step - low) / (high - low);
    const clipped = level <= 0 ? 0 : level >= 1 ? 1 : gamma === 1 ? level : level ** (1 / gamma);
    levels[code] = clipped * 255 + 0.5;
  }
  return levels;
}

/** Compose three channels into RGBA words; transparent where one has no data, or is hidden. */
export function composeRgb(out, tiles, limits, gamma, hidden = null) {
  const [r, g, b] = tiles.map((t) => t.codes);
  const [R, G, B] = tiles.map((t, i) => levelsOf(t, limits[i], gamma));
  for (let i = 0; i < out.length; i++) {
    const p = r[i], q = g[i], s = b[i];
    out[i] = p && q && s ? (255 << 24) | (B[s] << 16) | (G[q] << 8) | R[p] : 0;
  }
  if (hidden) for (let i = 0; i < out.length; i++) if (hidden[i]) out[i] = 0;
}

const word = (hex) =>
  (255 << 24) | (parseInt(hex.slice(4, 6), 16) << 16) | (parseInt(hex.slice(2, 4), 16) << 8) |
  parseInt(hex.slice(0, 2), 16);

function applyTable(out, tile, table, hidden) {
  const { codes } = tile;
  for (let i = 0; i < out.length; i++) out[i] = table[codes[i]];
  if (hidden) for (let i = 0; i < out.length; i++) if (hidden[i]) out[i] = 0;
}

/** Color one channel by a map, given as 256 colors of six hexadecimal digits. */
export function composeColored(out, tile, [low, high], colormap, hidden = null) {
  const colors = Array.from({ length: 256 }, (_, i) => word(colormap.slice(6 * i, 6 * i + 6)));
  const table = new Uint32Array(LAST + 1);
  for (let code = 1; code <= LAST; code++) {
    const level = (tile.low + (code - 1) * tile.step - low) / (high - low);
    table[code] = colors[Math.min(255, Math.max(0, Math.floor(level * 256)))];
  }
  applyTable(out, tile, table, hidden);
}

export function composeClasses(out, tile, classes, hidden = null) {
  const table = new Uint32Array(LAST + 1).fill(word("808080"));
  table[0] = 0;
  for (const { value, color } of classes) table[(value - tile.low) / tile.step + 1] = word(color.slice(1));
  applyTable(out, tile, table, hidden);
}

export const numberText = (value, digits = 6) => String(Number(value.toPrecision(digits)));

/** The Python of an image; `limits` are those in force, and left out where they are not known yet. */
export function codeOf(about, state, limits, whole = false) {
  const { name, grid } = about;
  const shown = shownIn(state);
  const known = shown.every((key) => limits[key]);
  const pairs = known ? shown.map((key) => limits[key].map((v) => numberText(v))) : [];
  const listed = (names) => `[${names.map((n) => JSON.stringify(n)).join(", ")}]`;
  const masked = state.mask ? ", mask_clouds=True" : "";
  const view = viewCode(grid, state.view);
  const ends = known ? `, vmin=${pairs[0][0]}, vmax=${pairs[0][1]}` : "";
  const plot = `.plot.imshow(cmap=${JSON.stringify(state.cmap)}${ends})`;
  let line;
  if (state.mode === "rgb") {
    const listedPairs = pairs.map(([low, high]) => `(${low}, ${high})`).join(", ");
    const limited = known ? `, limits=[${listedPairs}]` : "";
    const gamma = state.gamma === 1 ? "" : `, gamma=${numberText(state.gamma)}`;
    line = `${name}${view}.astra.rgb(${listed(shown)}${limited}${gamma}${masked})`;
  } else if (state.mode === "index") {
    line = `${name}${view}.astra.index(${JSON.stringify(shown[0])}${masked})${plot}`;
  } else {
    const clear = state.mask ? `.where(~${name}${view}.astra.mask())` : "";
    const classes = about.bands[shown[0]].classes.length > 0;
    const band = about.array ? "" : `[${JSON.stringify(shown[0])}]`;
    line = `${name}${view}${band}${clear}${classes ? ".plot.imshow()" : plot}`;
  }
  if (!whole || !about.scene) return line;
  const names = [...new Set(state.mode === "index" ? about.needs[state.index] || [] : shown)];
  const sizes = (names.length ? names : Object.keys(about.bands)).map((n) => about.bands[n].gsd);
  const own = Math.min(...sizes.filter(Boolean));
  const bands = names.length ? `bands=${listed(names)}` : 'bands="reflectance"';
  const catalog = about.catalog ? `, catalog=${JSON.stringify(about.catalog)}` : "";
  const crs = grid.degrees ? `, crs=${JSON.stringify(grid.crs)}` : "";
  const size = own === Math.abs(grid.dx) ? "" : `, resolution=${numberText(Math.abs(grid.dx))}`;
  const scene = JSON.stringify(about.scene);
  return `import astra_xr\n\n${name} = astra_xr.open_scene(${scene}, ${bands}${catalog}${crs}${size})\n${line}`;
}

function viewCode(grid, view) {
  if (!view) return "";
  const [top, left, bottom, right] = view;
  if (!grid.placed) return `.isel(y=slice(${top}, ${bottom}), x=slice(${left}, ${right}))`;
  const ends = [top, bottom].map((edge) => numberText(grid.y + grid.dy * edge, 12));
  if (grid.up) ends.reverse();
  const sides = [left, right].map((edge) => numberText(grid.x + grid.dx * edge, 12));
  return `.sel(y=slice(${ends.join(", ")}), x=slice(${sides.join(", ")}))`;
}

export function shownIn(state) {
  if (state.mode === "rgb") return state.bands;
  return [state.mode === "index" ? state.index : state.band];
}

/** Longitude and latitude, between those known of a few points. */
export function lonlatAt(grid, row, col) {
  if (!grid.lonlat) return null;
  const { count, lon, lat } = grid.lonlat;
  const u = (col / grid.cols) * (count - 1), v = (row / grid.rows) * (count - 1);
  const i = Math.min(count - 2, Math.max(0, Math.floor(u)));
  const j = Math.min(count - 2, Math.max(0, Math.floor(v)));
  const mix = (a) => {
    const k = j * count + i, s = u - i, t = v - j;
    return (a[k] * (1 - s) + a[k + 1] * s) * (1 - t) + (a[k + count] * (1 - s) + a[k + count + 1] * s) * t;
  };
  return [mix(lon), mix(lat)];
}

// ── Helpers of the page ──────────────────────────────────────────────────────────────────────────

function make(tag, attrs = {}, ...kids) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && key !== "list" && key !== "role") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...kids.filter((kid) => kid !== null && kid !== undefined));
  return node;
}

function draw(tag, attrs = {}, ...kids) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attrs)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...kids);
  return node;
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
let serial = 0;

/** A name that no other view, model or window has; crypto.randomUUID is not there without https. */
const unique = () => Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("");

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that are not served securely have no clipboard but this.
    const area = make("textarea", { value: text, class: "astra-offscreen" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// ── Store: what is here, and asking for the rest ─────────────────────────────────────────────────

/** The channels of one model, for all views of it. */
class Store {
  constructor(model) {
    this.model = model;
    this.whole = new Map();
    this.views = new Map(); // name -> what a view holds
    this.pending = new Map(); // request -> keys that have not come
    this.failed = new Map(); // key -> message
    this.spectra = model.get("spectra") || [];
    this.refused = ""; // why Python did not take a state
    this.gone = false; // nothing can be sent
    this.last = 0;
    this.receive = (message, buffers) => this.take(message, buffers || []);
    model.on("msg:custom", this.receive);
  }

  close() {
    this.model.off("msg:custom", this.receive);
    this.whole.clear();
    this.views.clear();
  }

  /** A view of its own: its box, and the tiles of it. */
  join(changed) {
    const view = { name: unique(), box: null, most: null, tiles: new Map(), changed };
    this.views.set(view.name, view);
    return view;
  }

  leave(view) {
    this.views.delete(view.name);
    for (const [id, request] of this.pending) if (request.view === view) this.pending.delete(id);
  }

  changed() {
    for (const view of this.views.values()) view.changed();
  }

  /** Send a message, if there is a kernel to take it. */
  send(message) {
    try {
      this.model.send(message);
      this.gone = false;
    } catch {
      this.gone = true;
    }
    return !this.gone;
  }

  /** Give the kernel the state of a view. */
  save(state) {
    this.refused = "";
    this.model.set("state", state);
    try {
      this.model.save_changes();
    } catch {
      this.gone = true;
    }
  }

  ask(view, keys, box, most) {
    const number = ++this.last, id = `${view.name}:${number}`;
    if (!this.send({ type: "read", view: view.name, id, number, keys, box, most })) return;
    if (box) for (const [other, request] of this.pending) if (request.box && request.view === view) this.pending.delete(other);
    this.pending.set(id, { keys: new Set(keys), box, view, since: performance.now() });
  }

  waitsFor(key, box, view) {
    for (const request of this.pending.values()) {
      if (request.keys.has(key) && String(request.box) === String(box) && (!box || request.view === view)) return true;
    }
    return false;
  }

  /** Ask for those channels of the whole scene that are neither here nor on their way. */
  needWhole(view, keys) {
    const missing = [...new Set(keys)].filter((k) => !this.whole.has(k) && !this.failed.has(k) && !this.waitsFor(k, null));
    if (missing.length) this.ask(view, missing, null, [768, 768]);
  }

  needView(view, keys, box, most) {
    const same = String(box) === String(view.box) && String(most) === String(view.most);
    if (!same) Object.assign(view, { box, most, tiles: new Map() });
    const missing = keys.filter((k) => !view.tiles.has(k) && !this.failed.has(k) && !this.waitsFor(k, box, view));
    if (missing.length) this.ask(view, missing, box, most);
  }

  take(message, buffers) {
    if (message.type === "spectra") this.spectra = message.spectra;
    if (message.type === "refused") this.refused = message.message;
    const request = this.pending.get(message.id);
    if (request) this.answered(request, message, buffers);
    if (request || !message.id) this.changed();
  }

  answered(request, message, buffers) {
    request.keys.delete(message.key);
    if (!request.keys.size) this.pending.delete(message.id);
    if (message.type === "failed") this.failed.set(message.key, message.message);
    if (message.type !== "tile") return;
    const raw = buffers[0].buffer ? buffers[0] : new DataView(buffers[0]);
    const bytes = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength);
    const tile = { ...message, codes: new Uint16Array(bytes), stats: new Map() };
    if (!request.box) this.whole.set(tile.key, tile);
    else if (String(request.box) === String(request.view.box)) request.view.tiles.set(tile.key, tile);
  }

  get waiting() {
    const since = [...this.pending.values()].map((r) => r.since);
    return since.length ? performance.now() - Math.min(...since) : 0;
  }

  get reading() {
    return [...new Set([...this.pending.values()].flatMap((r) => [...r.keys]))];
  }
}

const serials = new WeakMap();

/** A number of its own for each tile or array. */
function serialOf(thing) {
  if (!serials.has(thing)) serials.set(thing, ++serial);
  return serials.get(thing);
}

/** The statistics of a tile; remembered, as a drag asks for them many times. */
function statsOf(tile, leaveOut) {
  if (!tile.stats.has(leaveOut)) tile.stats.set(leaveOut, countsOf(tile, leaveOut));
  return tile.stats.get(leaveOut);
}

// ── Eye: which part is looked at ─────────────────────────────────────────────────────────────────

class Eye {
  constructor(grid) {
    this.grid = grid;
    // Height of a pixel by its width, on the ground.
    const squeeze = grid.degrees && grid.lonlat ? Math.cos((middle(grid.lonlat.lat) * Math.PI) / 180) : 1;
    this.ratio = Math.abs(grid.dy / grid.dx) / squeeze || 1;
    this.aspect = clamp((grid.rows * this.ratio) / grid.cols, 0.45, 1.35);
    this.row = grid.rows / 2;
    this.col = grid.cols / 2;
    this.scale = 1; // CSS pixels a column
    this.width = 0;
    this.height = 0;
  }

  resize(width) {
    const zoom = this.width ? this.scale / this.fit : 1;
    this.width = width;
    this.height = Math.round(width * this.aspect);
    this.scale = this.fit * zoom;
  }

  get fit() {
    return Math.min(this.width / this.grid.cols, this.height / (this.grid.rows * this.ratio));
  }

  get zoomed() { return this.scale > this.fit * 1.001; }

  show(view) {
    if (!view) {
      [this.row, this.col, this.scale] = [this.grid.rows / 2, this.grid.cols / 2, this.fit];
      return;
    }
    const [top, left, bottom, right] = view;
    this.row = (top + bottom) / 2;
    this.col = (left + right) / 2;
    this.scale = Math.min(this.width / (right - left), this.height / ((bottom - top) * this.ratio));
    this.settle();
  }

  settle() {
    this.scale = clamp(this.scale, this.fit, Math.max(40, this.fit));
    const rows = this.height / (this.scale * this.ratio) / 2, cols = this.width / this.scale / 2;
    const keep = (at, half, size) => (2 * half >= size ? size / 2 : clamp(at, half, size - half));
    this.row = keep(this.row, rows, this.grid.rows);
    this.col = keep(this.col, cols, this.grid.cols);
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [row, col] = this.at(x, y);
    this.scale = clamp(this.scale * factor, this.fit, Math.max(40, this.fit));
    this.col = col - (x - this.width / 2) / this.scale;
    this.row = row - (y - this.height / 2) / (this.scale * this.ratio);
    this.settle();
  }

  move(dx, dy) {
    this.col -= dx / this.scale;
    this.row -= dy / (this.scale * this.ratio);
    this.settle();
  }

  at(x, y) {
    return [
      this.row + (y - this.height / 2) / (this.scale * this.ratio),
      this.col + (x - this.width / 2) / this.scale,
    ];
  }

  place(row, col) {
    return [
      (col - this.col) * this.scale + this.width / 2,
      (row - this.row) * this.scale * this.ratio + this.height / 2,
    ];
  }

  /** The pixels that are seen, as state has them; null: all. */
  get view() {
    if (!this.zoomed) return null;
    const [top, left] = this.at(0, 0), [bottom, right] = this.at(this.width, this.height);
    const { rows, cols } = this.grid;
    const low = (v, size) => clamp(Math.floor(v + 1e-6), 0, size - 1);
    const high = (v, size) => clamp(Math.ceil(v - 1e-6), 1, size);
    return [low(top, rows), low(left, cols), high(bottom, rows), high(right, cols)];
  }
}

const middle = (values) => values[values.length >> 1];

// ── Layer: a colored image of some tiles ──────────────────────────────────────────────────────

class Layer {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.made = "";
  }

  /** Color the tiles, unless they are so already. */
  paint(tiles, mask, look, about) {
    const keys = tiles.map((t) => `${t.key} ${t.box} ${t.shape} ${serialOf(t)}`);
    const wanted = JSON.stringify([keys, look, mask ? serialOf(mask) : 0]);
    if (wanted === this.made) return;
    const [rows, cols] = tiles[0].shape;
    if (this.canvas.width !== cols || this.canvas.height !== rows || !this.image) {
      [this.canvas.width, this.canvas.height] = [cols, rows];
      this.image = this.canvas.getContext("2d").createImageData(cols, rows);
      this.words = new Uint32Array(this.image.data.buffer);
    }
    const hidden = mask ? mask.codes : null;
    const classes = look.mode === "single" ? about.bands[tiles[0].key].classes : [];
    if (look.mode === "rgb") composeRgb(this.words, tiles, look.limits, look.gamma, hidden);
    else if (classes.length) composeClasses(this.words, tiles[0], classes, hidden);
    else composeColored(this.words, tiles[0], look.limits[0], about.colormaps[look.cmap], hidden);
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
    this.box = tiles[0].box;
    this.made = wanted;
  }
}

// ── The picker ───────────────────────────────────────────────────────────────────────────────────

const CHANNELS = [["R", "red"], ["G", "green"], ["B", "blue"]];
const MODES = [["rgb", "RGB"], ["index", "Index"], ["single", "Band"]];
const STRETCHES = [["percentile", "Percentile"], ["sigma", "Sigma"], ["minmax", "Min–max"]];
const PINS = ["#e8590c", "#1c7ed6", "#2f9e44", "#ae3ec9", "#e03131", "#0c8599"];

class Picker {
  constructor(model, store, root) {
    this.model = model;
    this.store = store;
    this.root = root;
    this.about = model.get("about");
    this.state = model.get("state");
    this.id = `astra-${unique()}`;
    this.eye = new Eye(this.about.grid);
    this.part = store.join(() => this.refresh());
    this.layers = { whole: new Layer(), view: new Layer() };
    this.derived = {}; // channel -> limits by the stretch
    this.revision = 0;
    this.build();
    this.listen();
    this.refresh();
    if (this.state.pins.length && !this.store.spectra.length) store.send({ type: "spectra" });
  }

  // State.

  set(patch) {
    this.state = { ...this.state, ...patch };
    clearTimeout(this.saving);
    const wait = 80 - (performance.now() - (this.saved || 0));
    const save = () => { this.saved = performance.now(); this.store.save(this.state); };
    this.model.set("state", this.state);
    if (wait <= 0) save();
    else this.saving = setTimeout(save, wait);
    this.refresh();
  }

  refresh() {
    if (this.frame || this.closed) return;
    this.root.dataset.busy = "true";
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.update(); });
  }

  listen() {
    this.followed = () => {
      const state = this.model.get("state");
      if (state === this.state) return;
      const moved = String(state.view) !== String(this.state.view);
      this.state = state;
      if (moved && String(state.view) !== String(this.eye.view)) this.eye.show(state.view);
      this.refresh();
    };
    this.model.on("change:state", this.followed);
    this.told = () => this.refresh();
    this.model.on("change:shown", this.told);
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.stage);
    this.ticking = setInterval(() => this.tellStatus(), 500);
  }

  close() {
    this.closed = true;
    this.model.off("change:state", this.followed);
    this.model.off("change:shown", this.told);
    this.sizes.disconnect();
    clearInterval(this.ticking);
    clearTimeout(this.saving);
    clearTimeout(this.looking);
    cancelAnimationFrame(this.frame);
    this.store.leave(this.part);
    this.layers = null;
    this.root.replaceChildren();
  }

  // Layout.

  build() {
    const { about } = this;
    this.stage = make("div", { class: "astra-stage" });
    this.canvas = make("canvas", {
      class: "astra-canvas", tabIndex: 0, role: "application", "aria-roledescription": "image",
      "aria-label": `Image of ${about.title}. Arrow keys pan, plus and minus zoom, 0 shows all, Enter marks the center, Delete removes the last mark.`,
    });
    this.scalebar = make("div", { class: "astra-scalebar", "aria-hidden": "true" }, make("i"), make("span"));
    this.bar = make("div", { class: "astra-bar", role: "progressbar", "aria-label": "Reading", hidden: true });
    const tool = (label, text, run) => make("button", { type: "button", class: "astra-tool", title: label, "aria-label": label, onclick: run }, text);
    this.tools = make("div", { class: "astra-tools" },
      tool("Zoom in", "+", () => this.look(() => this.eye.zoom(1.6))),
      tool("Zoom out", "−", () => this.look(() => this.eye.zoom(1 / 1.6))),
      tool("Show all", "⤢", () => this.look(() => this.eye.show(null))));
    this.stage.append(this.canvas, this.bar, this.tools, this.scalebar);
    this.readout = make("div", { class: "astra-readout" });
    this.status = make("div", { class: "astra-status", role: "status" });
    this.alert = make("div", { class: "astra-alert", role: "alert", hidden: true });
    this.panel = make("div", { class: "astra-panel" });
    this.buildHead();
    this.buildPanel();
    this.code = make("code");
    this.copy = make("button", { type: "button", class: "astra-main", onclick: (e) => this.copied(e.target, false) }, "Copy code");
    this.script = about.scene && make("button", { type: "button", title: "Includes the line that opens the scene", onclick: (e) => this.copied(e.target, true) }, "Copy script");
    const foot = make("div", { class: "astra-foot" },
      make("pre", { class: "astra-code", tabIndex: 0, role: "region", "aria-label": "Python code for this image" }, this.code),
      make("div", { class: "astra-row" }, this.copy, this.script));
    const below = make("div", { class: "astra-below" }, this.readout, this.status);
    const body = make("div", { class: "astra-body" }, make("div", { class: "astra-left" }, this.stage, below, this.alert), this.panel);
    this.root.classList.add("astra-picker");
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    this.root.append(make("section", { class: "astra-box", "aria-label": `Band picker of ${about.title}` }, this.head, body, foot));
    this.pointers();
    this.keys();
  }

  buildHead() {
    const { about, state } = this;
    this.modes = MODES.map(([mode, title]) => {
      const input = make("input", { type: "radio", name: `${this.id}-mode`, value: mode, onchange: () => this.chooseMode(mode) });
      const none = (mode === "index" && !Object.keys(about.indices).length) || !this.offers(mode);
      input.disabled = none;
      return make("label", { class: "astra-segment", title: none ? "Not possible with these bands" : "" }, input, make("span", {}, title));
    });
    const options = [make("option", { value: "" }, "Preset…")];
    for (const title of Object.keys(about.presets)) {
      options.push(make("option", { value: title, disabled: !this.here(...about.presets[title]) }, title));
    }
    this.preset = make("select", { "aria-label": "Preset", onchange: () => this.choosePreset() }, ...options);
    this.preset.hidden = options.length === 1;
    this.mask = make("input", { type: "checkbox", checked: state.mask, onchange: () => this.set({ mask: this.mask.checked }) });
    this.maskLabel = make("label", { class: "astra-check", hidden: !about.masked }, this.mask, "Hide clouds");
    this.head = make("div", { class: "astra-head" },
      make("div", { class: "astra-segments", role: "radiogroup", "aria-label": "Mode" }, ...this.modes),
      this.preset, this.maskLabel,
      make("span", { class: "astra-title", title: about.title }, about.title.replace(/^[\w-]+:/, "")));
  }

  /** Whether channels can be shown: all with a kernel, those within the page without. */
  here(...keys) {
    return !this.about.offline || keys.every((key) => this.about.offline.includes(key));
  }

  offers(mode) {
    const { about } = this;
    if (mode === "index") return Object.keys(about.indices).some((key) => this.here(key));
    return Object.keys(about.bands).some((key) => this.here(key));
  }

  buildPanel() {
    this.channels = make("div", { class: "astra-channels" });
    this.formula = make("div", { class: "astra-formula" });
    this.maps = make("div", { class: "astra-maps", role: "radiogroup", "aria-label": "Color map" },
      ...Object.entries(this.about.colormaps).map(([name, hex]) => {
        const stops = [0, 36, 73, 109, 146, 182, 219, 255].map((i) => `#${hex.slice(6 * i, 6 * i + 6)}`);
        const input = make("input", { type: "radio", name: `${this.id}-map`, value: name, "aria-label": name, onchange: () => this.set({ cmap: name }) });
        return make("label", { title: name }, input, make("span", { style: `background:linear-gradient(90deg,${stops})` }));
      }));
    this.legend = make("ul", { class: "astra-legend", "aria-label": "Classes" });
    this.histogram = new Histogram(this);
    this.stretch = make("select", { "aria-label": "Stretch", onchange: () => this.chooseStretch({ kind: this.stretch.value }) },
      ...STRETCHES.map(([kind, title]) => make("option", { value: kind }, title)),
      make("option", { value: "custom", disabled: true }, "Custom"));
    const percent = (name, label) => make("input", {
      type: "number", class: "astra-number", min: 0, max: 100, step: "any", "aria-label": label,
      onchange: (e) => this.choosePercent(name, Number(e.target.value)),
    });
    this.low = percent("low", "Lower percentile");
    this.high = percent("high", "Upper percentile");
    this.sigma = make("input", { type: "number", class: "astra-number", min: 0.1, max: 100, step: 0.5, "aria-label": "Standard deviations", onchange: (e) => this.chooseSigma(Number(e.target.value)) });
    this.of = make("select", { "aria-label": "Statistics of", onchange: () => this.chooseStretch({ of: this.of.value }) },
      make("option", { value: "whole" }, "of scene"), make("option", { value: "view" }, "of view"));
    this.percents = make("span", { class: "astra-pair" }, this.low, this.high, make("span", { class: "astra-unit" }, "%"));
    this.sigmas = make("span", { class: "astra-pair" }, this.sigma, make("span", { class: "astra-unit" }, "σ"));
    this.gamma = make("input", { type: "range", min: -1, max: 1, step: 0.02, "aria-label": "Gamma", oninput: () => this.set({ gamma: Number((3 ** Number(this.gamma.value)).toFixed(2)) }) });
    this.gammaText = make("output", { class: "astra-unit" });
    this.gammaRow = make("label", { class: "astra-row astra-gamma" }, make("span", {}, "Gamma"), this.gamma, this.gammaText);
    this.stretchRow = make("div", { class: "astra-row" }, this.stretch, this.percents, this.sigmas, this.of);
    this.spectra = new Spectra(this);
    this.panel.append(this.channels, this.formula, this.maps, this.histogram.node, this.legend, this.stretchRow, this.gammaRow, this.spectra.node);
  }

  /** The menus and limits of the channels, made anew when the mode changes. */
  buildChannels() {
    const { state } = this;
    if (this.built === state.mode) return;
    this.built = state.mode;
    this.rows = shownIn(state).map((_, n) => {
      const rgb = state.mode === "rgb";
      const name = rgb ? CHANNELS[n][1] : state.mode === "index" ? "index" : "band";
      const menu = make("select", { "aria-label": rgb ? `Band in ${name}` : name === "index" ? "Index" : "Band", onchange: () => this.chooseBand(n, menu.value) },
        ...(state.mode === "index" ? this.indexOptions() : this.bandOptions()));
      const limit = (i) => make("input", {
        type: "number", class: "astra-number astra-limit", step: "any", "aria-label": `${i ? "Upper" : "Lower"} limit of ${name}`,
        onchange: (e) => this.typeLimit(n, i, Number(e.target.value)),
      });
      const limits = [limit(0), limit(1)];
      const mark = rgb ? make("b", { class: `astra-mark astra-${name}`, "aria-hidden": "true" }, CHANNELS[n][0]) : null;
      return { menu, limits, node: make("div", { class: `astra-channel${rgb ? "" : " astra-alone"}` }, mark, menu, ...limits) };
    });
    this.channels.replaceChildren(...this.rows.map((row) => row.node));
  }

  bandOptions() {
    return Object.entries(this.about.bands).map(([name, band]) => {
      const names = [...new Set([name, band.native, band.common].filter(Boolean))];
      const wave = band.wavelength ? `${numberText(band.wavelength, 4)} µm` : "";
      return make("option", { value: name, disabled: !this.here(name), title: band.title }, [names.join(" · "), wave].filter(Boolean).join("  "));
    });
  }

  indexOptions() {
    const groups = new Map([["usual", []]]);
    for (const [name, index] of Object.entries(this.about.indices)) {
      const group = this.about.needs[name] ? "usual" : index.domain;
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(make("option", { value: name, disabled: !this.here(name), title: index.title }, `${name}  ${index.title}`));
    }
    return [...groups].map(([label, options]) => make("optgroup", { label }, ...options));
  }

  // What the controls do.

  chooseMode(mode) {
    const patch = { mode };
    if (mode === "index") {
      if (!this.here(this.state.index)) patch.index = this.about.offline.find((key) => this.about.indices[key]);
      patch.cmap = this.about.indices[patch.index || this.state.index].cmap;
    }
    if (mode === "single") patch.cmap = this.about.bands[this.state.band].cmap;
    this.set(patch);
  }

  choosePreset() {
    const bands = this.about.presets[this.preset.value];
    if (bands) this.set({ mode: "rgb", bands: [...bands] });
  }

  chooseBand(n, name) {
    const { mode, bands } = this.state;
    if (mode === "rgb") this.set({ bands: bands.map((band, i) => (i === n ? name : band)) });
    else if (mode === "index") this.set({ index: name, cmap: this.about.indices[name].cmap });
    else this.set({ band: name });
  }

  chooseStretch(patch) {
    const stretch = { ...this.state.stretch, ...patch };
    this.set({ stretch, limits: {} });
  }

  choosePercent(name, value) {
    const { low, high } = { ...this.state.stretch, [name]: value };
    if (low >= 0 && low < high && high <= 100) this.chooseStretch({ [name]: value });
    else this.refresh();
  }

  chooseSigma(sigma) {
    if (sigma > 0 && sigma <= 100) this.chooseStretch({ sigma });
    else this.refresh();
  }

  typeLimit(n, i, value) {
    const key = shownIn(this.state)[n];
    const pair = [...(this.limitsOf(key) || [0, 1])];
    pair[i] = value;
    if (Number.isFinite(value) && pair[0] < pair[1]) this.setLimits(key, pair);
    else this.refresh();
  }

  setLimits(key, pair) {
    this.set({ limits: { ...this.state.limits, [key]: parted(...pair) } });
  }

  async copied(button, whole) {
    const text = button.textContent;
    const done = await copyText(codeOf(this.about, this.state, this.limits, whole));
    button.textContent = done ? "Copied" : "Not copied; select the text";
    this.status.textContent = done ? "Copied." : "The browser denied access to the clipboard.";
    setTimeout(() => { button.textContent = text; }, 1500);
  }

  // Looking around.

  look(change) {
    change();
    this.refresh();
    clearTimeout(this.looking);
    this.looking = setTimeout(() => this.looked(), 140);
  }

  looked() {
    const view = this.eye.view;
    if (String(view) === String(this.state.view)) return;
    this.set({ view });
  }

  resized() {
    const width = Math.floor(this.stage.clientWidth);
    if (!width || width === this.eye.width) return;
    const first = !this.eye.width;
    this.eye.resize(width);
    if (first) this.eye.show(this.state.view);
    this.eye.settle();
    const dpr = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(width * dpr);
    this.canvas.height = Math.round(this.eye.height * dpr);
    this.canvas.style.height = `${this.eye.height}px`;
    this.dpr = dpr;
    this.refresh();
  }

  pointers() {
    const { canvas } = this;
    const down = new Map();
    let moved = 0;
    const at = (e) => { const r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      canvas.setPointerCapture(e.pointerId);
      if (!down.size) moved = 0;
      down.set(e.pointerId, at(e));
    });
    canvas.addEventListener("pointermove", (e) => {
      const [x, y] = at(e);
      if (!down.has(e.pointerId)) { this.hover = [x, y]; this.tellPixel(); return; }
      const [px, py] = down.get(e.pointerId);
      moved += Math.abs(x - px) + Math.abs(y - py);
      if (down.size === 2) {
        const other = [...down].find(([id]) => id !== e.pointerId)[1];
        const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        this.look(() => this.eye.zoom(apart([x, y]) / apart([px, py]), (x + other[0]) / 2, (y + other[1]) / 2));
      } else if (moved > 4) this.look(() => this.eye.move(x - px, y - py));
      down.set(e.pointerId, [x, y]);
    });
    const up = (e) => {
      const was = down.delete(e.pointerId);
      if (was && e.type === "pointerup" && moved <= 4 && !down.size) this.pin(...this.eye.at(...at(e)));
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.tellPixel(); });
    canvas.addEventListener("wheel", (e) => {
      // The page scrolls past, unless the picture was chosen.
      if (!e.ctrlKey && !e.metaKey && this.root.getRootNode().activeElement !== canvas) return;
      e.preventDefault();
      this.look(() => this.eye.zoom(Math.exp(-clamp(e.deltaY, -300, 300) * 0.0022), ...at(e)));
    }, { passive: false });
  }

  keys() {
    const step = () => Math.round(this.eye.width / 8);
    const acts = {
      ArrowLeft: () => this.look(() => this.eye.move(step(), 0)),
      ArrowRight: () => this.look(() => this.eye.move(-step(), 0)),
      ArrowUp: () => this.look(() => this.eye.move(0, step())),
      ArrowDown: () => this.look(() => this.eye.move(0, -step())),
      "+": () => this.look(() => this.eye.zoom(1.6)),
      "=": () => this.look(() => this.eye.zoom(1.6)),
      "-": () => this.look(() => this.eye.zoom(1 / 1.6)),
      0: () => this.look(() => this.eye.show(null)),
      Enter: () => { this.pin(this.eye.row, this.eye.col); this.status.textContent = this.pixelText(this.eye.row, this.eye.col); },
      Delete: () => this.set({ pins: this.state.pins.slice(0, -1) }),
    };
    this.canvas.addEventListener("keydown", (e) => {
      if (!acts[e.key] || e.ctrlKey || e.metaKey || e.altKey) return;
      e.preventDefault();
      acts[e.key]();
    });
    // Notebooks have shortcuts of single keys.
    this.root.addEventListener("keydown", (e) => e.stopPropagation());
  }

  pin(row, col) {
    const { grid } = this.about;
    if (row < 0 || col < 0 || row >= grid.rows || col >= grid.cols) return;
    const point = [grid.x + grid.dx * (Math.floor(col) + 0.5), grid.y + grid.dy * (Math.floor(row) + 0.5)];
    if (this.state.pins.some((pin) => String(pin) === String(point))) return;
    this.set({ pins: [...this.state.pins, point.map((v) => Number(v.toPrecision(12)))] });
    if (this.about.offline) this.guessSpectrum();
  }

  /** Without a kernel: the values of the bands that the page has. */
  guessSpectrum() {
    const { grid } = this.about;
    this.store.spectra = this.state.pins.map(([x, y]) => {
      const known = this.store.spectra.find((s) => s.x === x && s.y === y);
      if (known) return known;
      const values = {};
      for (const tile of this.store.whole.values()) {
        if (this.about.bands[tile.key]) values[tile.key] = this.valueAt(tile, (y - grid.y) / grid.dy, (x - grid.x) / grid.dx);
      }
      return { x, y, values };
    });
    this.refresh();
  }

  // Values.

  valueAt(tile, row, col) {
    const [top, left, bottom, right] = tile.box;
    const j = Math.floor(((row - top) / (bottom - top)) * tile.shape[0]);
    const i = Math.floor(((col - left) / (right - left)) * tile.shape[1]);
    if (j < 0 || i < 0 || j >= tile.shape[0] || i >= tile.shape[1]) return undefined;
    const code = tile.codes[j * tile.shape[1] + i];
    return code ? tile.low + (code - 1) * tile.step : null;
  }

  /** The finest tile of a channel that is here. */
  best(key, row, col) {
    const view = this.part.tiles.get(key);
    if (view && this.valueAt(view, row, col) !== undefined) return view;
    return this.store.whole.get(key);
  }

  pixelText(row, col) {
    const { grid, bands } = this.about;
    if (row < 0 || col < 0 || row >= grid.rows || col >= grid.cols) return "";
    const digits = grid.degrees ? 5 : Math.abs(grid.dx) < 1 ? 2 : 0;
    const x = (grid.x + grid.dx * col).toFixed(digits), y = (grid.y + grid.dy * row).toFixed(digits);
    const parts = [grid.placed ? `x ${x}  y ${y}` : `row ${Math.floor(row)}  column ${Math.floor(col)}`];
    const degrees = grid.degrees ? null : lonlatAt(grid, row, col);
    if (degrees) parts.push(`${Math.abs(degrees[1]).toFixed(4)}°${degrees[1] < 0 ? "S" : "N"} ${Math.abs(degrees[0]).toFixed(4)}°${degrees[0] < 0 ? "W" : "E"}`);
    for (const key of new Set(shownIn(this.state))) {
      const tile = this.best(key, row, col);
      if (!tile) continue;
      const value = this.valueAt(tile, row, col);
      const band = bands[key] || {};
      const named = (band.classes || []).find((c) => c.value === value);
      const text = value === null || value === undefined ? "no data" : named ? named.name : shortNumber(value);
      parts.push(`${key} ${text}${value !== null && band.units ? ` ${band.units}` : ""}`);
    }
    const mask = this.best(MASK, row, col);
    if (mask && this.valueAt(mask, row, col)) parts.push("cloud or shadow");
    return parts.join("   ");
  }

  tellPixel() {
    const [row, col] = this.hover ? this.eye.at(...this.hover) : [this.eye.row, this.eye.col];
    this.readout.textContent = this.pixelText(row, col);
  }

  // From state to image.

  /** The tiles for an image of the whole, or of the view; null if not all are loaded. */
  tilesOf(of) {
    const from = of === "view" ? this.part.tiles : this.store.whole;
    const tiles = shownIn(this.state).map((key) => from.get(key));
    return tiles.every(Boolean) ? tiles : null;
  }

  maskOf(of) {
    return (of === "view" ? this.part.tiles : this.store.whole).get(MASK) || null;
  }

  maskSettled(of) {
    return !this.about.masked || this.maskOf(of) || this.store.failed.has(MASK);
  }

  /** What does not count in statistics: clouds by the class band, else what is as bright. */
  leaveOut(of, tiles) {
    const mask = this.maskOf(of);
    if (mask) return mask.codes;
    if (this.state.mode !== "rgb" || !this.about.reflectance) return null;
    if (this.brightOf !== tiles.map(serialOf).join()) {
      this.brightOf = tiles.map(serialOf).join();
      this.brightFound = brightIn(tiles);
    }
    return this.brightFound;
  }

  /** Limits in force: those that were set, else by the stretch; null until there are pixels. */
  limitsOf(key) {
    const told = this.model.get("shown") || {};
    return this.state.limits[key] || this.derived[key] || (told.limits || {})[key] || null;
  }

  get limits() {
    return Object.fromEntries(shownIn(this.state).map((key) => [key, this.limitsOf(key)]));
  }

  /** Where the statistics come from now. */
  get source() {
    return this.state.stretch.of === "view" && this.zoomedIn ? "view" : "whole";
  }

  /** Work out the limits by the stretch, of what is here. */
  derive() {
    const { state } = this;
    const keys = shownIn(state);
    const of = this.tilesOf(this.source) ? this.source : "whole";
    const tiles = this.tilesOf(of);
    if (!tiles) {
      // Nothing of other bands or another mode may pass for theirs.
      for (const key of Object.keys(this.derived)) if (!keys.includes(key)) delete this.derived[key];
      return;
    }
    const leave = this.leaveOut(of, tiles);
    const single = state.mode !== "rgb";
    const made = JSON.stringify([tiles.map(serialOf), leave && serialOf(leave), state.stretch, single]);
    if (made === this.derivedOf) return;
    this.derivedOf = made;
    this.derived = {};
    keys.forEach((key, n) => {
      const pair = stretchOf(tiles[n], state.stretch, statsOf(tiles[n], leave));
      this.derived[key] = single ? centered(pair) : pair;
    });
  }

  /** Ask for what is needed; finer where the overview does not fill the screen. */
  fetch() {
    const keys = [...new Set(shownIn(this.state))];
    const all = this.about.masked ? [...keys, MASK] : keys;
    this.store.needWhole(this.part, this.about.offline ? [...all, ...this.about.offline] : all);
    if (this.about.offline || !this.eye.width) return;
    const { rows, cols } = this.about.grid;
    const view = this.state.view || [0, 0, rows, cols];
    const most = [this.canvas.height, this.canvas.width].map((side) => clamp(Math.ceil(side / 64) * 64, 64, 1024));
    const factor = (box, sides) => Math.min(1, sides[0] / (box[2] - box[0]), sides[1] / (box[3] - box[1]));
    // Worth it where pixels would be at least a quarter finer.
    this.zoomedIn = factor(view, most) > 1.25 * factor([0, 0, rows, cols], [768, 768]);
    if (this.zoomedIn && !keys.some((key) => this.store.failed.has(key))) this.store.needView(this.part, all, view, most);
  }

  update() {
    if (this.closed) return;
    const parts = [
      () => this.fetch(), () => this.derive(), () => this.buildChannels(), () => this.paint(), () => this.sync(),
      () => this.histogram.update(), () => this.spectra.update(), () => this.tellPixel(),
    ];
    // What fails in one is told, and keeps no other from being drawn.
    this.broken = "";
    for (const part of parts) {
      try { part(); } catch (error) { this.broken = `A part of the picker failed: ${error.message}`; }
    }
    this.tellStatus();
  }

  paint() {
    if (!this.eye.width || shownIn(this.state).some((key) => !this.limitsOf(key))) return this.paintOld();
    const started = performance.now();
    const { state, eye, canvas, dpr } = this;
    const look = { mode: state.mode, limits: shownIn(state).map((k) => this.limitsOf(k)), gamma: state.gamma, cmap: state.cmap };
    const context = canvas.getContext("2d");
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, eye.width, eye.height);
    let shown = 0;
    const view = this.zoomedIn && String(this.part.box) === String(state.view || [0, 0, this.about.grid.rows, this.about.grid.cols]);
    for (const of of ["whole", "view"]) {
      const tiles = this.tilesOf(of);
      if (!tiles || (state.mask && this.about.masked && !this.maskOf(of))) continue;
      // Nothing needs to be drawn under a complete image.
      if (of === "whole" && view && this.tilesOf("view") && (!state.mask || this.maskOf("view"))) continue;
      if (of === "view" && !this.zoomedIn) continue;
      this.layers[of].paint(tiles, state.mask ? this.maskOf(of) : null, look, this.about);
      this.put(context, this.layers[of]);
      shown++;
    }
    // Until what was chosen is there, what was shown before.
    if (!shown && this.layers.whole.box) this.put(context, this.layers.whole);
    this.marks(context);
    this.scale();
    if (shown) {
      canvas.dataset.rev = ++this.revision;
      canvas.dataset.ms = (performance.now() - started).toFixed(1);
    }
    canvas.dataset.fine = String(Boolean(view && this.tilesOf("view")));
  }

  /** Until there is something to color: what was shown before. */
  paintOld() {
    if (!this.eye.width || !this.layers.whole.box) return;
    const context = this.canvas.getContext("2d");
    context.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    context.clearRect(0, 0, this.eye.width, this.eye.height);
    this.put(context, this.layers.whole);
  }

  put(context, layer) {
    const [top, left, bottom, right] = layer.box;
    const [x, y] = this.eye.place(top, left), [x2, y2] = this.eye.place(bottom, right);
    context.imageSmoothingEnabled = (x2 - x) / layer.canvas.width < 2;
    context.imageSmoothingQuality = "medium";
    context.drawImage(layer.canvas, x, y, x2 - x, y2 - y);
  }

  marks(context) {
    const { grid } = this.about;
    context.font = "600 10px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.state.pins.forEach(([px, py], n) => {
      const [x, y] = this.eye.place((py - grid.y) / grid.dy, (px - grid.x) / grid.dx);
      context.beginPath();
      context.arc(x, y, 8, 0, 7);
      context.fillStyle = PINS[n % PINS.length];
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = "#fff";
      context.stroke();
      context.fillStyle = "#fff";
      context.fillText(n + 1, x, y + 0.5);
    });
  }

  scale() {
    const { meters } = this.about.grid;
    this.scalebar.hidden = !meters;
    if (!meters) return;
    const most = (this.eye.width / 4 / this.eye.scale) * meters;
    const ten = 10 ** Math.floor(Math.log10(most));
    const length = ten * [5, 2, 1].find((n) => n * ten <= most);
    this.scalebar.firstChild.style.width = `${((length / meters) * this.eye.scale).toFixed(1)}px`;
    this.scalebar.lastChild.textContent = length >= 1000 ? `${length / 1000} km` : `${length} m`;
  }

  /** Let the controls show the state. */
  sync() {
    const { state, about } = this;
    const single = state.mode === "single";
    const classes = single ? about.bands[state.band].classes : [];
    this.modes.forEach((label) => { label.firstChild.checked = label.firstChild.value === state.mode; });
    const preset = Object.keys(about.presets).find((title) => state.mode === "rgb" && String(about.presets[title]) === String(state.bands));
    put(this.preset, preset || "");
    this.mask.checked = state.mask;
    const unmasked = this.store.failed.get(MASK);
    this.maskLabel.title = unmasked || "From the scene's classification band";
    this.mask.disabled = Boolean(unmasked) && !state.mask;
    shownIn(state).forEach((key, n) => {
      put(this.rows[n].menu, key);
      this.rows[n].limits.forEach((input, i) => {
        input.hidden = classes.length > 0;
        const pair = this.limitsOf(key);
        put(input, pair ? numberText(pair[i], 3) : "");
        if (pair) input.step = stepOf(pair);
      });
    });
    const index = state.mode === "index" && about.indices[state.index];
    this.formula.hidden = !index;
    if (index) this.formula.textContent = `${index.title}: ${index.formula}`;
    this.maps.hidden = state.mode === "rgb" || classes.length > 0;
    for (const label of this.maps.children) label.firstChild.checked = label.firstChild.value === state.cmap;
    this.legend.hidden = !classes.length;
    if (this.legend.dataset.of !== (classes.length ? state.band : "")) {
      this.legend.dataset.of = classes.length ? state.band : "";
      this.legend.replaceChildren(...classes.map((c) => make("li", {}, make("i", { style: `background:${c.color}` }), c.name)));
    }
    this.stretchRow.hidden = classes.length > 0;
    this.histogram.node.hidden = classes.length > 0;
    const { kind, low, high, sigma, of } = state.stretch;
    const custom = shownIn(state).some((key) => state.limits[key]);
    put(this.stretch, custom ? "custom" : kind); put(this.low, low); put(this.high, high); put(this.sigma, sigma); put(this.of, of);
    this.percents.hidden = custom || kind !== "percentile";
    this.sigmas.hidden = custom || kind !== "sigma";
    this.of.hidden = custom;
    this.gammaRow.hidden = state.mode !== "rgb";
    if (Math.abs(3 ** Number(this.gamma.value) - state.gamma) > 0.006) this.gamma.value = Math.log(state.gamma) / Math.log(3);
    this.gammaText.textContent = state.gamma.toFixed(2);
    const code = codeOf(about, state, this.limits);
    if (this.code.textContent !== code) this.code.textContent = code;
  }

  tellStatus() {
    const { store } = this;
    const reading = store.reading;
    this.bar.hidden = !reading.length;
    this.root.dataset.busy = String(this.frame > 0 || reading.length > 0);
    const empty = !reading.length && this.tilesOf("whole") && this.tilesOf("whole").some((t) => !countsOfAny(t));
    const [text, weight] = store.gone ? ["The kernel is gone: run the cell again. What is here still works.", "warning"]
      : store.waiting > 4000 ? ["Still waiting: the kernel is busy, or gone. If it was restarted, run the cell again.", "warning"]
      : reading.length ? [`Reading ${reading.map((k) => (k === MASK ? "clouds" : k)).join(", ")}`, ""]
      : [empty ? "No data here." : "", ""];
    if (this.said !== text) { this.status.textContent = this.said = text; this.status.dataset.weight = weight; }
    const wanted = [...shownIn(this.state), ...(this.state.mask ? [MASK] : [])];
    const failures = [...new Set(wanted)].filter((key) => store.failed.has(key));
    const failure = [...failures.map((key) => store.failed.get(key)), store.refused, this.broken].filter(Boolean).join("\n");
    if (this.shownFailures === failure) return;
    this.shownFailures = failure;
    this.alert.hidden = !failure;
    this.alert.replaceChildren(make("span", {}, failure), make("button", { type: "button", onclick: () => { store.failed.clear(); store.refused = ""; this.refresh(); } }, "Try again"));
  }
}

function countsOfAny(tile) {
  if (tile.any === undefined) tile.any = tile.codes.some(Boolean);
  return tile.any;
}

/** Set a control's value, unless it is being typed into. */
function put(control, value) {
  if (control.value !== String(value) && control.getRootNode().activeElement !== control) control.value = value;
  else if (control.tagName === "SELECT" && control.value !== String(value)) control.value = value;
}

const shortNumber = (value) => numberText(value, Math.abs(value) >= 1000 ? 6 : 4);
const stepOf = ([low, high]) => 10 ** Math.floor(Math.log10((high - low) / 20 || 1));

// ── Histogram: one axis for all channels, a lane of two handles for each ─────────────────────────

const WIDE = 300, HIGH = 92, LANE = 16, EDGE = 10, BINS = 140;

class Histogram {
  constructor(picker) {
    this.picker = picker;
    this.plot = draw("g");
    this.lanes = draw("g");
    this.axis = draw("g", { class: "astra-axis" });
    this.svg = draw("svg", { class: "astra-histogram", role: "group", "aria-label": "Histogram and limits" }, this.plot, this.axis, this.lanes);
    this.node = make("div", {}, this.svg);
    this.sliders = [];
  }

  x(value) {
    const [low, high] = this.range;
    return EDGE + clamp((value - low) / (high - low), 0, 1) * (WIDE - 2 * EDGE);
  }

  update() {
    const { picker } = this;
    const keys = shownIn(picker.state);
    const tiles = picker.tilesOf(picker.source) || picker.tilesOf("whole");
    if (!tiles || this.node.hidden || keys.some((key) => !picker.limitsOf(key))) return;
    const leave = picker.leaveOut(tiles === picker.tilesOf("view") ? "view" : picker.source, tiles);
    const fits = leave && leave.length === tiles[0].codes.length ? leave : null;
    const stats = tiles.map((tile) => statsOf(tile, fits));
    if (!this.dragging) {
      const reach = tiles.map((t, n) => (stats[n].total ? [percentile(t, stats[n], 0.1), percentile(t, stats[n], 99.5)] : [0, 1]));
      const edges = keys.map((key) => picker.limitsOf(key));
      const low = Math.min(...reach.map((r) => r[0]), ...edges.map((e) => e[0]));
      const high = Math.max(...reach.map((r) => r[1]), ...edges.map((e) => e[1]));
      const room = (high - low || 1) * 0.04;
      this.range = [low - room, high + room];
    }
    const made = JSON.stringify([tiles.map(serialOf), this.range, Boolean(fits), picker.state.mode]);
    if (made !== this.made) {
      this.made = made;
      this.bars(tiles, stats);
      this.ticks(keys.length);
    }
    this.tint(keys);
    this.handles(keys);
  }

  bars(tiles, stats) {
    const [low, high] = this.range, rgb = this.picker.state.mode === "rgb";
    const shapes = tiles.map((tile, n) => {
      const bins = new Float64Array(BINS);
      const { counts } = stats[n];
      const per = BINS / (high - low);
      for (let code = 1; code <= LAST; code++) {
        if (!counts[code]) continue;
        const bin = Math.floor((tile.low + (code - 1) * tile.step - low) * per);
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
      return draw("path", { d: `${path}L${WIDE - EDGE} ${HIGH}Z`, class: rgb ? `astra-${CHANNELS[n][1]}` : "astra-tinted", ...(rgb ? {} : { fill: `url(#${this.picker.id}-tint)` }) });
    }));
  }

  /** In one channel, the bars have the colors of the map. */
  tint(keys) {
    const { state, about, id } = this.picker;
    if (state.mode === "rgb") { if (this.tinted) { this.tinted.remove(); this.tinted = null; } return; }
    const hex = about.colormaps[state.cmap];
    const [low, high] = this.picker.limitsOf(keys[0]);
    const stops = Array.from({ length: 16 }, (_, i) => draw("stop", { offset: i / 15, "stop-color": `#${hex.slice(102 * i, 102 * i + 6)}` }));
    const next = draw("linearGradient", { id: `${id}-tint`, gradientUnits: "userSpaceOnUse", x1: this.x(low), x2: Math.max(this.x(high), this.x(low) + 0.1) }, ...stops);
    if (this.tinted) this.tinted.replaceWith(next);
    else this.svg.prepend(next);
    this.tinted = next;
  }

  ticks(lanes) {
    const [low, high] = this.range;
    const raw = (high - low) / 5, ten = 10 ** Math.floor(Math.log10(raw));
    const step = ten * [1, 2, 5, 10].find((n) => n * ten >= raw);
    const nodes = [draw("line", { x1: EDGE, x2: WIDE - EDGE, y1: HIGH, y2: HIGH })];
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
      nodes.push(draw("line", { x1: this.x(v), x2: this.x(v), y1: HIGH, y2: HIGH + 3 }));
      const text = draw("text", { x: this.x(v), y: HIGH + 13 });
      text.textContent = numberText(Math.abs(v) < step / 1e6 ? 0 : v, 4);
      nodes.push(text);
    }
    this.axis.replaceChildren(...nodes);
    this.svg.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH + 20 + lanes * LANE}`);
  }

  handles(keys) {
    const mode = `${this.picker.state.mode}`;
    if (this.handlesOf !== mode) {
      this.handlesOf = mode;
      this.sliders = keys.map((_, n) => this.lane(n));
      this.lanes.replaceChildren(...this.sliders.map((s) => s.node));
    }
    keys.forEach((key, n) => {
      const pair = this.picker.limitsOf(key);
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
    const color = this.picker.state.mode === "rgb" ? `astra-${CHANNELS[n][1]}` : "astra-plain";
    const rail = draw("line", { x1: EDGE, x2: WIDE - EDGE, y1: y, y2: y, class: "astra-rail" });
    const track = draw("rect", { y: y - 1.5, height: 3, class: color });
    const ends = [0, 1].map((i) => {
      const end = draw("g", { class: `astra-handle ${color}`, tabindex: 0, role: "slider", "aria-orientation": "horizontal" },
        draw("rect", { x: -11, y: -LANE / 2, width: 22, height: LANE, class: "astra-reach" }),
        draw("circle", { r: 5.5 }));
      this.drags(end, n, i);
      return end;
    });
    return { node: draw("g", {}, rail, track, ...ends), track, ends };
  }

  drags(end, n, i) {
    const key = () => shownIn(this.picker.state)[n];
    const move = (value) => {
      const pair = [...this.picker.limitsOf(key())], [low, high] = this.range, gap = (high - low) / 500;
      pair[i] = i ? clamp(value, pair[0] + gap, high) : clamp(value, low, pair[1] - gap);
      this.picker.setLimits(key(), pair);
    };
    end.addEventListener("pointerdown", (e) => {
      e.preventDefault();
      end.focus();
      end.setPointerCapture(e.pointerId);
      this.dragging = end;
    });
    end.addEventListener("pointermove", (e) => {
      if (this.dragging !== end) return;
      const box = this.svg.getBoundingClientRect();
      const at = ((e.clientX - box.left) / box.width) * WIDE;
      move(this.range[0] + ((at - EDGE) / (WIDE - 2 * EDGE)) * (this.range[1] - this.range[0]));
    });
    const stop = () => { this.dragging = null; this.picker.refresh(); };
    end.addEventListener("pointerup", stop);
    end.addEventListener("pointercancel", stop);
    end.addEventListener("keydown", (e) => {
      const step = (this.range[1] - this.range[0]) / (e.shiftKey ? 400 : 100);
      const ways = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
      const now = this.picker.limitsOf(key())[i];
      if (ways[e.key]) move(now + ways[e.key] * step);
      else if (e.key === "Home") move(this.range[0]);
      else if (e.key === "End") move(this.range[1]);
      else return;
      e.preventDefault();
    });
  }
}

// ── Spectra: the values under the pins over wavelength ───────────────────────────────────────────

class Spectra {
  constructor(picker) {
    this.picker = picker;
    this.hint = make("p", { class: "astra-hint" }, "Click the image to see the spectrum of a pixel.");
    this.svg = draw("svg", { class: "astra-spectra", viewBox: `0 0 ${WIDE} 130`, role: "img", "aria-label": "Spectra of the marked pixels" });
    this.list = make("ul", { class: "astra-pins", "aria-label": "Marked pixels" });
    const table = make("button", { type: "button", onclick: (e) => this.copyTable(e.target) }, "Copy table");
    const clear = make("button", { type: "button", onclick: () => picker.set({ pins: [] }) }, "Clear");
    this.actions = make("div", { class: "astra-row" }, table, clear);
    this.node = make("div", { class: "astra-spectrum" }, this.hint, this.svg, this.list, this.actions);
  }

  get known() {
    const { store, state } = this.picker;
    return state.pins.map(([x, y]) => store.spectra.find((s) => s.x === x && s.y === y));
  }

  update() {
    const { pins } = this.picker.state;
    this.hint.hidden = pins.length > 0;
    for (const part of [this.svg, this.list, this.actions]) part.toggleAttribute("hidden", !pins.length);
    const known = this.known;
    const made = JSON.stringify([pins, known]);
    if (made === this.made) return;
    this.made = made;
    this.lines(known);
    this.list.replaceChildren(...pins.map(([x, y], n) => {
      const found = known[n];
      const what = !found ? "reading…" : found.message ? found.message : `${numberText(x, 8)}, ${numberText(y, 8)}`;
      const drop = make("button", { type: "button", "aria-label": `Remove mark ${n + 1}`, onclick: () => this.picker.set({ pins: pins.filter((_, i) => i !== n) }) }, "×");
      return make("li", {}, make("i", { style: `background:${PINS[n % PINS.length]}` }, String(n + 1)), make("span", {}, what), drop);
    }));
  }

  lines(known) {
    const { bands } = this.picker.about;
    const reflective = this.picker.about.reflectance;
    let names = Object.keys(bands).filter((n) => !bands[n].classes.length && (!reflective || bands[n].role === "reflectance"));
    const waves = names.every((n) => bands[n].wavelength);
    if (waves) names = names.sort((a, b) => bands[a].wavelength - bands[b].wavelength);
    const at = (n) => (waves ? bands[names[n]].wavelength : n);
    const values = known.filter(Boolean).flatMap((s) => names.map((n) => s.values[n])).filter((v) => typeof v === "number");
    if (!values.length) { this.svg.replaceChildren(); return; }
    const low = Math.min(0, ...values), high = Math.max(...values) || 1;
    const first = at(0), last = at(names.length - 1);
    const x = (w) => 34 + ((w - first) / (last - first || 1)) * (WIDE - 44);
    const y = (v) => 108 - ((v - low) / (high - low || 1)) * 98;
    const nodes = [];
    for (let i = 0; i <= 2; i++) {
      const v = low + ((high - low) * i) / 2;
      const text = draw("text", { x: 30, y: y(v) + 3, class: "astra-end" });
      text.textContent = numberText(v, 2);
      nodes.push(draw("line", { x1: 34, x2: WIDE - 10, y1: y(v), y2: y(v), class: "astra-rail" }), text);
    }
    let used = -99;
    names.forEach((name, n) => {
      const px = x(at(n));
      if (px - used < 27) return;
      used = px;
      const text = draw("text", { x: px, y: 122 });
      text.textContent = waves ? numberText(at(n), 3) : name.slice(0, 5);
      nodes.push(text);
    });
    known.forEach((found, k) => {
      if (!found) return;
      const color = PINS[k % PINS.length];
      const dots = names.map((name, n) => [at(n), found.values[name]]).filter(([, v]) => typeof v === "number");
      nodes.push(draw("path", { d: dots.map(([w, v], i) => `${i ? "L" : "M"}${x(w).toFixed(1)} ${y(v).toFixed(1)}`).join(""), stroke: color, class: "astra-line" }));
      nodes.push(...dots.map(([w, v]) => draw("circle", { cx: x(w).toFixed(1), cy: y(v).toFixed(1), r: 2.2, fill: color })));
    });
    if (waves) {
      const unit = draw("text", { x: WIDE - 10, y: 104, class: "astra-end" });
      unit.textContent = "µm";
      nodes.push(unit);
    }
    this.svg.replaceChildren(draw("g", { class: "astra-axis" }, ...nodes));
  }

  async copyTable(button) {
    const names = Object.keys(this.picker.about.bands).filter((n) => !this.picker.about.bands[n].classes.length);
    const rows = this.known.filter(Boolean).map((s) => [s.x, s.y, ...names.map((n) => s.values[n] ?? "")].join("\t"));
    const done = await copyText([["x", "y", ...names].join("\t"), ...rows].join("\n"));
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = "Copy table"; }, 1500);
  }
}

// ── Doors ────────────────────────────────────────────────────────────────────────────────────────

/** What anywidget runs: once a model, which all its views share; then once a view. */
function widget() {
  let store = null;
  return {
    initialize({ model }) {
      store = new Store(model);
      return () => store.close();
    },
    render({ model, el }) {
      const picker = new Picker(model, store, el);
      return () => picker.close();
    },
  };
}

/** A model for a page without a kernel, from what Python put into it. */
async function offline(held) {
  const inflate = async (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  const tiles = new Map();
  for (const tile of held.tiles) {
    const planes = await inflate(tile.codes);
    const [rows, cols] = tile.shape, n = rows * cols;
    const codes = new Uint16Array(n);
    for (let j = 0, i = 0; j < rows; j++) {
      for (let k = 0, sum = 0; k < cols; k++, i++) codes[i] = sum = (sum + planes[i] + (planes[n + i] << 8)) & LAST;
    }
    tiles.set(tile.key, { ...tile, codes });
  }
  const kept = { about: held.about, state: held.state, shown: held.shown, spectra: held.spectra };
  const heard = new Map();
  return {
    get: (key) => kept[key],
    set: (key, value) => { kept[key] = value; for (const f of heard.get(`change:${key}`) || []) f(); },
    save_changes() {},
    on: (event, f) => heard.set(event, [...(heard.get(event) || []), f]),
    off: (event, f) => heard.set(event, (heard.get(event) || []).filter((g) => g !== f)),
    send: ({ type, id, keys }) => setTimeout(() => {
      if (type !== "read") return;
      for (const key of keys) {
        const tile = tiles.get(key);
        const message = tile ? { ...tile, type: "tile", id } : { type: "failed", key, id, message: `${key} is not included in this page.` };
        for (const f of heard.get("msg:custom") || []) f(message, tile ? [new DataView(tile.codes.buffer)] : []);
      }
    }),
  };
}

export default widget;
