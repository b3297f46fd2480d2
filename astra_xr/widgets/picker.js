// Built from js/ by npm run build: do not edit.

// astra_xr/widgets/js/numbers.js
var clamp = (value, low, high) => Math.min(high, Math.max(low, value));
function numberText(value, digits = 6) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  if (Number(exponent) >= -4 && Number(exponent) < digits) return String(Number(value.toPrecision(digits)));
  return `${Number(mantissa)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}
function roundNumbers(low, high, count) {
  const raw = (high - low) / count, ten = 10 ** Math.floor(Math.log10(raw));
  const step = ten * ([1, 2, 5].find((n) => n * ten >= raw) || 10);
  const first = Math.ceil(low / step - 1e-9), last2 = Math.floor(high / step + 1e-9);
  return Array.from({ length: last2 - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}

// astra_xr/widgets/js/geo/pyramid.js
var Pyramid = class {
  /**
   * @param {Pick<Grid, "rows" | "cols">} grid
   * @param {Levels} levels
   */
  constructor({ rows, cols }, { side, top, bottom = 0, overview, thumbnail = [1, 1] }) {
    this.rows = rows;
    this.cols = cols;
    this.side = side;
    this.top = top;
    this.bottom = bottom;
    this.overview = overview;
    this.thumbnail = top + 1;
    this.small = thumbnail;
  }
  /** All of the scene. @returns {Box} */
  get whole() {
    return [0, 0, this.rows, this.cols];
  }
  /** Rows and columns of a level. @param {number} level @returns {[number, number]} */
  shape(level) {
    if (level === this.top) return this.overview;
    if (level === this.thumbnail) return this.small;
    const part2 = (size) => Math.max(1, Math.floor(size / 2 ** level));
    return [part2(this.rows), part2(this.cols)];
  }
  /** Pixels of the scene in one pixel of a level, down and across. @param {number} level @returns {[number, number]} */
  pitch(level) {
    const [rows, cols] = this.shape(level);
    return level >= this.top ? [this.rows / rows, this.cols / cols] : [2 ** level, 2 ** level];
  }
  /** The tiles, [row, col], that a box of the scene touches. @param {number} level @param {number[]} box @returns {[number, number][]} */
  within(level, [top, left, bottom, right]) {
    const [down, across] = this.pitch(level), [rows, cols] = this.shape(level);
    const ends = (low, high, pitch, size) => {
      const last2 = Math.ceil(size / this.side) - 1;
      return [Math.floor(low / pitch / this.side), Math.ceil(high / pitch / this.side) - 1].map((n) => clamp(n, 0, last2));
    };
    const [r0, r1] = ends(top, bottom, down, rows), [c0, c1] = ends(left, right, across, cols);
    const found = [];
    for (let row = r0; row <= r1; row++) for (let col = c0; col <= c1; col++) found.push([row, col]);
    return found;
  }
  /** The box of the scene that a tile shows. @returns {Box} */
  box(level, row, col) {
    const [down, across] = this.pitch(level), [rows, cols] = this.shape(level);
    const end = (n, size) => Math.min((n + 1) * this.side, size);
    return [
      row * this.side * down,
      col * this.side * across,
      Math.min(this.rows, end(row, rows) * down),
      Math.min(this.cols, end(col, cols) * across)
    ];
  }
  /** The finest level at which a box has at most `most` rows and columns; the top level if there is none. */
  levelOf([top, left, bottom, right], most) {
    let level = 0;
    while (level < this.top && Math.max(bottom - top, right - left) > most * 2 ** level) level++;
    return Math.max(level, this.bottom);
  }
  /** The coarsest level whose pixels are at most `limit` wide if those of the scene are `scale` wide. */
  levelAt(scale, limit) {
    return clamp(Math.floor(Math.log2(limit / scale)), this.bottom, this.top);
  }
};
function windowOf(tile, box) {
  const edge = (n, at) => {
    const size = tile.shape[n], low = tile.box[n];
    return clamp(Math.ceil((at - low) / (tile.box[n + 2] - low) * size - 0.5), 0, size);
  };
  return [edge(0, box[0]), edge(1, box[1]), edge(0, box[2]), edge(1, box[3])];
}

// astra_xr/widgets/js/steps.js
var CLEAR = 20;
var stepOf = (about, label) => Math.max(0, about.steps.findIndex((step) => step.label === label));
function inOrder(steps) {
  const date = (n) => steps[n].date ?? Infinity;
  return steps.map((_, n) => n).sort((a, b) => date(a) === date(b) ? a - b : date(a) - date(b));
}
function cloudsIn(mask, tile) {
  let data = 0, clouds = 0;
  for (let i = 0; i < tile.codes.length; i++) {
    if (!tile.codes[i]) continue;
    data++;
    if (mask.codes[i]) clouds++;
  }
  return data ? 100 * clouds / data : null;
}
function listed(order, clouds, clear, current) {
  return clear ? order.filter((n) => n === current || (clouds[n] ?? 0) <= CLEAR) : order;
}
var stepBy = (list, current, by) => list[clamp(list.indexOf(current) + by, 0, list.length - 1)];
function inSight(left, width, cell, count) {
  const more = width / 2;
  return [Math.max(0, Math.floor((left - more) / cell)), Math.min(count - 1, Math.floor((left + width + more) / cell))];
}
var shortLabel = ({ label }) => /^\d{4}-\d\d-\d\d/.test(label) ? label.slice(5, 16).replace("T", " ") : label;
function overTime(about, state) {
  if (state.mode === "single") return state.band;
  return about.indices[state.index] || isFormula(state.index) ? state.index : state.bands[0];
}
function pieces(order, values) {
  const found = [];
  let open = false;
  for (const n of order) {
    const here = typeof values[n] === "number";
    if (here && open) found[found.length - 1].push(n);
    if (here && !open) found.push([n]);
    open = here;
  }
  return found;
}

// astra_xr/widgets/js/sides.js
var DIFFERENCE = "B - A";
var OWN = (
  /** @type {const} */
  ["time", "mode", "bands", "index", "band"]
);
function channelsOf(state) {
  if (state.mode === "rgb") return state.bands;
  if (state.mode === "difference") return [DIFFERENCE];
  return [state.mode === "index" ? state.index : state.band];
}
var isFormula = (name) => name !== null && /[-+*/(]/.test(name);
var indexOf = (about, name) => about.indices[name] || { title: "Formula", domain: "", formula: name, cmap: "viridis" };
function defaultColormap(about, { mode, index, band }) {
  return (mode === "index" ? indexOf(about, index) : about.bands[band]).cmap;
}
function sideOf(about, state, side) {
  const { compare, ...a } = state;
  if (side === "a" || !compare) return a;
  if (side === "difference") return { ...a, mode: "difference", cmap: compare.cmap };
  const own = OWN.filter((key) => compare[key] !== void 0).map((key) => [key, compare[key]]);
  const b = { ...a, ...Object.fromEntries(own) };
  if (b.mode !== "rgb" && (b.mode !== a.mode || channelsOf(b)[0] !== channelsOf(a)[0])) b.cmap = defaultColormap(about, b);
  return b;
}
var bothOf = (about, state) => [sideOf(about, state, "a"), sideOf(about, state, "b")];
var compared = (state, patch) => ({ ...state, compare: { .../** @type {Compare} */
state.compare, ...patch } });
function sidesSeen({ compare }) {
  if (!compare) return ["a"];
  return compare.show === "difference" ? ["difference"] : ["a", "b"];
}
var sidesRead = ({ compare }) => compare ? ["a", "b"] : ["a"];
var CHANNELS = (
  /** @type {Record<string, "bands" | "index" | "band">} */
  { rgb: "bands", index: "index", single: "band" }
);
function withB(about, state, b) {
  const before = sideOf(about, state, "b");
  const own = b.time === before.time ? ["mode", CHANNELS[b.mode]] : ["time"];
  return compared(state, Object.fromEntries(own.map((key) => [key, b[key]])));
}
function swapped(about, state) {
  const [a, b] = bothOf(about, state);
  const own = OWN.filter((key) => state.compare?.[key] !== void 0).map((key) => [key, a[key]]);
  return { ...b, compare: compared(state, Object.fromEntries(own)).compare };
}
function canDiffer(about, state) {
  return bothOf(about, state).every(({ mode, band }) => mode === "index" || mode === "single" && !about.bands[band].classes.length);
}
function otherStep({ steps }, { time }) {
  const ordered = inOrder(steps).map((n) => steps[n]);
  const now = ordered.findIndex(({ label }) => label === time);
  const others = [...ordered.slice(now + 1), ...ordered.slice(0, Math.max(0, now)).reverse()];
  const dated = others.filter(({ date }) => date !== null), known = dated.length ? dated : others;
  return (known.find(({ cloud }) => (cloud ?? 0) <= CLEAR) || known[0])?.label;
}
function otherThan(about, state, available2) {
  const time = about.steps.length > 1 && otherStep(about, state);
  if (time) return { time };
  const next = (names, now) => {
    const all = names.filter((name) => available2(name));
    return all[(all.indexOf(now) + 1) % all.length];
  };
  if (state.mode === "index") return { mode: "index", index: next(Object.keys(about.indices), state.index) };
  if (state.mode === "single") return { mode: "single", band: next(Object.keys(about.bands), state.band) };
  const others = Object.values(about.presets).filter((bands) => bands.every((name) => available2(name)) && String(bands) !== String(state.bands));
  return { mode: "rgb", bands: others.length ? [...others[0]] : [...state.bands].reverse() };
}
function whatOf(about, state) {
  if (state.mode !== "rgb") return channelsOf(state)[0];
  const preset = Object.keys(about.presets).find((title) => String(about.presets[title]) === String(state.bands));
  return preset || state.bands.join(", ");
}
function labelOf(about, state, side) {
  if (side !== "difference") {
    const own = sideOf(about, state, side);
    return [side.toUpperCase(), own.time, whatOf(about, own)].filter(Boolean).join(" · ");
  }
  const [a, b] = bothOf(about, state);
  const both = (p, q) => p === q ? p : `${q} − ${p}`;
  return ["B − A", both(a.time, b.time), both(whatOf(about, a), whatOf(about, b))].filter(Boolean).join(" · ");
}

// astra_xr/widgets/js/wire.js
var nameOf = ({ key, time, level, row, col }) => `${time}/${level}/${row}/${col}/${key}`;
var Wire = class {
  /**
   * `receive` is called with each valid message; tiles have their codes unpacked.
   * @param {Model} model
   * @param {(message: FromKernel) => void} receive
   */
  constructor(model, receive) {
    this.model = model;
    this.receive = receive;
    this.gone = false;
    this.listener = (message, buffers) => this.take(message, buffers || []);
    model.on("msg:custom", this.listener);
  }
  close() {
    this.model.off("msg:custom", this.listener);
  }
  /** Send a message; return whether there is a kernel to take it. @param {ToKernel} message */
  send(message) {
    return this.attempt(() => this.model.send(message));
  }
  /** Send a state to the kernel. @param {State} state */
  save(state) {
    this.model.set("state", state);
    return this.attempt(() => this.model.save_changes());
  }
  /** @param {() => void} act */
  attempt(act) {
    try {
      act();
      this.gone = false;
    } catch {
      this.gone = true;
    }
    return !this.gone;
  }
  /** @param {any} message @param {any[]} buffers */
  async take(message, buffers) {
    if (!message || typeof message !== "object") return;
    if (message.type !== "tile") {
      if (message.type === "page") this.receive({ ...message, bytes: buffers[0] });
      if (["failed", "spectra", "series", "statistics", "refused", "formula"].includes(message.type)) this.receive(message);
      return;
    }
    try {
      this.receive({ ...message, codes: await unpacked(message, buffers) });
    } catch (error) {
      this.receive({ ...message, type: "failed", message: `A tile of ${message.key} is damaged: ${/** @type {Error} */
      error.message}` });
    }
  }
};
async function unpacked({ shape, packing, bits }, [buffer]) {
  const [rows, cols] = shape;
  const size = rows * cols;
  if (!(Number.isInteger(size) && rows > 0 && cols > 0 && size <= 1 << 24)) throw new Error("its shape is invalid");
  if (!buffer) throw new Error("it has no pixels");
  let bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  if (packing === "deflate") bytes = await inflated(bytes);
  if (bytes.length !== (bits ? Math.ceil(size / 8) : 2 * size)) throw new Error("its size does not match its shape");
  if (bits) return Uint8Array.from({ length: size }, (_, i) => bytes[i >> 3] >> 7 - (i & 7) & 1);
  const codes = new Uint16Array(size);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, i++) {
      const guess = row && col ? codes[i - 1] + codes[i - cols] >> 1 : col ? codes[i - 1] : row ? codes[i - cols] : 0;
      const folded = bytes[i] | bytes[size + i] << 8;
      codes[i] = guess + (folded >> 1 ^ -(folded & 1));
    }
  }
  return codes;
}
var canInflate = () => typeof DecompressionStream === "function";
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// astra_xr/widgets/js/pixels/colormap.js
var baseOf = (name) => name.replace(/_r$/, "");
function colormapOf(colormaps, name) {
  const colors = colormaps[baseOf(name)];
  return name === baseOf(name) ? colors : (colors.match(/.{6}/g) || []).reverse().join("");
}

// astra_xr/widgets/js/pixels/stats.js
var LAST = 65535;
var BRIGHT = 0.4;
function countsOf(parts) {
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
function percentile({ low, step }, { counts, total }, percent2) {
  const at = percent2 / 100 * (total - 1);
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
function momentsOf({ low, step }, { counts, total }) {
  let sum = 0, squares = 0;
  for (let code = 1; code <= LAST; code++) sum += counts[code] * (code - 1);
  const mean = sum / total;
  for (let code = 1; code <= LAST; code++) {
    if (counts[code]) squares += counts[code] * (code - 1 - mean) ** 2;
  }
  return [low + mean * step, Math.sqrt(squares / total) * step];
}
function parted(low, high) {
  low = Number(low.toPrecision(6));
  high = Number(high.toPrecision(6));
  return [low, high > low ? high : low + Math.max(Math.abs(low) * 1e-3, 1e-6)];
}
function stretchOf(scale, stretch, stats) {
  if (!stats.total) return [0, 1];
  if (stretch.kind === "sigma") {
    const [mean, deviation] = momentsOf(scale, stats);
    return parted(mean - deviation * stretch.sigma, mean + deviation * stretch.sigma);
  }
  const [low, high] = stretch.kind === "minmax" ? [0, 100] : [stretch.low, stretch.high];
  return parted(percentile(scale, stats, low), percentile(scale, stats, high));
}
function centered([low, high]) {
  const most = Math.max(-low, high);
  return low < 0 && high > 0 ? [-most, most] : [low, high];
}
function symmetric([low, high]) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return [-most, most];
}
function brightIn(channels, scales) {
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
        if (here && all) {
          bright[i] = 1;
          hits++;
        }
      }
    }
    return bright;
  });
  return hits * 2 < valid ? found : null;
}

// astra_xr/widgets/js/derive.js
var MASK = ":mask";
var OVERVIEW = 768;
function countedPart(about, pyramid, state) {
  const box = state.stretch.of === "view" && state.view ? state.view : pyramid.whole;
  return { time: stepOf(about, state.stretch.time || state.time), box, level: pyramid.levelOf(box, OVERVIEW) };
}
function wantedBy(about, pyramid, state, level, view) {
  const keys = [...new Set(channelsOf(state)), ...about.masked ? [MASK] : []];
  const counted = countedPart(about, pyramid, state), time = stepOf(about, state.time);
  const found = /* @__PURE__ */ new Map(), overview = { level: pyramid.top, box: pyramid.whole };
  for (const part2 of [{ ...overview, time }, { ...overview, time: counted.time }, counted, { time, level, box: view || pyramid.whole }]) {
    for (const [row, col] of pyramid.within(part2.level, part2.box)) {
      for (const key of keys) {
        const address = { key, time: part2.time, level: part2.level, row, col };
        found.set(nameOf(address), address);
      }
    }
  }
  return [...found.values()];
}
var numbers = /* @__PURE__ */ new WeakMap();
var last = 0;
function numberOf(tile) {
  if (!numbers.has(tile)) numbers.set(tile, ++last);
  return numbers.get(tile);
}
function tilesOf(store, pyramid, key, { time, level, box }) {
  const found = pyramid.within(level, box).map(([row, col]) => store.get({ key, time, level, row, col }));
  return found.every((tile) => tile !== void 0) ? found : null;
}
function countsIn(about, state, channels, masks, box) {
  const parts = channels.map((tiles) => tiles.map((tile) => ({ codes: tile.codes, width: tile.shape[1], window: windowOf(tile, box) })));
  let leave = masks && masks.map(({ codes }) => codes);
  if (!masks && state.mode === "rgb" && about.reflectance) leave = brightIn(parts, channels.map(([first]) => first));
  return parts.map((channel) => countsOf(channel.map((part2, n) => ({ ...part2, leaveOut: leave && leave[n] }))));
}
var stretched = (about, state, scales, counts) => Object.fromEntries(channelsOf(state).map((key, n) => [key, middleOf(about, state)(stretchOf(scales[n], state.stretch, counts[n]))]));
var Statistics = class {
  /** @param {About} about @param {Pyramid} pyramid @param {Pick<Store, "get">} store */
  constructor(about, pyramid, store) {
    this.about = about;
    this.pyramid = pyramid;
    this.store = store;
    this.found = null;
  }
  /** The statistics of the tiles that are here; null if there are too few. @param {State} state */
  update(state) {
    const { about, pyramid, store } = this, keys = channelsOf(state);
    const part2 = countedPart(about, pyramid, state);
    const known = [part2, { ...part2, level: pyramid.top, box: pyramid.whole }].map((from2) => ({ from: from2, tiles: keys.map((key) => tilesOf(store, pyramid, key, from2)).filter((each) => each !== null) })).find(({ tiles: tiles2 }) => tiles2.length === keys.length);
    if (!known) {
      if (this.found && String(this.found.keys) !== String(keys)) this.found = null;
      return this.found;
    }
    const { from, tiles } = known, masks = about.masked ? tilesOf(store, pyramid, MASK, from) : null;
    const counted = JSON.stringify([from.box, tiles.flat().map(numberOf), masks && masks.map(numberOf), state.mode]);
    if (!this.counts || this.counted !== counted) {
      this.counted = counted;
      this.counts = countsIn(about, state, tiles, masks, from.box);
    }
    const made = JSON.stringify([keys, counted, state.stretch, middleOf(about, state).name]);
    if (this.found?.made !== made) {
      const scales = tiles.map(([{ low, step }]) => ({ low, step }));
      this.found = { made, keys, scales, counts: this.counts, limits: stretched(about, state, scales, this.counts) };
    }
    return this.found;
  }
};
var asTheyAre = (limits) => limits;
function middleOf(about, state) {
  if (state.mode === "rgb") return asTheyAre;
  if (state.mode === "difference") return symmetric;
  const maps = [defaultColormap(about, state), state.cmap].map(baseOf);
  return maps.every((name) => about.maps.Diverging.includes(name)) ? symmetric : centered;
}
var limitsOf = (about, state, tiles, mask) => stretched(about, state, tiles, countsIn(about, state, tiles.map((tile) => [tile]), mask ? [mask] : null, tiles[0].box));
function limitsInForce(state, found, reported = {}) {
  const pairs = channelsOf(state).map((key) => (
    /** @type {const} */
    [key, state.limits[key] || found?.limits[key] || reported[key]]
  ));
  return Object.fromEntries(pairs.filter(([, pair]) => pair));
}

// astra_xr/widgets/js/history.js
var MOST = 50;
var PAUSE = 1e3;
var GRADUAL = ["gamma", "limits", "area", "time"];
var part = (state, keys) => Object.fromEntries(keys.map((key) => [key, state[key]]));
var History = class {
  constructor(now = () => performance.now()) {
    this.now = now;
    this.done = [];
    this.undone = [];
  }
  /**
   * Record a change. All changes of one drag have the same `gesture`, and are one step.
   * @param {State} before @param {State} after @param {{ type: string, key?: string, gesture?: string }} action
   */
  record(before, after, { type, key = "", gesture = "" }) {
    const keys = Object.keys(after).filter((each) => after[each] !== before[each]);
    if (type === "view" || type === "split" || !keys.length) return;
    const last2 = this.done.at(-1), control = `${type} ${key} ${gesture}`;
    const step = { control, at: this.now(), before: part(before, keys), after: part(after, keys) };
    const gradual = last2 && (gesture || GRADUAL.includes(type) && step.at - last2.at < PAUSE);
    if (last2 && gradual && last2.control === control && !this.undone.length) {
      last2.at = step.at;
      last2.before = { ...step.before, ...last2.before };
      last2.after = { ...last2.after, ...step.after };
    } else this.done = [...this.done, step].slice(-MOST);
    this.undone = [];
  }
  /** The state with the last step undone; the same state if there is none. @param {State} state */
  undo(state) {
    const step = this.done.pop();
    if (!step) return state;
    this.undone.push(step);
    return { ...state, ...step.before };
  }
  /** The state with the last undone step done again. @param {State} state */
  redo(state) {
    const step = this.undone.pop();
    if (!step) return state;
    this.done.push(step);
    return { ...state, ...step.after };
  }
};

// astra_xr/widgets/js/store.js
var BYTES = 64 << 20;
var SERIES = 200;
var ASLEEP = 16 << 20;
var TRIES = 5;
var asleep = (
  /** @type {any} */
  globalThis[/* @__PURE__ */ Symbol.for("astra-xr stores asleep")] ??= /* @__PURE__ */ new Set()
);
var Store = class {
  /**
   * `name` identifies the store to the kernel, which drops requests that no store needs any more.
   * @param {Connection} wire
   * @param {string} name
   * @param {(act: () => void, wait: number) => unknown} later
   */
  constructor(wire, name, now = () => performance.now(), later = setTimeout) {
    this.wire = wire;
    this.name = name;
    this.now = now;
    this.later = (act, wait) => later(act, wait);
    this.lasting = false;
    this.due = false;
    this.tiles = /* @__PURE__ */ new Map();
    this.bytes = 0;
    this.views = /* @__PURE__ */ new Map();
    this.requested = /* @__PURE__ */ new Map();
    this.failed = /* @__PURE__ */ new Map();
    this.pages = [];
    this.spectra = [];
    this.formula = null;
    this.statistics = null;
    this.series = [];
    this.history = new History(now);
    this.refused = "";
  }
  /** @param {unknown} view @param {() => void} changed */
  join(view, changed) {
    this.views.set(view, { names: /* @__PURE__ */ new Map(), main: /* @__PURE__ */ new Set(), changed });
  }
  /** @param {unknown} view */
  leave(view) {
    this.views.delete(view);
    if (!this.views.size) asleep.delete(this);
    this.request();
    if (!this.views.size && !this.lasting) {
      this.tiles.clear();
      this.bytes = 0;
    }
  }
  changed() {
    for (const { changed } of this.views.values()) changed();
  }
  /** The tile, if it is here. @param {Address} address */
  get(address) {
    const name = nameOf(address), tile = this.tiles.get(name);
    if (tile) {
      this.tiles.delete(name);
      this.tiles.set(name, tile);
    }
    return tile;
  }
  /**
   * Set the tiles that a view needs now, and those to read ahead (`aside`); requests for others are withdrawn.
   * @param {unknown} view
   * @param {Address[]} addresses
   * @param {Address[]} aside
   */
  want(view, addresses, aside = []) {
    const joined = this.views.get(view);
    if (addresses.length) asleep.delete(this);
    if (joined) {
      joined.names = new Map([...addresses, ...aside].map((address) => [nameOf(address), address]));
      joined.main = new Set(addresses.map(nameOf));
    }
    this.request();
  }
  /** The tiles that any view needs, by name. @returns {Map<string, Address>} */
  get wanted() {
    return new Map([...this.views.values()].flatMap(({ names }) => [...names]));
  }
  /** Whether a tile is in sight of any view. @param {string} name */
  seen(name) {
    return [...this.views.values()].some(({ main }) => main.has(name));
  }
  /** Whether a tile is here or has failed. @param {Address} address */
  settled(address) {
    return this.tiles.has(nameOf(address)) || this.failed.has(nameOf(address));
  }
  /** Whether a tile is requested. @param {Address} address */
  pending(address) {
    return this.requested.has(nameOf(address));
  }
  /** Why a tile failed. @param {Address} address */
  failure(address) {
    return this.failed.get(nameOf(address))?.message;
  }
  /** Request what is needed, and withdraw what is not. */
  request() {
    const { wanted } = this, now = this.now();
    const add = [...wanted].filter(([name]) => !this.tiles.has(name) && !this.requested.has(name) && !((this.failed.get(name)?.at ?? 0) > now));
    const drop = [...this.requested].filter(([name]) => !wanted.has(name));
    if (!add.length && !drop.length) return;
    const listed2 = (address) => [address.key, address.time, address.level, address.row, address.col];
    const sent = this.wire.send({
      type: "want",
      store: this.name,
      add: add.map(([, address]) => listed2(address)),
      drop: drop.map(([, { address }]) => listed2(address)),
      raw: !canInflate()
    });
    for (const [name] of drop) this.requested.delete(name);
    if (sent) for (const [name, address] of add) this.requested.set(name, { address, since: now });
    else this.requested.clear();
  }
  /** Take a message of the kernel. @param {FromKernel} message */
  receive(message) {
    if (message.type === "formula") this.formula = message;
    if (message.type === "statistics") this.statistics = message;
    if (message.type === "spectra") this.spectra = message.spectra;
    if (message.type === "series") this.series = [...message.series, ...this.series].slice(0, SERIES);
    if (message.type === "refused") this.refused = message.message;
    if (message.type === "tile") this.put(message);
    if (message.type === "failed") {
      if (!this.requested.delete(nameOf(message))) return;
      const tries = (this.failed.get(nameOf(message))?.tries ?? 0) + 1;
      const wait = message.final || tries >= TRIES ? Infinity : 1e3 * 2 ** tries;
      this.failed.set(nameOf(message), { key: message.key, message: message.message, tries, at: this.now() + wait });
      this.scheduleRetry();
    }
    if (message.type === "page") {
      for (const { done, fail } of this.pages.splice(0)) {
        if (message.bytes) done(message.bytes);
        else fail(new Error(message.message));
      }
    }
    this.changed();
  }
  /** The picker as an HTML page, which the kernel makes. @returns {Promise<BlobPart>} */
  page() {
    return new Promise((done, fail) => {
      this.pages.push({ done, fail });
      if (!this.wire.send({ type: "page" })) this.receive({ type: "page", message: "the kernel is gone" });
    });
  }
  /** @param {Tile} tile */
  put(tile) {
    const name = nameOf(tile), before = this.tiles.get(name);
    this.requested.delete(name);
    this.failed.delete(name);
    if (before) this.bytes -= before.codes.byteLength;
    this.tiles.delete(name);
    this.tiles.set(name, tile);
    this.bytes += tile.codes.byteLength;
    this.trim(BYTES, name);
  }
  /** Drop the tiles used longest ago, but none that a view needs, until at most so many bytes are left. @param {number} most */
  trim(most, newest = "") {
    const { wanted } = this;
    for (const [each, { codes }] of this.tiles) {
      if (this.bytes <= most) break;
      if (each === newest || wanted.has(each)) continue;
      this.tiles.delete(each);
      this.bytes -= codes.byteLength;
    }
  }
  /** Need nothing for a view that is out of sight, and keep less. @param {unknown} view */
  sleep(view) {
    this.want(view, []);
    if (this.wanted.size || this.lasting) return;
    asleep.delete(this);
    asleep.add(this);
    let excess = [...asleep].reduce((sum, { bytes }) => sum + bytes, -ASLEEP);
    for (const store of asleep) {
      const { bytes } = store;
      if (excess > 0) store.trim(Math.max(0, bytes - excess));
      excess -= bytes - store.bytes;
    }
  }
  /** Request failed tiles again when they are due. */
  scheduleRetry() {
    const { wanted } = this;
    const open = [...this.failed].filter(([name]) => wanted.has(name) && !this.requested.has(name));
    const next = Math.min(...open.map(([, { at }]) => at));
    if (this.due || next === Infinity) return;
    this.due = true;
    this.later(() => {
      this.due = false;
      this.request();
      this.scheduleRetry();
    }, Math.max(250, next - this.now()));
  }
  /** Request failed tiles again, now. */
  retry() {
    this.failed.clear();
    this.refused = "";
    this.request();
  }
  /** How many milliseconds ago the oldest outstanding tile in sight was requested. */
  get waiting() {
    const since = [...this.requested].filter(([name]) => this.seen(name)).map(([, each]) => each.since);
    return since.length ? this.now() - Math.min(...since) : 0;
  }
  /** The channels of outstanding tiles in sight. */
  get reading() {
    return [...new Set([...this.requested].filter(([name]) => this.seen(name)).map(([, { address }]) => address.key))];
  }
  /** Why tiles in sight of these channels failed. @param {string[]} keys */
  failures(keys) {
    const found = [...this.failed].filter(([name, { key }]) => keys.includes(key) && this.seen(name));
    return [...new Set(found.map(([, { message }]) => message))];
  }
};

// astra_xr/widgets/js/offline.js
async function offlineModel(content) {
  const kept = { about: content.about, state: content.state, shown: content.shown };
  const listeners = /* @__PURE__ */ new Map();
  const model = {
    get: (key) => kept[key],
    set: (key, value) => {
      kept[key] = value;
      for (const act of listeners.get(`change:${key}`) || []) act();
    },
    on: (event, act) => listeners.set(event, [...listeners.get(event) || [], act]),
    off: (event, act) => listeners.set(event, (listeners.get(event) || []).filter((each) => each !== act))
  };
  const wire = {
    gone: false,
    save: (state) => model.set("state", state),
    send(message) {
      if (message.type === "want") setTimeout(() => message.add.forEach(([key, time, level, row, col]) => store.receive(missing({ key, time, level, row, col }))));
      return true;
    }
  };
  const missing = (address) => ({ type: "failed", ...address, message: `${address.key === MASK ? "The cloud mask" : address.key} is not included in this page.`, final: true });
  const store = new Store(wire, "page");
  store.lasting = true;
  store.spectra = content.spectra;
  store.statistics = content.statistics;
  for (const { data, ...tile } of content.tiles) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    store.put({ ...tile, codes: await unpacked(tile, [bytes]) });
  }
  return { model, store };
}

// astra_xr/widgets/js/ui/dom.js
function make(tag, attrs = {}, ...kids) {
  const node = document.createElement(tag);
  if (node instanceof HTMLButtonElement) node.type = "button";
  for (const [key, value] of Object.entries(attrs)) {
    if (value === void 0 || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && key !== "list" && key !== "role") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...kids.filter((kid) => kid !== null && kid !== void 0));
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
var ICONS = {
  locked: ["M4 7h8v6H4z", "M5.5 7V5a2.5 2.5 0 0 1 5 0v2"],
  open: ["M4 7h8v6H4z", "M5.5 7V5a2.5 2.5 0 0 1 4.8-1"],
  undo: ["M3 6.5h7a3.2 3.2 0 0 1 0 6.4H6.5", "M6 3.2 2.7 6.5 6 9.8"],
  redo: ["M13 6.5H6a3.2 3.2 0 0 0 0 6.4h3.5", "M10 3.2l3.3 3.3L10 9.8"],
  full: ["M2.5 6V2.5H6", "M10 2.5h3.5V6", "M13.5 10v3.5H10", "M6 13.5H2.5V10"],
  area: ["M2.5 4h11v8h-11z"]
};
var icon = (name) => draw(
  "svg",
  { class: "astra-icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
  ...ICONS[name].map((d) => draw("path", { d }))
);
var unique = () => Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("");
function checkbox(text, onchange, attrs = {}) {
  const input = make("input", { type: "checkbox", onchange: () => onchange(input.checked) });
  return { input, label: make("label", { class: "astra-check", ...attrs }, input, text) };
}
var iconButton = (name, content, onclick, attrs = {}) => make("button", { class: "astra-small", title: name, "aria-label": name, onclick, ...attrs }, content);
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { value: text, class: "astra-offscreen" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
function copyButton(title, textOf, attrs = {}, then = () => {
}) {
  const button = make("button", { ...attrs, onclick: async () => {
    const done = await copyText(textOf());
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => {
      button.textContent = title;
    }, 1500);
    then(done);
  } }, title);
  return button;
}
var tryAgain = (run) => make("button", { hidden: true, onclick: run }, "Try again");
function setValue(control, value) {
  const typing = control.tagName !== "SELECT" && control.getRootNode().activeElement === control;
  if (control.value !== String(value) && !typing) control.value = value;
}
var modified = (event) => event.ctrlKey || event.metaKey || event.altKey;
function onDrag(node, begin, move, end = () => {
}) {
  let drag = null;
  const listen = (name, act) => node.addEventListener(name, act);
  listen("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    drag = { begun: begin(event) };
  });
  listen("pointermove", (event) => {
    if (drag) move(event, drag.begun);
  });
  const stop = () => {
    drag = null;
    end();
  };
  listen("pointerup", stop);
  listen("pointercancel", stop);
}

// astra_xr/widgets/js/state.js
var available = ({ offline: offline2 }, ...keys) => !offline2 || keys.every((key) => offline2.includes(key));
function reduce(about, state, { side, ...action }) {
  if (!Object.hasOwn(ACTIONS, action.type)) return state;
  const act = ACTIONS[action.type];
  if (side !== "b" || !state.compare || !OF_A_SIDE.has(action.type)) return possible(about, act(about, state, action));
  const before = sideOf(about, state, "b"), after = act(about, before, action);
  return after === before ? state : possible(about, withB(about, state, after));
}
var OF_A_SIDE = /* @__PURE__ */ new Set(["mode", "preset", "band", "time"]);
function possible(about, state) {
  if (state.compare?.show !== "difference" || canDiffer(about, state)) return state;
  return compared(state, { show: "swipe" });
}
var without = (limits, keys) => Object.fromEntries(Object.entries(limits).filter(([key]) => !keys.includes(key)));
var ACTIONS = {
  mode(about, state, { mode }) {
    const next = { ...state, mode };
    if (mode === "index") {
      if (!available(about, state.index)) next.index = about.offline?.find((key) => about.indices[key]) ?? state.index;
      next.cmap = indexOf(about, next.index).cmap;
    }
    if (mode === "single") next.cmap = about.bands[state.band].cmap;
    return next;
  },
  preset(about, state, { title }) {
    const bands = about.presets[title];
    return bands ? { ...state, mode: "rgb", bands: [...bands] } : state;
  },
  band(about, state, { channel, name }) {
    if (state.mode === "rgb") return { ...state, bands: state.bands.map((band, n) => n === channel ? name : band) };
    if (state.mode === "index") return { ...state, index: name, cmap: indexOf(about, name).cmap };
    return { ...state, band: name };
  },
  // Limits that were set stay, unless all channels have such: the stretch would change nothing then.
  stretch(about, state, { patch, keys: shown2 = channelsOf(state) }) {
    const stretch = { ...state.stretch, ...patch };
    const { low, high, sigma } = stretch;
    if (!(low >= 0 && low < high && high <= 100 && sigma > 0 && sigma <= 100)) return state;
    return { ...state, stretch, limits: shown2.every((key) => state.limits[key]) ? without(state.limits, shown2) : state.limits };
  },
  /** Limits follow the stretch again. */
  automatic(about, state, { keys }) {
    return keys.some((key) => state.limits[key]) ? { ...state, limits: without(state.limits, keys) } : state;
  },
  // `end` is the limit that was moved. In a difference, the other one follows, as 0 is in the middle.
  limits(about, state, { key, limits: [low, high], end }) {
    if (key === DIFFERENCE) [low, high] = [-1, 1].map((sign) => sign * (end === void 0 ? Math.max(-low, high) : Math.abs(end ? high : low)));
    if (!Number.isFinite(low) || !Number.isFinite(high) || !(low < high)) return state;
    return { ...state, limits: { ...state.limits, [key]: parted(low, high) } };
  },
  pin(about, state, { row, col }) {
    const { grid } = about;
    if (row < 0 || col < 0 || row >= grid.rows || col >= grid.cols) return state;
    const at = [grid.x + grid.dx * (Math.floor(col) + 0.5), grid.y + grid.dy * (Math.floor(row) + 0.5)];
    const point = at.map((value) => Number(value.toPrecision(12)));
    if (state.pins.some((pin) => String(pin) === String(point))) return state;
    return { ...state, pins: [...state.pins, [point[0], point[1]]] };
  },
  area(about, state, { area }) {
    if (!area) return state.area ? { ...state, area: null } : state;
    const { rows, cols } = about.grid;
    const whole = area.map((edge, n) => clamp(Math.round(edge), 0, n % 2 ? cols : rows));
    const [top, left, bottom, right] = whole;
    if (!(top < bottom && left < right) || String(whole) === String(state.area)) return state;
    return { ...state, area: whole };
  },
  unpin: (about, state, { n }) => ({ ...state, pins: state.pins.filter((_, i) => i !== n) }),
  clear: (about, state) => ({ ...state, pins: [] }),
  view: (about, state, { view }) => String(view) === String(state.view) ? state : { ...state, view },
  time: (about, state, { label }) => label === state.time || !about.steps.some((step) => step.label === label) ? state : { ...state, time: label },
  // All steps have the limits of the one that was shown when this was chosen.
  same: (about, state, { same }) => ({ ...state, stretch: { ...state.stretch, time: same ? state.time : null } }),
  cmap(about, state, { name }) {
    return state.compare?.show === "difference" ? compared(state, { cmap: name }) : { ...state, cmap: name };
  },
  compare(about, state, { on }) {
    if (!on) return { ...state, compare: null };
    return { ...state, compare: { ...otherThan(about, state, (key) => available(about, key)), show: "swipe", split: 0.5, cmap: "BrBG" } };
  },
  show(about, state, { show }) {
    const possible2 = show === "swipe" || show === "difference" && canDiffer(about, state);
    return state.compare && possible2 && show !== state.compare.show ? compared(state, { show }) : state;
  },
  split(about, state, { split }) {
    const at = Math.round(split * 1e3) / 1e3;
    return state.compare && at >= 0 && at <= 1 && at !== state.compare.split ? compared(state, { split: at }) : state;
  },
  swap: (about, state) => state.compare ? swapped(about, state) : state,
  gamma: (about, state, { gamma }) => ({ ...state, gamma }),
  mask: (about, state, { mask }) => ({ ...state, mask })
};

// astra_xr/widgets/js/code.js
function codeOf(about, state, limits) {
  const seen = sidesSeen(state);
  if (seen[0] !== "difference") return seen.map((side) => lineOf(about, sideOf(about, state, side), limits)).join("\n");
  const [a, b] = bothOf(about, state).map((own) => channelCode(about, own, true));
  return `(${b} - ${a})${plotCode(sideOf(about, state, "difference"), limits)}`;
}
function lineOf(about, state, limits) {
  const shown2 = channelsOf(state);
  if (state.mode === "rgb") {
    const pairs = shown2.filter((key) => limits[key]).map((key) => `(${limits[key].map((edge) => numberText(edge)).join(", ")})`);
    const limited = pairs.length === shown2.length ? `, limits=[${pairs.join(", ")}]` : "";
    const gamma = state.gamma === 1 ? "" : `, gamma=${numberText(state.gamma)}`;
    return `${sourceCode(about, state)}.astra.rgb([${shown2.map((name) => JSON.stringify(name)).join(", ")}]${limited}${gamma}${state.mask ? ", mask_clouds=True" : ""})`;
  }
  const classes = state.mode === "single" && about.bands[state.band].classes.length > 0;
  return channelCode(about, state) + (classes ? ".plot.imshow()" : plotCode(state, limits));
}
function channelCode(about, state, signed = false) {
  const source = sourceCode(about, state), [key] = channelsOf(state);
  if (state.mode === "index") return `${source}.astra.index(${JSON.stringify(key)}${state.mask ? ", mask_clouds=True" : ""})`;
  const clear = state.mask ? `.where(~${source}.astra.mask())` : "";
  const band = about.array ? "" : `[${JSON.stringify(key)}]`;
  return `${source}${band}${clear}${signed && about.bands[key].integer ? '.astype("float64")' : ""}`;
}
function plotCode(state, limits) {
  const pair = limits[channelsOf(state)[0]];
  const ends = pair ? `, vmin=${numberText(pair[0])}, vmax=${numberText(pair[1])}` : "";
  return `.plot.imshow(cmap=${JSON.stringify(state.cmap)}${ends})`;
}
function sourceCode(about, state) {
  const view = viewCode(about.grid, state.view), step = about.steps.find(({ label }) => label === state.time);
  if (!step) return about.name + view;
  return step.matched ? `${step.source}.rio.reproject_match(${about.name}${view})` : `${step.source || about.name}${step.code}${view}`;
}
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${literal(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}
function pickOf(about, state) {
  const source = about.steps.map((step) => step.source).find(Boolean);
  const chosen = Object.entries(state).filter(([, value]) => !["null", "{}", "[]"].includes(JSON.stringify(value)));
  return `${about.name}.astra.pick(
${chosen.map(([key, value]) => {
    const code = literal(value);
    return `    ${key}=${key === "compare" && source ? code.replace("{", `{"other": ${source}, `) : code},
`;
  }).join("")})`;
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

// astra_xr/widgets/js/difference.js
function subtracted(a, b) {
  const step = a.step + b.step, low = b.low - a.low - (LAST - 1) * a.step;
  const codes = new Uint16Array(a.codes.length);
  for (let i = 0; i < codes.length; i++) {
    const p = a.codes[i], q = b.codes[i];
    if (p && q) codes[i] = Math.floor(((LAST - p) * a.step + (q - 1) * b.step) / step + 0.5) + 1;
  }
  return { low, step, codes };
}
var Differences = class {
  /** @param {About} about @param {Store} store */
  constructor(about, store) {
    this.about = about;
    this.store = store;
    this.sides = [];
    this.made = /* @__PURE__ */ new WeakMap();
  }
  /** Set the states of A and B; return whether their channels or steps are others than before. @param {State[]} states */
  of(...states) {
    const before = JSON.stringify(this.sides);
    this.sides = states.map((state) => ({ key: channelsOf(state)[0], time: stepOf(this.about, state.time) }));
    return JSON.stringify(this.sides) !== before;
  }
  /** The tile of the difference, or of the union of both masks; the time of the address is ignored. @param {Address} address @returns {Tile | undefined} */
  get({ key, level, row, col }) {
    const [a, b] = this.sides.map((side) => this.store.get({ key: key === MASK ? MASK : side.key, time: side.time, level, row, col }));
    if (!a || !b) return void 0;
    const known = this.made.get(a) || /* @__PURE__ */ new WeakMap();
    this.made.set(a, known);
    const tile = known.get(b) || { ...a, key, ...key === MASK ? { codes: a.codes.map((code, i) => code | b.codes[i]) } : subtracted(a, b) };
    known.set(b, tile);
    return tile;
  }
};

// astra_xr/widgets/js/ui/area.js
var CORNERS = [["top left", [0, 1]], ["top right", [0, 3]], ["bottom left", [2, 1]], ["bottom right", [2, 3]]];
var LEAST = 4;
var EDGE = 24;
function sizeText({ about: { grid }, stage }, [top, left, bottom, right]) {
  if (!grid.meters) return `${right - left} × ${bottom - top} pixels`;
  const sides = [(right - left) * grid.meters, (bottom - top) * grid.meters * stage.viewport.ratio];
  const far = Math.max(...sides) >= 1e3;
  const text = sides.map((side) => numberText(far ? side / 1e3 : side, 3)).join(" × ");
  return `${text} ${far ? "km" : "m"}`;
}
var between = (top, left, bottom, right) => [Math.min(top, bottom), Math.min(left, right), Math.max(top, bottom), Math.max(left, right)];
var AreaTool = class {
  drawing = false;
  /** @type {Box | null} */
  placed = null;
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.button = iconButton(
      "Draw an area",
      icon("area"),
      (e) => this.toggle(e.detail === 0),
      { class: "astra-tool", "aria-pressed": "false", title: "Draw an area (or Shift and drag)" }
    );
    this.tag = make("button", { class: "astra-area-tag" });
    this.corners = CORNERS.map(([name]) => make("button", { class: "astra-area-corner", "aria-label": `Corner of the area, ${name}` }));
    this.frame = make("div", { class: "astra-area-frame" });
    this.node = make("div", { class: "astra-area", role: "group", "aria-label": "Area", hidden: true }, this.frame, ...this.corners, this.tag);
    this.handle(this.tag, [0, 1, 2, 3]);
    CORNERS.forEach(([, edges], n) => this.handle(this.corners[n], edges));
    this.draws();
  }
  get area() {
    return this.stage.view.state.area;
  }
  /** @param {number[] | null} area @param {string} [gesture] */
  set(area, gesture) {
    this.stage.view.act({ type: "area", area, gesture });
  }
  remove() {
    this.set(null);
    this.stage.canvas.focus();
  }
  /** Start or stop drawing. The keyboard cannot drag, so it sets the middle of the view as area. */
  toggle(byKey) {
    const { viewport, view } = this.stage;
    if (!byKey) {
      this.arm(!this.drawing);
      return;
    }
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
    let from = null;
    let gesture = "", pointer = 0;
    let before = null;
    const own = (act) => (e) => {
      if (!from || e.pointerId !== pointer) return;
      e.stopImmediatePropagation();
      act(e);
    };
    const stop = () => {
      from = null;
      this.arm(false);
    };
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
    const [top, left, bottom, right] = area.map((at, n) => at + (edges.includes(n) ? n % 2 ? dc : dr : 0));
    this.set(between(top, left, bottom, right), gesture);
  }
  /** Position the rectangle on the screen. */
  place() {
    const { viewport, view } = this.stage, { area } = this;
    this.node.hidden = !area;
    if (!area) return;
    const [x, y] = viewport.toScreen(area[0], area[1]), [x2, y2] = viewport.toScreen(area[2], area[3]);
    const lay = (node, left2, top) => {
      node.style.left = `${left2.toFixed(1)}px`;
      node.style.top = `${top.toFixed(1)}px`;
    };
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
};
var subject = (state) => [channelsOf(state), state.mask, state.time];
var AreaPanel = class {
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
    this.node = make(
      "section",
      { class: "astra-area-panel", "aria-label": "Statistics of the area", hidden: true },
      this.title,
      this.table,
      this.note,
      make("div", { class: "astra-row" }, this.again, this.copy, remove)
    );
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
    this.copy.title = known && known.unplaced || "The area as bbox= of open_scene";
    if (known && known.sides) this.fill(known);
    this.again.hidden = !known?.message;
    this.note.textContent = noteOf(known, gone);
  }
  /** A row for each channel. @param {AreaStatistics} known */
  fill({ sides = [] }) {
    const number = (value) => value === null ? "–" : numberText(value, 4);
    const head = ["mean", "std", this.view.state.mask ? "clear" : "valid"].map((text) => make("th", { scope: "col" }, text));
    const named = (key, n) => sides.length === 1 ? key : n === 2 ? "B − A" : `${"AB"[n]}  ${key}`;
    const rows = sides.flatMap((side, n) => side.map((row) => make(
      "tr",
      {},
      make("th", { scope: "row" }, named(row.key, n)),
      ...[number(row.mean), number(row.std), percent(row.valid)].map((text) => make("td", {}, text))
    )));
    this.table.replaceChildren(make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...rows));
  }
};
var percent = (share) => `${share > 0.999 && share < 1 ? "> 99.9" : numberText(100 * share, 3)} %`;
function noteOf(known, gone) {
  if (!known) return gone ? "Statistics need a kernel." : "Reading…";
  if (known.message) return known.message;
  const { mean_of: of = 1, sides = [] } = known;
  if (of > 1) return `From an overview, whose pixels are means of ${numberText(of, 3)} each.`;
  const count = Math.max(0, ...sides.flat().map((row) => row.count));
  return `Of ${count.toLocaleString("en")} pixels, in full resolution.`;
}

// astra_xr/widgets/js/ui/head.js
var SIDES = [["a", "A"], ["b", "B"]];
var SHOWS = [["swipe", "Swipe"], ["difference", "B − A"]];
var MODES = [["rgb", "RGB"], ["index", "Index"], ["single", "Band"]];
var Head = class {
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.modes = this.segments("Mode", "mode", MODES, (mode) => view.act({ type: "mode", mode }));
    for (const label of this.modes.children) {
      const input = label.firstChild;
      input.disabled = !Object.keys(input.value === "index" ? about.indices : about.bands).some((key) => available(about, key));
      label.title = input.disabled ? "Not possible with these bands" : "";
    }
    const options = [make("option", { value: "" }, "Preset…")];
    for (const [title, bands] of Object.entries(about.presets)) {
      options.push(make("option", { value: title, disabled: !available(about, ...bands) }, title));
    }
    this.preset = make("select", { "aria-label": "Preset", onchange: () => view.act({ type: "preset", title: this.preset.value }) }, ...options);
    this.preset.hidden = options.length === 1;
    this.mask = checkbox("Hide clouds", (mask) => view.act({ type: "mask", mask }), { hidden: !about.masked });
    const step = (name, label, keys) => iconButton(label, icon(name), () => view.step(name), { title: `${label} (${keys})` });
    this.undo = step("undo", "Undo", "Ctrl+Z");
    this.redo = step("redo", "Redo", "Shift+Ctrl+Z");
    const toggle = () => (view.full ? document.exitFullscreen() : view.root.requestFullscreen()).catch(() => view.status.show("The browser denied full screen."));
    this.full = iconButton("Full screen", icon("full"), toggle, { "aria-pressed": "false", hidden: !document.fullscreenEnabled });
    this.makeCompare();
    this.node = make(
      "div",
      { class: "astra-head" },
      this.sides,
      this.modes,
      this.preset,
      this.mask.label,
      this.compare.label,
      this.shows,
      this.swap,
      make("span", { class: "astra-pair" }, this.undo, this.redo),
      make("span", { class: "astra-title", title: about.title }, about.title.replace(/^[\w-]+:/, "")),
      view.save.node,
      this.full
    );
  }
  /** Alternatives side by side, of which one is chosen. */
  segments(label, name, all, run) {
    return make(
      "div",
      { class: "astra-segments", role: "radiogroup", "aria-label": label },
      ...all.map(([value, title]) => make(
        "label",
        { class: `astra-segment astra-of-${value}` },
        make("input", { type: "radio", name: `${this.view.id}-${name}`, value, onchange: () => run(value) }),
        make("span", {}, title)
      ))
    );
  }
  /** The checkbox "Compare", and the choices that it opens. */
  makeCompare() {
    const { view } = this;
    this.compare = checkbox("Compare", (on) => view.act({ type: "compare", on }), { title: "Compare with another date, index or bands" });
    this.sides = this.segments("Side that the menus change", "side", SIDES, (side) => view.choose(side));
    this.shows = this.segments("Comparison", "show", SHOWS, (show) => view.act({ type: "show", show }));
    this.swap = iconButton("Swap A and B", "⇄", () => view.act({ type: "swap" }));
  }
  updateCompare() {
    const { about, state, side } = this.view, { compare } = state;
    this.compare.input.checked = Boolean(compare);
    for (const each of [this.sides, this.shows, this.swap]) each.hidden = !compare;
    this.node.classList.toggle("astra-comparing", Boolean(compare));
    if (!compare) return;
    for (const { firstChild: input } of this.sides.children) input.checked = input.value === side;
    const can = canDiffer(about, state);
    for (const label of this.shows.children) {
      const input = label.firstChild;
      input.checked = input.value === compare.show;
      input.disabled = input.value === "difference" && !can;
      label.title = input.disabled ? "For an index or a band: choose one for A and for B" : "";
    }
  }
  update() {
    this.updateCompare();
    const { about, edited: state, store } = this.view;
    for (const { firstChild: input } of this.modes.children) input.checked = input.value === state.mode;
    const preset = Object.keys(about.presets).find((title) => state.mode === "rgb" && String(about.presets[title]) === String(state.bands));
    setValue(this.preset, preset || "");
    this.undo.setAttribute("aria-disabled", !store.history.done.length);
    this.redo.setAttribute("aria-disabled", !store.history.undone.length);
    this.full.setAttribute("aria-pressed", this.view.full);
    this.mask.input.checked = state.mask;
    const [unmasked] = store.failures([MASK]);
    this.mask.label.title = unmasked || "From the scene's classification band";
    this.mask.input.disabled = Boolean(unmasked) && !state.mask;
  }
};

// astra_xr/widgets/js/ui/chart.js
var WIDE = 300;
var PINS = ["#e8590c", "#1c7ed6", "#2f9e44", "#ae3ec9", "#e03131", "#0c8599"];
var pinColor = (n) => PINS[n % PINS.length];
var scaleOf = (low, high, from, to) => (value) => from + (value - low) / (high - low || 1) * (to - from);
var labelAt = (x, y, text, attrs = {}) => draw("text", { x, y, ...attrs }, text);
var gridLine = (y, text, left, right) => [draw("line", { x1: left, x2: right, y1: y, y2: y, class: "astra-rail" }), labelAt(left - 4, y + 3, text, { class: "astra-end" })];
var lineThrough = (points, color) => draw("path", { d: points.map(([x, y], n) => `${n ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""), stroke: color, class: "astra-line" });
var dotAt = ([x, y], color, tooltip, attrs = {}) => draw("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6, fill: color, ...attrs }, draw("title", {}, tooltip));

// astra_xr/widgets/js/ui/index_menu.js
var IndexMenu = class {
  /** @type {HTMLElement[]} */
  options = [];
  at = -1;
  // the option that Enter chooses
  /** `choose` is called with the name of an index, or a formula. @param {View} view @param {(text: string) => void} choose */
  constructor(view, choose) {
    this.view = view;
    this.choose = choose;
    const id = `${view.id}-indices`;
    this.list = make("ul", { class: "astra-options", role: "listbox", id, "aria-label": "Indices", hidden: true });
    this.input = make("input", {
      type: "text",
      role: "combobox",
      "aria-label": "Index",
      "aria-expanded": "false",
      "aria-controls": id,
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: false,
      title: "A name, words to find one, or a formula such as (N-R)/(N+R)"
    });
    this.node = make("div", { class: "astra-combo" }, this.input, this.list);
    this.input.addEventListener("input", () => this.open(this.input.value));
    this.input.addEventListener("click", () => {
      if (this.list.hidden) {
        this.input.select();
        this.open("");
      }
    });
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.list.addEventListener("mousedown", (e) => e.preventDefault());
  }
  key(e) {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      if (this.list.hidden) this.open("");
      else this.mark(this.at + (e.key === "ArrowDown" ? 1 : -1));
    } else if (e.key === "Enter") this.take(this.options[this.at]?.dataset.name ?? this.input.value.trim());
    else if (e.key === "Escape" && !this.list.hidden) this.close();
    else return;
    e.preventDefault();
  }
  /** List the indices that contain all words of a text. @param {string} text */
  open(text) {
    const { about } = this.view, words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const formula = isFormula(text);
    const found = formula ? [] : Object.entries(about.indices).filter(([name, { title, domain }]) => {
      const all = `${name} ${title} ${domain}`.toLowerCase();
      return words.every((word2) => all.includes(word2));
    });
    const first = ([name]) => words.length && name.toLowerCase().startsWith(words[0]) ? 0 : 1;
    found.sort((p, q) => first(p) - first(q));
    this.options = formula ? [this.option(text.trim(), "", "your own formula")] : found.map(([name, { title, domain }]) => this.option(name, title, domain));
    this.list.replaceChildren(...this.options.length ? this.options : [make("li", {}, "No index of these bands matches.")]);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(words.length ? 0 : this.options.findIndex(({ dataset }) => dataset.name === this.current));
  }
  option(name, title, domain) {
    const { about } = this.view, known = !about.indices[name] || available(about, name);
    const node = make(
      "li",
      { role: "option", "aria-selected": "false", "aria-disabled": known ? null : "true" },
      make("b", {}, name),
      title ? make("span", {}, title) : null,
      make("i", {}, domain)
    );
    node.dataset.name = name;
    node.addEventListener("click", () => this.take(name));
    return node;
  }
  mark(at) {
    this.at = clamp(at, -1, this.options.length - 1);
    this.options.forEach((node, n) => {
      node.id = `${this.list.id}-${n}`;
      node.setAttribute("aria-selected", String(n === this.at));
    });
    const marked = this.options[this.at];
    this.input.setAttribute("aria-activedescendant", marked ? marked.id : "");
    if (marked) this.list.scrollTop = clamp(this.list.scrollTop, marked.offsetTop + marked.offsetHeight - this.list.clientHeight, marked.offsetTop);
  }
  take(text) {
    const { about } = this.view;
    const name = Object.keys(about.indices).find((each) => each.toLowerCase() === text.toLowerCase()) ?? text;
    if (about.indices[name] ? !available(about, name) : !isFormula(name)) return;
    this.input.value = name;
    this.current = name;
    this.close();
    this.choose(name);
  }
  /** Show the index that is chosen. @param {string} name */
  show(name) {
    this.current = name;
    if (this.list.hidden && this.input.value !== name) this.input.value = name;
  }
  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.setAttribute("aria-activedescendant", "");
    this.input.value = this.current ?? "";
  }
};

// astra_xr/widgets/js/ui/panel.js
var CHANNELS2 = [["R", "red"], ["G", "green"], ["B", "blue"]];
var STRETCHES = [["percentile", "Percentile"], ["sigma", "Sigma"], ["minmax", "Min–max"]];
var fieldStep = ([low, high]) => 10 ** Math.floor(Math.log10((high - low) / 20 || 1));
var Panel = class {
  checking = "";
  // a formula that Python checks
  wrong = "";
  // what is wrong with a formula
  /** @type {HTMLInputElement[]} */
  swatches = [];
  // of colormaps
  constructor(view) {
    this.view = view;
    this.rows = [];
    this.node = make("div", { class: "astra-panel" });
    this.channels = make("div", { class: "astra-channels" });
    this.formula = make("div", { class: "astra-formula", "aria-live": "polite" });
    this.maps = this.makeMaps();
    this.legend = make("ul", { class: "astra-legend", "aria-label": "Classes" });
    this.makeStretch();
    this.gamma = make("input", {
      type: "range",
      min: -1,
      max: 1,
      step: 0.02,
      "aria-label": "Gamma",
      oninput: () => view.act({ type: "gamma", gamma: Number((3 ** Number(this.gamma.value)).toFixed(2)) })
    });
    this.gammaText = make("output", { class: "astra-unit" });
    this.gammaRow = make("label", { class: "astra-row astra-gamma" }, make("span", {}, "Gamma"), this.gamma, this.gammaText);
    this.makeRanges();
    this.heading = make("div", { class: "astra-heading" });
    this.above = [this.heading, this.channels, this.formula, this.maps];
    this.below = [this.legend, this.stretchRow, this.ranges, this.gammaRow];
  }
  makeMaps() {
    const { about, id } = this.view;
    const act = (name) => this.view.act({ type: "cmap", name: this.reverse.input.checked ? `${name}_r` : name });
    this.reverse = checkbox("Reverse", () => act(baseOf(this.view.state.cmap)));
    const swatch = (name) => {
      const stops = [0, 36, 73, 109, 146, 182, 219, 255].map((i) => `#${about.colormaps[name].slice(6 * i, 6 * i + 6)}`);
      const safe = about.safe.includes(name);
      const input = make("input", { type: "radio", name: `${id}-map`, value: name, "aria-label": `${name}${safe ? ", safe for color blindness" : ""}`, onchange: () => act(name) });
      this.swatches.push(input);
      return make(
        "label",
        { title: safe ? `${name} (safe for color blindness)` : name, class: safe ? "astra-safe" : "" },
        input,
        make("span", { style: `background:linear-gradient(90deg,${stops})` })
      );
    };
    const groups = Object.entries(about.maps).map(([title, names]) => make(
      "div",
      { class: "astra-map-group", role: "group", "aria-label": title },
      make("span", { class: "astra-unit" }, title),
      make("div", { class: "astra-maps" }, ...names.map(swatch))
    ));
    return make(
      "div",
      { class: "astra-map-groups", role: "radiogroup", "aria-label": "Colormap" },
      ...groups,
      make("div", { class: "astra-row" }, this.reverse.label, make("span", { class: "astra-unit astra-safe-note" }, "safe for color blindness"))
    );
  }
  makeStretch() {
    const stretch = (patch) => this.view.act({ type: "stretch", patch, keys: channelsOf(this.view.shown) });
    this.stretch = make(
      "select",
      { "aria-label": "Stretch", onchange: () => stretch({ kind: this.stretch.value }) },
      ...STRETCHES.map(([kind, title]) => make("option", { value: kind }, title)),
      make("option", { value: "custom", disabled: true }, "Custom")
    );
    const number = (name, label, bounds) => make("input", {
      type: "number",
      class: "astra-number",
      "aria-label": label,
      ...bounds,
      onchange: (e) => stretch({ [name]: Number(e.target.value) })
    });
    this.low = number("low", "Lower percentile", { min: 0, max: 100, step: "any" });
    this.high = number("high", "Upper percentile", { min: 0, max: 100, step: "any" });
    this.sigma = number("sigma", "Standard deviations", { min: 0.1, max: 100, step: 0.5 });
    this.of = make(
      "select",
      { "aria-label": "Statistics of", onchange: () => stretch({ of: this.of.value }) },
      make("option", { value: "whole" }, "of scene"),
      make("option", { value: "view" }, "of view")
    );
    this.percents = make("span", { class: "astra-pair" }, this.low, this.high, make("span", { class: "astra-unit" }, "%"));
    this.sigmas = make("span", { class: "astra-pair" }, this.sigma, make("span", { class: "astra-unit" }, "σ"));
    this.reset = make("button", {
      title: "Automatic limits for all channels",
      onclick: () => this.view.act({ type: "automatic", keys: channelsOf(this.view.shown) })
    }, "↺ Reset");
    this.stretchRow = make("div", { class: "astra-row" }, this.stretch, this.percents, this.sigmas, this.of, this.reset);
  }
  /** Buttons for the usual limits of an index. */
  makeRanges() {
    const button = (text, title, of) => make("button", { title, onclick: () => {
      const [key] = channelsOf(this.view.shown), known = this.view.limits[key];
      if (known) this.view.act({ type: "limits", key, limits: of(known) });
    } }, text);
    this.ranges = make(
      "div",
      { class: "astra-row", role: "group", "aria-label": "Usual limits" },
      button("−1…1", "Limits from −1 to 1", () => [-1, 1]),
      button("0…1", "Limits from 0 to 1", () => [0, 1]),
      button("±", "Limits symmetric about 0", symmetric)
    );
  }
  /** Make the menus and limits of the channels anew when the mode changes. */
  makeChannels() {
    const { edited: state } = this.view;
    if (this.made === state.mode) return;
    this.made = state.mode;
    this.rows = channelsOf(state).map((_, n) => {
      const rgb = state.mode === "rgb";
      const name = rgb ? CHANNELS2[n][1] : state.mode === "index" ? "index" : "band";
      const label = rgb ? `Band in ${name}` : name === "index" ? "Index" : "Band";
      const finder = state.mode === "index" ? new IndexMenu(this.view, (text) => this.chooseIndex(text)) : null;
      const menu = finder ? finder.input : make(
        "select",
        { "aria-label": label, onchange: () => this.view.act({ type: "band", channel: n, name: menu.value }) },
        ...this.bandOptions()
      );
      const limits = [0, 1].map((i) => make("input", {
        type: "number",
        class: "astra-number astra-limit",
        step: "any",
        "aria-label": `${i ? "Upper" : "Lower"} limit of ${name}`,
        onchange: (e) => this.typed(n, i, e.target.value)
      }));
      const lock = make("button", { class: "astra-small astra-lock", onclick: () => this.toggleLock(n) });
      const mark = rgb ? make("b", { class: `astra-mark astra-${name}`, "aria-hidden": "true" }, CHANNELS2[n][0]) : null;
      return { menu, finder, limits, lock, node: make("div", { class: `astra-channel${rgb ? "" : " astra-alone"}` }, mark, finder ? finder.node : menu, ...limits, lock) };
    });
    this.channels.replaceChildren(...this.rows.map((row) => row.node));
  }
  typed(n, i, text) {
    const key = channelsOf(this.view.shown)[n];
    const limits = [...this.view.limits[key] || [0, 1]];
    limits[i] = text === "" ? NaN : Number(text);
    this.view.act({ type: "limits", key, limits, end: i });
  }
  /** Keep the limits of a channel, or let them follow the stretch again. */
  toggleLock(n) {
    const { shown: state, limits } = this.view, key = channelsOf(state)[n];
    this.view.act(state.limits[key] ? { type: "automatic", keys: [key] } : { type: "limits", key, limits: limits[key] || [] });
  }
  bandOptions() {
    const { about } = this.view;
    return Object.entries(about.bands).map(([name, band]) => {
      const names = [...new Set([name, band.native, band.common].filter(Boolean))];
      const wave = band.wavelength ? `${numberText(band.wavelength, 4)} µm` : "";
      return make("option", { value: name, disabled: !available(about, name), title: band.title }, [names.join(" · "), wave].filter(Boolean).join("  "));
    });
  }
  update() {
    this.makeChannels();
    const { shown: state, edited, about, limits } = this.view;
    this.updateHeading();
    const classes = state.mode === "single" ? about.bands[state.band].classes : [];
    channelsOf(state).forEach((key, n) => {
      const { menu, finder, lock, limits: fields } = this.rows[n];
      if (finder) finder.show(channelsOf(edited)[n]);
      else setValue(menu, channelsOf(edited)[n]);
      this.updateLock(lock, key, classes.length > 0);
      fields.forEach((input, i) => {
        input.hidden = classes.length > 0;
        setValue(input, limits[key] ? numberText(limits[key][i], 3) : "");
        if (limits[key]) input.step = fieldStep(limits[key]);
      });
    });
    this.updateFormula();
    this.maps.hidden = state.mode === "rgb" || classes.length > 0 || !this.view.mapIsChosen;
    for (const input of this.swatches) input.checked = input.value === baseOf(state.cmap);
    this.reverse.input.checked = state.cmap !== baseOf(state.cmap);
    this.legend.hidden = !classes.length;
    const of = classes.length ? state.band : "";
    if (this.legend.dataset.of !== of) {
      this.legend.dataset.of = of;
      this.legend.replaceChildren(...classes.map((c) => make("li", {}, make("i", { style: `background:${c.color}` }), c.name)));
    }
    this.updateStretch(classes.length > 0);
  }
  /** Choose an index, or a formula, which Python checks first. @param {string} text */
  chooseIndex(text) {
    const { view } = this;
    this.wrong = "";
    if (view.about.indices[text]) view.act({ type: "band", channel: 0, name: text });
    else if (view.about.offline) this.wrong = "A formula needs a kernel.";
    else {
      this.checking = text;
      view.store.wire.send({ type: "formula", text });
    }
    view.refresh();
  }
  updateFormula() {
    const { edited, about, store } = this.view, checked = store.formula;
    if (checked && checked.text === this.checking) {
      this.checking = "";
      this.wrong = checked.message || "";
      if (checked.name && edited.mode === "index") this.view.act({ type: "band", channel: 0, name: checked.name });
    }
    this.formula.hidden = edited.mode !== "index";
    if (this.formula.hidden) return;
    const index = indexOf(about, edited.index);
    this.formula.classList.toggle("astra-wrong", Boolean(this.wrong));
    const text = this.wrong || `${index.title}: ${index.formula}`;
    if (this.formula.textContent === text) return;
    this.formula.replaceChildren(...this.wrong ? [text] : [`${index.title}: `, make("span", {}, index.formula)]);
  }
  updateLock(lock, key, hidden) {
    const kept = Boolean(this.view.state.limits[key]);
    lock.hidden = hidden;
    lock.disabled = !this.view.limits[key];
    if (lock.dataset.of === `${key} ${kept}`) return;
    lock.dataset.of = `${key} ${kept}`;
    lock.setAttribute("aria-pressed", kept);
    lock.setAttribute("aria-label", `Keep limits of ${key}`);
    lock.title = kept ? `The limits of ${key} are kept; click for automatic ones` : `Keep the limits of ${key}, whatever the stretch`;
    lock.replaceChildren(icon(kept ? "locked" : "open"));
  }
  /** The name of the side whose limits the panel shows. */
  updateHeading() {
    const { about, state, limitsOf: limitsOf2 } = this.view;
    this.heading.hidden = !state.compare;
    if (!state.compare) return;
    this.heading.textContent = labelOf(about, state, limitsOf2);
    this.heading.className = `astra-heading astra-of-${limitsOf2}`;
  }
  updateStretch(classes) {
    const { shown: state } = this.view;
    this.stretchRow.hidden = classes;
    const { kind, low, high, sigma, of } = state.stretch;
    const set = channelsOf(state).filter((key) => state.limits[key]);
    const custom = set.length === channelsOf(state).length;
    this.reset.hidden = !set.length;
    setValue(this.stretch, custom ? "custom" : kind);
    setValue(this.low, low);
    setValue(this.high, high);
    setValue(this.sigma, sigma);
    setValue(this.of, of);
    this.percents.hidden = custom || kind !== "percentile";
    this.sigmas.hidden = custom || kind !== "sigma";
    this.of.hidden = custom;
    const indexed = state.mode === "index" || state.mode === "single" && this.view.about.bands[state.band].cmap !== "gray";
    this.ranges.hidden = classes || !indexed;
    this.gammaRow.hidden = state.mode !== "rgb";
    if (Math.abs(3 ** Number(this.gamma.value) - state.gamma) > 6e-3) this.gamma.value = Math.log(state.gamma) / Math.log(3);
    this.gammaText.textContent = state.gamma.toFixed(2);
  }
};

// astra_xr/widgets/js/ui/histogram.js
var HIGH = 92;
var LANE = 24;
var EDGE2 = 12;
var BINS = 140;
var Histogram = class {
  gesture = "";
  // identifies the drag of a limit
  constructor(view) {
    this.view = view;
    this.plot = draw("g");
    this.lanes = draw("g");
    this.axis = draw("g", { class: "astra-axis" });
    this.svg = draw("svg", { class: "astra-histogram", role: "group", "aria-label": "Histogram and limits" }, this.plot, this.axis, this.lanes);
    this.node = make("div", {}, this.svg);
    this.sliders = [];
    this.range = [0, 1];
    this.ranged = "";
    this.counts = null;
  }
  x(value) {
    const [low, high] = this.range;
    return EDGE2 + clamp((value - low) / (high - low), 0, 1) * (WIDE - 2 * EDGE2);
  }
  update() {
    const { shown: state, about, limits, found } = this.view;
    const keys = channelsOf(state);
    this.node.hidden = state.mode === "single" && about.bands[state.band].classes.length > 0;
    const known = found && String(found.keys) === String(keys) && keys.every((key) => limits[key]);
    this.svg.style.visibility = known ? "" : "hidden";
    if (this.node.hidden || !known) return;
    const { counts, scales } = found;
    if (!this.gesture) {
      const reach = scales.map((scale, n) => counts[n].total ? [percentile(scale, counts[n], 0.1), percentile(scale, counts[n], 99.5)] : [0, 1]);
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
      const step = (WIDE - 2 * EDGE2) / BINS;
      let path = `M${EDGE2} ${HIGH}`;
      bins.forEach((count, i) => {
        const y = (HIGH - Math.min(1, Math.sqrt(count / tall)) * (HIGH - 8)).toFixed(1);
        path += `L${(EDGE2 + (i + 0.5) * step).toFixed(1)} ${y}`;
      });
      return draw("path", { d: `${path}L${WIDE - EDGE2} ${HIGH}Z`, class: rgb ? `astra-${CHANNELS2[n][1]}` : "astra-tinted", ...rgb ? {} : { fill: `url(#${this.view.id}-tint)` } });
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
    const nodes = [draw("line", { x1: EDGE2, x2: WIDE - EDGE2, y1: HIGH, y2: HIGH })];
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
        end.setAttribute("aria-label", `${i ? "Upper" : "Lower"} limit of ${key}${mode === "rgb" ? ` in ${CHANNELS2[n][1]}` : ""}`);
      });
    });
  }
  lane(n) {
    const y = HIGH + 20 + n * LANE + LANE / 2;
    const color = this.view.shown.mode === "rgb" ? `astra-${CHANNELS2[n][1]}` : "astra-plain";
    const rail = draw("line", { x1: EDGE2, x2: WIDE - EDGE2, y1: y, y2: y, class: "astra-rail" });
    const track = draw("rect", { y: y - 1.5, height: 3, class: color });
    const ends = [0, 1].map((i) => {
      const end = draw(
        "g",
        { class: `astra-handle ${color}`, tabindex: 0, role: "slider", "aria-orientation": "horizontal" },
        draw("rect", { x: -LANE / 2, y: -LANE / 2, width: LANE, height: LANE, class: "astra-reach" }),
        draw("circle", { r: 5.5 })
      );
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
      const at = (e.clientX - box.left) / box.width * WIDE;
      move(this.range[0] + (at - EDGE2) / (WIDE - 2 * EDGE2) * (this.range[1] - this.range[0]));
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
};

// astra_xr/widgets/js/figure.js
var dayOf = (date) => typeof date === "number" ? new Date(date).toISOString().slice(0, 10) : "";
var COLORS = [["Red", "#c62a2f"], ["Green", "#18794e"], ["Blue", "#0b68cb"]];
function partOf(about, state, limits) {
  const keys = channelsOf(state), [key] = keys, rgb = state.mode === "rgb", single = state.mode === "single";
  const classes = single ? about.bands[key].classes : [];
  const range = (name) => limits[name] ? ` ${limits[name].map((edge) => numberText(edge, 3)).join(" to ")}` : "";
  const units = single && about.bands[key].units;
  const what = rgb ? keys.join(", ") : state.mode === "index" ? `${key}, ${indexOf(about, key).title}` : single ? about.bands[key].title || key : "";
  const entries = rgb ? keys.map((name, n) => ({ color: COLORS[n][1], text: `${COLORS[n][0]}: ${name}${range(name)}` })) : classes.map(({ color, name }) => ({ color, text: name }));
  const maps = !rgb && !classes.length && limits[key] ? [{ colors: colormapOf(about.colormaps, state.cmap), name: `${key === DIFFERENCE ? "B − A" : key}${units ? ` (${units})` : ""}`, ends: limits[key].map((each) => numberText(each, 3)) }] : [];
  return { what, entries, maps };
}
var distinct = (all) => [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
function captionOf(about, state, limits) {
  const seen = sidesSeen(state), parts = seen.map((side) => partOf(about, sideOf(about, state, side), limits));
  const step = about.steps.find(({ label }) => label === state.time) || about.steps[0];
  const title = [dayOf(step?.date) || about.date, parts[0].what].filter(Boolean).join(" · ");
  return {
    title: state.compare ? seen.map((side) => labelOf(about, state, side)).join("  |  ") : title,
    entries: distinct(parts.flatMap(({ entries }) => entries)),
    maps: distinct(parts.flatMap(({ maps }) => maps)),
    source: [about.source, "astra-xr"].filter(Boolean).join(" · ")
  };
}
function rowsOf(widths, gap, most) {
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
function linesOf(text, most, wide) {
  const lines = [];
  const words = text.split(" ").flatMap((word2) => {
    let size = word2.length;
    while (size > 1 && wide(word2.slice(0, size)) > most) size--;
    return word2.match(new RegExp(`.{1,${size || 1}}`, "g")) || [];
  });
  for (const word2 of words) {
    const joined = lines.length ? `${lines[lines.length - 1]} ${word2}` : word2;
    if (lines.length && wide(joined) <= most) lines[lines.length - 1] = joined;
    else lines.push(word2);
  }
  return lines;
}
function layoutOf(image, caption, bar, wide) {
  const pad = 12, line = 17, swatch = 16;
  const inner = Math.max(image.width, 200);
  const title = linesOf(caption.title, inner, (text) => wide(text) * 1.3);
  const top = pad + title.length * 19 + 3;
  const frame = { x: pad + (inner - image.width) / 2, y: top, ...image };
  let y = top + image.height + pad;
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

// astra_xr/widgets/js/geo/scalebar.js
function roundBelow(most) {
  const ten = 10 ** Math.floor(Math.log10(most));
  return ten * ([5, 2].find((n) => n * ten <= most) || 1);
}
function barOf(grid, scale, most) {
  const degrees = grid.degrees && most / scale * Math.abs(grid.dx) > 5;
  const unit = degrees ? Math.abs(grid.dx) : grid.meters;
  if (!unit) return null;
  const length = roundBelow(most / scale * unit);
  const short = (value) => String(Number(value.toPrecision(6)));
  const text = degrees ? `${short(length)}°` : length >= 1e3 ? `${short(length / 1e3)} km` : length >= 1 ? `${short(length)} m` : `${short(length * 100)} cm`;
  return { width: length / unit * scale, text };
}

// astra_xr/widgets/js/ui/save.js
var FONT = "system-ui, 'Helvetica Neue', Arial, sans-serif";
var MOST2 = 8e3;
var Save = class {
  /** @param {View} view */
  constructor(view) {
    this.view = view;
    const item = (text, run, hidden = false) => make("button", {
      role: "menuitem",
      tabIndex: -1,
      hidden,
      onclick: () => {
        this.open(false);
        run();
      }
    }, text);
    this.items = [
      item("Image (PNG)", () => this.image()),
      item("HTML page", () => this.page(), Boolean(view.about.offline)),
      item("Copy state as Python", () => this.copied(pickOf(view.about, view.state))),
      item("Copy code of the image", () => this.copied(codeOf(view.about, view.state, view.limits)))
    ].filter(({ hidden }) => !hidden);
    this.menu = make("div", { class: "astra-menu", role: "menu", id: `${view.id}-save`, "aria-label": "Save", hidden: true }, ...this.items);
    this.button = make("button", {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      "aria-controls": `${view.id}-save`,
      onclick: () => this.open(this.menu.hidden)
    }, "Save ▾");
    this.node = make("span", { class: "astra-save" }, this.button, this.menu);
    this.node.addEventListener("keydown", (e) => this.keyed(e));
    this.node.addEventListener("focusout", (e) => {
      if (!this.node.contains(e.relatedTarget)) this.open(false);
    });
    document.addEventListener("pointerdown", (e) => {
      if (!e.composedPath().includes(this.node)) this.open(false);
    }, { capture: true, signal: view.closing.signal });
  }
  /** @param {boolean} shown */
  open(shown2) {
    if (shown2 === !this.menu.hidden) return;
    if (!shown2 && this.menu.contains(this.menu.getRootNode().activeElement)) this.button.focus();
    this.menu.hidden = !shown2;
    this.button.setAttribute("aria-expanded", String(shown2));
    if (shown2) this.items[0].focus();
  }
  /** @param {KeyboardEvent} event */
  keyed(event) {
    const { items, menu } = this;
    if (menu.hidden && event.key !== "ArrowDown") return;
    const now = items.indexOf(menu.getRootNode().activeElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape") this.open(false);
    else if (to === void 0) return;
    else if (menu.hidden) this.open(true);
    else items.at(to % items.length).focus();
    event.preventDefault();
  }
  /** @param {string} text */
  async copied(text) {
    this.view.status.copied(await copyText(text));
  }
  /** A file name with this extension. @param {string} ending */
  named(ending) {
    const { about, state } = this.view;
    const what = state.compare ? sidesSeen(state).map((side) => labelOf(about, state, side)) : [channelsOf(state).join("-")];
    const parts = [about.title.replace(/^[\w-]+:/, ""), ...what];
    return `${parts.join("_").replace(/[^\w.-]+/g, "-").slice(0, 120)}.${ending}`;
  }
  /** @param {Blob} blob @param {string} name */
  download(blob, name) {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 6e4);
  }
  async image() {
    const canvas = this.figure();
    const blob = canvas && await new Promise((done) => canvas.toBlob(done, "image/png"));
    if (blob) this.download(blob, this.named("png"));
    this.view.status.show(blob ? "The image is saved." : "There is no image yet.");
  }
  async page() {
    const { store, status } = this.view;
    status.show("Making the page…");
    try {
      this.download(new Blob([await store.page()], { type: "text/html" }), this.named("html"));
      status.show("The page is saved.");
    } catch (error) {
      status.show(`The page could not be made: ${/** @type {Error} */
      error.message}`);
    }
  }
  /** What is seen, with title, legend, scale bar and source, on white; at least in the resolution of the screen. */
  figure() {
    const { about, state, limits, stage, pyramid } = this.view, { viewport } = stage;
    if (!stage.drawn) return null;
    const caption = captionOf(about, state, limits);
    const [left, top] = viewport.toScreen(0, 0), [right, bottom] = viewport.toScreen(pyramid.rows, pyramid.cols);
    const x = Math.max(0, left), y = Math.max(0, top);
    const image = { width: Math.min(viewport.width, right) - x, height: Math.min(viewport.height, bottom) - y };
    const bar = barOf(about.grid, viewport.scale, Math.min(160, image.width / 2));
    const canvas = document.createElement("canvas");
    const context = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d")
    );
    context.font = `12px ${FONT}`;
    const layout = layoutOf(image, caption, bar, (text) => context.measureText(text).width);
    const finest = 1 / (viewport.scale * pyramid.pitch(stage.level)[1]);
    const factor = Math.min(clamp(finest, Math.max(2, stage.dpr), 4), MOST2 / Math.max(layout.width, layout.height));
    canvas.width = Math.round(layout.width * factor);
    canvas.height = Math.round(layout.height * factor);
    context.scale(factor, factor);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, layout.width, layout.height);
    const { frame } = layout;
    context.save();
    context.beginPath();
    context.rect(frame.x, frame.y, frame.width, frame.height);
    context.clip();
    context.translate(frame.x - x, frame.y - y);
    stage.drawOn(context);
    context.restore();
    context.strokeStyle = "#0008";
    context.lineWidth = 0.5;
    context.strokeRect(frame.x, frame.y, frame.width, frame.height);
    this.write(context, caption, layout, bar);
    return canvas;
  }
  /**
   * Draw all of a figure but the image.
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<typeof captionOf>} caption
   * @param {ReturnType<typeof layoutOf>} layout
   * @param {ReturnType<typeof barOf>} bar
   */
  write(context, caption, layout, bar) {
    const text = (words, x, y, font = `12px ${FONT}`, align = (
      /** @type {CanvasTextAlign} */
      "left"
    )) => {
      Object.assign(context, { font, textAlign: align, textBaseline: "middle" });
      context.fillText(words, x, y);
    };
    context.fillStyle = "#111";
    layout.title.forEach((line, n) => text(line, 12, 12 + 19 * n + 8, `600 14px ${FONT}`));
    for (const { n, x, y } of layout.entries) {
      context.fillStyle = caption.entries[n].color;
      context.fillRect(x, y + 3, 11, 11);
      context.strokeRect(x, y + 3, 11, 11);
      context.fillStyle = "#111";
      text(caption.entries[n].text, x + 16, y + 9);
    }
    for (const [n, { x, y, width, height }] of layout.maps.entries()) {
      const { colors, name, ends } = caption.maps[n];
      for (let i = 0; i < 256; i++) {
        context.fillStyle = `#${colors.slice(6 * i, 6 * i + 6)}`;
        context.fillRect(x + i * width / 256, y, width / 256 + 0.5, height);
      }
      context.strokeRect(x, y, width, height);
      context.fillStyle = "#111";
      text(name, x, y - 8);
      text(ends[0], x, y + height + 9);
      text(ends[1], x + width, y + height + 9, `12px ${FONT}`, "right");
    }
    if (layout.bar && bar) {
      const { x, y } = layout.bar;
      text(bar.text, x + bar.width / 2, y + 6, `12px ${FONT}`, "center");
      context.strokeStyle = "#111";
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(x, y + 15);
      context.lineTo(x, y + 20);
      context.lineTo(x + bar.width, y + 20);
      context.lineTo(x + bar.width, y + 15);
      context.stroke();
    }
    context.fillStyle = "#666";
    layout.source.forEach((line, n) => text(line, 12, layout.sourceAt + 14 * n + 7, `10px ${FONT}`));
  }
};

// astra_xr/widgets/js/ui/spectra.js
var [LEFT, RIGHT, TOP, BOTTOM] = [34, WIDE - 10, 10, 108];
var Spectra = class {
  constructor(view) {
    this.view = view;
    this.hint = make("p", { class: "astra-hint" }, "Click the image to see the spectrum of a pixel.");
    this.title = make("div", { class: "astra-formula" });
    this.svg = draw("svg", { class: "astra-spectra", viewBox: `0 0 ${WIDE} 130`, role: "img", "aria-label": "Spectra of the marked pixels" });
    this.list = make("ul", { class: "astra-pins", "aria-label": "Marked pixels" });
    const clear = make("button", { onclick: () => view.act({ type: "clear" }) }, "Clear");
    this.again = tryAgain(() => view.store.wire.send({ type: "spectra" }));
    this.actions = make("div", { class: "astra-row" }, this.again, copyButton("Copy table", () => this.table), clear);
    this.node = make("div", { class: "astra-spectrum" }, this.hint, this.title, this.svg, this.list, this.actions);
  }
  /** The spectrum of each pin, if it was read. */
  get known() {
    const { store, state, about } = this.view, time = stepOf(about, state.time);
    return state.pins.map(([x, y]) => store.spectra.find((s) => s.x === x && s.y === y && s.time === time));
  }
  update() {
    const { pins, time, compare } = this.view.state, { gone } = this.view.store.wire;
    this.hint.hidden = pins.length > 0;
    for (const part2 of [this.title, this.list, this.actions]) part2.hidden = !pins.length;
    this.title.textContent = ["Spectra", compare && "A", time].filter(Boolean).join(" · ");
    const known = this.known;
    const made = JSON.stringify([pins, known, gone]);
    if (made === this.made) return;
    this.made = made;
    this.again.hidden = !known.some((found) => found?.message);
    this.plot(known);
    this.list.replaceChildren(...pins.map(([x, y], n) => {
      const found = known[n];
      const text = found ? found.message || `${numberText(x, 8)}, ${numberText(y, 8)}` : gone ? "needs a kernel" : "reading…";
      const remove = make("button", { "aria-label": `Remove mark ${n + 1}`, onclick: () => this.view.act({ type: "unpin", n }) }, "×");
      return make("li", {}, make("i", { style: `background:${pinColor(n)}` }, String(n + 1)), make("span", {}, text), remove);
    }));
  }
  plot(known) {
    const { bands, reflectance } = this.view.about;
    let names = Object.keys(bands).filter((n) => !bands[n].classes.length && (!reflectance || bands[n].role === "reflectance"));
    const waves = names.every((n) => bands[n].wavelength);
    if (waves) names = names.sort((a, b) => bands[a].wavelength - bands[b].wavelength);
    const at = (n) => waves ? bands[names[n]].wavelength : n;
    const values = known.filter(Boolean).flatMap((s) => names.map((n) => s.values[n])).filter((v) => typeof v === "number");
    const reading = !this.view.store.wire.gone && known.some((found) => !found);
    if (!values.length && !reading) this.svg.replaceChildren();
    this.svg.classList.toggle("astra-pale", !values.length && reading);
    this.svg.toggleAttribute("hidden", !known.length || !values.length && !this.svg.firstChild);
    if (!values.length) return;
    const low = Math.min(0, ...values), high = Math.max(...values) || 1;
    const x = scaleOf(at(0), at(names.length - 1), LEFT, RIGHT), y = scaleOf(low, high, BOTTOM, TOP);
    const nodes = roundNumbers(low, high > low ? high : low + 1, 4).flatMap((v) => gridLine(y(v), numberText(v, 4), LEFT, RIGHT));
    let used = -99;
    names.forEach((name, n) => {
      const px = x(at(n));
      if (px - used < 27) return;
      used = px;
      nodes.push(labelAt(px, 122, waves ? numberText(at(n), 3) : name.slice(0, 5)));
    });
    known.forEach((found, k) => {
      if (!found) return;
      const dots = names.map((name, n) => ({ name, value: found.values[name], n })).filter(({ value }) => typeof value === "number");
      const point = ({ n, value }) => [x(at(n)), y(value)];
      nodes.push(lineThrough(dots.map(point), pinColor(k)));
      nodes.push(...dots.map((dot) => dotAt(point(dot), pinColor(k), `${dot.name}: ${numberText(dot.value, 4)}`)));
    });
    if (waves) nodes.push(labelAt(RIGHT, 104, "µm", { class: "astra-end" }));
    this.svg.replaceChildren(draw("g", { class: "astra-axis" }, ...nodes));
  }
  /** The values with tabs between them, as a spreadsheet takes them. */
  get table() {
    const { bands } = this.view.about, names = Object.keys(bands).filter((n) => !bands[n].classes.length);
    const rows = this.known.filter(Boolean).map((s) => [s.x, s.y, ...names.map((n) => s.values[n] ?? "")]);
    return [["x", "y", ...names], ...rows].map((row) => row.join("	")).join("\n");
  }
};

// astra_xr/widgets/js/geo/lonlat.js
function lonlatAt(grid, row, col) {
  if (!grid.lonlat) return null;
  const { count, lon, lat } = grid.lonlat;
  const u = col / grid.cols * (count - 1), v = row / grid.rows * (count - 1);
  const i = clamp(Math.floor(u), 0, count - 2), j = clamp(Math.floor(v), 0, count - 2);
  const mix = (a) => {
    const k = j * count + i, s = u - i, t = v - j;
    return (a[k] * (1 - s) + a[k + 1] * s) * (1 - t) + (a[k + count] * (1 - s) + a[k + count + 1] * s) * t;
  };
  return [mix(lon), mix(lat)];
}

// astra_xr/widgets/js/geo/viewport.js
var middle = (values) => values[values.length >> 1];
var Viewport = class {
  /** @param {Grid} grid */
  constructor(grid) {
    this.grid = grid;
    const squeeze = grid.degrees && grid.lonlat ? Math.cos(middle(grid.lonlat.lat) * Math.PI / 180) : 1;
    this.ratio = Math.abs(grid.dy / grid.dx) / squeeze || 1;
    this.aspect = clamp(grid.rows * this.ratio / grid.cols, 0.45, 1.35);
    this.row = grid.rows / 2;
    this.col = grid.cols / 2;
    this.scale = 1;
    this.width = 0;
    this.height = 0;
  }
  /** @param {number} width @param {number} height by default, as the shape of the scene requires */
  resize(width, height = Math.round(width * this.aspect)) {
    const zoom = this.width ? this.scale / this.fit : 1;
    this.width = width;
    this.height = height;
    this.scale = this.fit * zoom;
  }
  get fit() {
    return Math.min(this.width / this.grid.cols, this.height / (this.grid.rows * this.ratio));
  }
  get zoomed() {
    return this.scale > this.fit * 1.001;
  }
  /** @param {Box | null} view */
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
  /** Keep scale and center within the scene. */
  settle() {
    this.scale = clamp(this.scale, this.fit, Math.max(40, this.fit));
    const rows = this.height / (this.scale * this.ratio) / 2, cols = this.width / this.scale / 2;
    const keep = (at, half, size) => 2 * half >= size ? size / 2 : clamp(at, half, size - half);
    this.row = keep(this.row, rows, this.grid.rows);
    this.col = keep(this.col, cols, this.grid.cols);
  }
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [row, col] = this.toGrid(x, y);
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
  /** Row and column of a point in CSS pixels. @param {number} x @param {number} y @returns {[number, number]} */
  toGrid(x, y) {
    return [
      this.row + (y - this.height / 2) / (this.scale * this.ratio),
      this.col + (x - this.width / 2) / this.scale
    ];
  }
  /** x and y in CSS pixels. @param {number} row @param {number} col @returns {[number, number]} */
  toScreen(row, col) {
    return [
      (col - this.col) * this.scale + this.width / 2,
      (row - this.row) * this.scale * this.ratio + this.height / 2
    ];
  }
  /** The pixels that are seen, as in the state; null: all. @returns {Box | null} */
  get view() {
    if (!this.zoomed) return null;
    const [top, left] = this.toGrid(0, 0), [bottom, right] = this.toGrid(this.width, this.height);
    const { rows, cols } = this.grid;
    const low = (v, size) => clamp(Math.floor(v + 1e-6), 0, size - 1);
    const high = (v, size) => clamp(Math.ceil(v - 1e-6), 1, size);
    return [low(top, rows), low(left, cols), high(bottom, rows), high(right, cols)];
  }
};

// astra_xr/widgets/js/pixels/compose.js
function levelsOf({ low: first, step }, [low, high], gamma) {
  const levels = new Uint8Array(LAST + 1);
  for (let code = 1; code <= LAST; code++) {
    const level = (first + (code - 1) * step - low) / (high - low);
    const clipped = level <= 0 ? 0 : level >= 1 ? 1 : gamma === 1 ? level : level ** (1 / gamma);
    levels[code] = clipped * 255 + 0.5;
  }
  return levels;
}
var word = (hex) => 255 << 24 | parseInt(hex.slice(4, 6), 16) << 16 | parseInt(hex.slice(2, 4), 16) << 8 | parseInt(hex.slice(0, 2), 16);
function colorsOf({ low: first, step }, [low, high], colormap) {
  const colors = Array.from({ length: 256 }, (_, i) => word(colormap.slice(6 * i, 6 * i + 6)));
  const table = new Uint32Array(LAST + 1);
  for (let code = 1; code <= LAST; code++) {
    const level = (first + (code - 1) * step - low) / (high - low);
    table[code] = colors[clamp(Math.floor(level * 256), 0, 255)];
  }
  return table;
}
function classColors({ low, step }, classes) {
  const table = new Uint32Array(LAST + 1).fill(word("808080"));
  table[0] = 0;
  for (const { value, color } of classes) table[(value - low) / step + 1] = word(color.slice(1));
  return table;
}
function composeRgb(out, [r, g, b], [R, G, B], mask = null) {
  for (let i = 0; i < out.length; i++) {
    const p = r[i], q = g[i], s = b[i];
    out[i] = p && q && s && !mask?.[i] ? 255 << 24 | B[s] << 16 | G[q] << 8 | R[p] : 0;
  }
}
function composeColored(out, codes, table, mask = null) {
  for (let i = 0; i < out.length; i++) out[i] = mask?.[i] ? 0 : table[codes[i]];
}

// astra_xr/widgets/js/ui/layer.js
var Coloring = class {
  /** @param {About} about @param {State} state @param {Record<string, Limits>} limits */
  constructor(about, state, limits) {
    this.about = about;
    this.state = state;
    this.keys = channelsOf(state);
    this.time = stepOf(about, state.time);
    this.tables = /* @__PURE__ */ new Map();
    this.classes = state.mode === "single" ? about.bands[state.band].classes : [];
    this.limits = this.keys.map((key) => limits[key]);
    this.made = JSON.stringify([state.mode, this.keys, this.limits, state.gamma, state.cmap, state.mask]);
  }
  /** Whether tiles can be colored: there are classes, or limits of all channels. */
  get known() {
    return this.classes.length > 0 || this.limits.every(Boolean);
  }
  /** @param {Tile} tile @param {number} n */
  table(tile, n) {
    const name = `${n} ${tile.low} ${tile.step}`;
    if (!this.tables.has(name)) {
      const { state, about } = this;
      const make2 = () => {
        if (state.mode === "rgb") return levelsOf(tile, this.limits[n], state.gamma);
        if (this.classes.length) return classColors(tile, this.classes);
        return colorsOf(tile, this.limits[n], colormapOf(about.colormaps, state.cmap));
      };
      this.tables.set(name, make2());
    }
    return this.tables.get(name);
  }
  /** What the colors of a tile depend on, as a key. @param {Tile[]} tiles @param {Tile | null | undefined} mask */
  keyOf(tiles, mask) {
    return `${this.made} ${tiles.map(numberOf)} ${mask ? numberOf(mask) : ""}`;
  }
  /** A tile in colors. @param {Tile[]} tiles one of each channel @param {Tile | null | undefined} mask */
  image(tiles, mask) {
    const [rows, cols] = tiles[0].shape, image = new ImageData(cols, rows), words = new Uint32Array(image.data.buffer);
    const tables = tiles.map((tile, n) => this.table(tile, n));
    if (this.state.mode === "rgb") composeRgb(words, tiles.map((tile) => tile.codes), tables, mask?.codes);
    else composeColored(words, tiles[0].codes, tables[0], mask?.codes);
    return image;
  }
};
var contextOf = (canvas) => (
  /** @type {CanvasRenderingContext2D} */
  canvas.getContext("2d")
);
var Layer = class {
  /** @param {Pick<Store, "get">} store @param {Pyramid} pyramid @param {number} level */
  constructor(store, pyramid, level) {
    this.store = store;
    this.pyramid = pyramid;
    this.level = level;
    this.parts = /* @__PURE__ */ new Map();
    this.complete = false;
    this.some = false;
    this.box = null;
    this.canvas = document.createElement("canvas");
    this.context = contextOf(this.canvas);
  }
  /** Color the tiles of a box that are here, unless they have these colors already. @param {Box} box @param {Coloring} coloring */
  paint(box, coloring) {
    const { store, pyramid, level } = this;
    const places = pyramid.within(level, box);
    const [r0, c0] = places[0], [r1, c1] = places[places.length - 1];
    const range = `${r0} ${c0} ${r1} ${c1}`;
    if (range !== this.range) this.lay(range, r0, c0, r1, c1);
    const all = places.map(([row, col]) => {
      const tiles = coloring.keys.map((key) => store.get({ key, time: coloring.time, level, row, col }));
      const mask = coloring.state.mask ? store.get({ key: MASK, time: coloring.time, level, row, col }) : null;
      return { row, col, tiles: (
        /** @type {Tile[]} */
        tiles
      ), mask, here: tiles.every(Boolean) && (!coloring.state.mask || Boolean(mask)) };
    });
    const count = all.filter(({ here }) => here).length;
    this.complete = count === places.length;
    this.some = count > 0;
    if (!this.some) return;
    for (const { row, col, tiles, mask, here } of all) {
      const name = `${row} ${col}`;
      const corner = [(col - c0) * pyramid.side, (row - r0) * pyramid.side];
      if (!here) {
        this.context.clearRect(...corner, pyramid.side, pyramid.side);
        this.parts.delete(name);
        continue;
      }
      const key = coloring.keyOf(tiles, mask);
      if (this.parts.get(name) === key) continue;
      this.context.putImageData(coloring.image(tiles, mask), ...corner);
      this.parts.set(name, key);
    }
  }
  /** Make the canvas of a range of tiles, and copy those that are painted already. @param {string} range @param {number} r0 @param {number} c0 @param {number} r1 @param {number} c1 */
  lay(range, r0, c0, r1, c1) {
    const { pyramid, level } = this;
    const [rows, cols] = pyramid.shape(level);
    const [down, across] = pyramid.pitch(level);
    const size = [Math.min((r1 + 1) * pyramid.side, rows) - r0 * pyramid.side, Math.min((c1 + 1) * pyramid.side, cols) - c0 * pyramid.side];
    const before = this.box && { canvas: this.canvas, box: this.box, parts: this.parts };
    this.canvas = document.createElement("canvas");
    [this.canvas.height, this.canvas.width] = size;
    this.context = contextOf(this.canvas);
    this.box = [r0 * pyramid.side * down, c0 * pyramid.side * across, (r0 * pyramid.side + size[0]) * down, (c0 * pyramid.side + size[1]) * across];
    this.parts = /* @__PURE__ */ new Map();
    this.range = range;
    if (!before) return;
    const x = Math.round((before.box[1] - this.box[1]) / across), y = Math.round((before.box[0] - this.box[0]) / down);
    this.context.drawImage(before.canvas, x, y);
    for (const [name, made] of before.parts) {
      const [row, col] = name.split(" ").map(Number);
      if (row >= r0 && row <= r1 && col >= c0 && col <= c1) this.parts.set(name, made);
    }
  }
};

// astra_xr/widgets/js/ui/side_image.js
var SideImage = class {
  /**
   * `tiles` is the store, or the differences.
   * @param {About} about
   * @param {Pyramid} pyramid
   * @param {Pick<Store, "get">} tiles
   */
  constructor(about, pyramid, tiles) {
    this.about = about;
    this.pyramid = pyramid;
    this.tiles = tiles;
    this.layers = /* @__PURE__ */ new Map();
    this.drawn = null;
    this.fresh = false;
    this.complete = false;
  }
  /** Free all pixels. */
  release() {
    this.layers.clear();
    this.drawn = null;
  }
  /** @param {number} level */
  layer(level) {
    const layer = this.layers.get(level) || new Layer(this.tiles, this.pyramid, level);
    this.layers.set(level, layer);
    return layer;
  }
  /** Color the tiles of a box: of `level`, and below them those of coarser levels if some are missing. @param {State} state @param {Record<string, Limits>} limits @param {Box} box @param {number} level */
  paint(state, limits, box, level) {
    const { pyramid } = this, coloring = new Coloring(this.about, state, limits);
    let drawn = [];
    this.complete = false;
    if (coloring.known) {
      const shown2 = this.layer(level);
      shown2.paint(box, coloring);
      drawn = shown2.complete ? [shown2] : [pyramid.top, ...level + 1 < pyramid.top ? [level + 1] : []].filter((each) => each !== level).map((each) => this.layer(each));
      for (const layer of drawn) if (layer !== shown2) layer.paint(box, coloring);
      if (!shown2.complete) drawn.push(shown2);
      drawn = drawn.filter((layer) => layer.some);
      this.complete = shown2.complete;
    }
    for (const each of this.layers.keys()) if (![level, level + 1, pyramid.top].includes(each)) this.layers.delete(each);
    this.fresh = drawn.length > 0;
    if (this.fresh) this.drawn = drawn;
  }
};

// astra_xr/widgets/js/ui/swipe.js
var STEP = 0.02;
var LEAST2 = 40;
var Swipe = class {
  constructor(view) {
    this.view = view;
    this.grip = make("div", { class: "astra-grip", tabIndex: 0, role: "slider", "aria-label": "Part of the image that shows A", "aria-valuemin": 0, "aria-valuemax": 100 });
    this.bar = make("div", { class: "astra-swipe", hidden: true }, this.grip);
    this.names = { a: make("div", { class: "astra-name astra-of-a" }), b: make("div", { class: "astra-name astra-of-b" }) };
    this.nodes = [this.names.a, this.names.b, this.bar];
    const frame = () => this.bar.parentNode.getBoundingClientRect();
    onDrag(this.bar, (e) => {
      this.grip.focus({ preventScroll: true });
      const { left, width } = frame();
      return e.clientX - left - this.split * width;
    }, (e, distance) => {
      const { left, width } = frame();
      this.set((e.clientX - left - distance) / width);
    });
    this.grip.addEventListener("keydown", (e) => {
      const step = e.shiftKey ? 5 * STEP : STEP, now = this.split;
      const ends = { ArrowLeft: now - step, ArrowDown: now - step, ArrowRight: now + step, ArrowUp: now + step, PageDown: now - 0.1, PageUp: now + 0.1, Home: 0, End: 1 };
      if (!(e.key in ends) || modified(e)) return;
      e.preventDefault();
      this.set(ends[e.key]);
    });
  }
  get split() {
    return this.view.state.compare?.split ?? 1;
  }
  /** Whether A and B are seen beside each other. */
  get on() {
    return sidesSeen(this.view.state).length === 2;
  }
  set(split) {
    if (this.on) this.view.act({ type: "split", split: clamp(split, 0, 1) });
  }
  move(steps) {
    if (this.on) this.set(this.split + steps * STEP);
  }
  update() {
    const { about, state } = this.view, seen = sidesSeen(state);
    this.bar.hidden = !this.on;
    for (
      const side of
      /** @type {const} */
      ["a", "b"]
    ) {
      const node = this.names[side];
      node.hidden = !state.compare || side === "b" && !this.on;
      node.classList.toggle("astra-of-both", !this.on);
      if (!node.hidden) node.textContent = labelOf(about, state, seen.length === 1 ? seen[0] : side);
      node.style.maxWidth = "";
    }
    if (!this.on) return;
    this.fit();
    const percent2 = Math.round(this.split * 100);
    this.bar.style.left = `${this.split * 100}%`;
    this.grip.setAttribute("aria-valuenow", percent2);
    this.grip.setAttribute("aria-valuetext", `${percent2} % A, ${100 - percent2} % B`);
  }
  /** Keep each name on its own side. */
  fit() {
    const { width } = this.view.stage.viewport;
    const room = { a: this.split * width - 20, b: (1 - this.split) * width - 56 };
    for (
      const side of
      /** @type {const} */
      ["a", "b"]
    ) {
      this.names[side].hidden = room[side] < LEAST2;
      this.names[side].style.maxWidth = `${Math.max(LEAST2, room[side])}px`;
    }
  }
};

// astra_xr/widgets/js/ui/stage.js
var ZOOM = 1.6;
var GAP = "   ";
var shortNumber = (value) => numberText(value, Math.abs(value) >= 1e3 ? 6 : 4);
var Stage = class {
  /** @type {[number, number] | null} */
  hover = null;
  // position of the pointer
  /** @type {View["about"]} */
  about;
  /** @type {View["store"]} */
  store;
  /** @type {View["pyramid"]} */
  pyramid;
  revision = 0;
  dpr = 1;
  navigating = 0;
  /** @param {View} view */
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.about = about;
    this.store = view.store;
    this.pyramid = view.pyramid;
    const imageOf = (tiles) => new SideImage(about, view.pyramid, tiles);
    this.images = { a: imageOf(view.store), b: imageOf(view.store), difference: imageOf(view.differences) };
    this.swipe = new Swipe(view);
    this.viewport = new Viewport(about.grid);
    this.canvas = make("canvas", {
      class: "astra-canvas",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "image",
      "aria-label": `Image of ${about.title}. Arrow keys pan, plus and minus zoom, 0 shows all, comma and full stop move the bar between A and B, Enter marks the center, Delete removes the last mark.`
    });
    this.scalebar = make("div", { class: "astra-scalebar", "aria-hidden": "true" }, make("i"), make("span"));
    this.bar = make("div", { class: "astra-bar", role: "progressbar", "aria-label": "Reading", hidden: true });
    const tool = (label, text, run) => iconButton(label, text, run, { class: "astra-tool" });
    this.areaTool = new AreaTool(this);
    const tools = make(
      "div",
      { class: "astra-tools" },
      tool("Zoom in", "+", () => this.zoom(ZOOM)),
      tool("Zoom out", "−", () => this.zoom(1 / ZOOM)),
      tool("Show all", "⤢", () => this.showAll()),
      this.areaTool.button
    );
    this.node = make("div", { class: "astra-stage" }, this.canvas, ...this.swipe.nodes, this.areaTool.node, this.bar, tools, this.scalebar);
    this.readout = make("div", { class: "astra-readout" });
    this.pointers();
    this.keys();
    this.load();
  }
  /** Show the last image that Python drew until tiles arrive, which they never do in a notebook opened without a kernel. */
  async load() {
    const preview = this.view.model.get("preview");
    if (!preview || !ArrayBuffer.isView(preview) || !preview.byteLength) return;
    this.preview = await createImageBitmap(new Blob([preview], { type: "image/jpeg" }));
    this.view.refresh();
  }
  /** Pan or zoom, and set the state after a short pause. @param {() => void} change */
  navigate(change) {
    change();
    this.view.refresh();
    clearTimeout(this.navigating);
    this.navigating = setTimeout(() => {
      this.navigating = 0;
      this.view.act({ type: "view", view: this.viewport.view });
    }, 140);
  }
  zoom(factor) {
    this.navigate(() => this.viewport.zoom(factor));
  }
  pan(x, y) {
    this.navigate(() => this.viewport.move(x, y));
  }
  showAll() {
    this.navigate(() => this.viewport.show(null));
  }
  /** Show the part of the scene that Python or another view has set. */
  follow(view) {
    if (!this.navigating && String(view) !== String(this.viewport.view)) this.viewport.show(view);
  }
  resized() {
    const width = Math.floor(this.node.clientWidth);
    if (!width || width === this.viewport.width && this.full === this.view.full) return;
    this.full = this.view.full;
    const first = !this.viewport.width;
    this.viewport.resize(width, this.view.full ? this.room : void 0);
    if (first) this.viewport.show(this.view.state.view);
    this.viewport.settle();
    this.dpr = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.style.height = `${this.viewport.height}px`;
    this.fill();
  }
  /** Allocate the pixels of the canvas. */
  fill() {
    if (this.view.asleep || !this.viewport.width) return;
    this.canvas.width = Math.round(this.viewport.width * this.dpr);
    this.canvas.height = Math.round(this.viewport.height * this.dpr);
    this.view.refresh();
  }
  /** Free all pixels. */
  release() {
    this.canvas.width = this.canvas.height = 0;
    this.preview = null;
    for (const image of Object.values(this.images)) image.release();
  }
  /** The height in CSS pixels that a full screen leaves for the image. */
  get room() {
    const others = [...this.node.parentElement.children, ...this.view.root.querySelectorAll(".astra-head, .astra-foot")];
    return Math.max(240, others.reduce((left, each) => left - (each === this.node ? 0 : each.offsetHeight), window.innerHeight - 4));
  }
  /** The level to show: its pixels are at most one CSS pixel wide on dense screens, else at most 1.41. */
  get level() {
    return this.viewport.width ? this.pyramid.levelAt(this.viewport.scale, this.dpr >= 1.5 ? 1 : 1.41) : this.pyramid.top;
  }
  /** The position of a pointer on the image, in CSS pixels. @param {MouseEvent} event @returns {[number, number]} */
  at(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }
  pointers() {
    const { canvas } = this;
    const down = /* @__PURE__ */ new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      canvas.setPointerCapture(e.pointerId);
      if (!down.size) moved = 0;
      down.set(e.pointerId, this.at(e));
    });
    canvas.addEventListener("pointermove", (e) => {
      const [x, y] = this.at(e);
      if (!down.has(e.pointerId)) {
        this.hover = [x, y];
        this.showPixel();
        return;
      }
      const [px, py] = down.get(e.pointerId);
      moved += Math.abs(x - px) + Math.abs(y - py);
      if (down.size === 2) {
        const other = [...down.keys()].filter((id) => id !== e.pointerId).map((id) => down.get(id))[0];
        const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        this.navigate(() => this.viewport.zoom(apart([x, y]) / apart([px, py]), (x + other[0]) / 2, (y + other[1]) / 2));
      } else if (moved > 4) this.pan(x - px, y - py);
      down.set(e.pointerId, [x, y]);
    });
    const up = (e) => {
      const was = down.delete(e.pointerId);
      if (was && e.type === "pointerup" && moved <= 4 && !down.size) this.pin(...this.viewport.toGrid(...this.at(e)));
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => {
      this.hover = null;
      this.showPixel();
    });
    canvas.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && !e.metaKey && canvas.getRootNode().activeElement !== canvas) return;
      e.preventDefault();
      this.navigate(() => this.viewport.zoom(Math.exp(-clamp(e.deltaY, -300, 300) * 22e-4), ...this.at(e)));
    }, { passive: false });
  }
  keys() {
    const step = () => Math.round(this.viewport.width / 8);
    const acts = {
      ArrowLeft: () => this.pan(step(), 0),
      ArrowRight: () => this.pan(-step(), 0),
      ArrowUp: () => this.pan(0, step()),
      ArrowDown: () => this.pan(0, -step()),
      "+": () => this.zoom(ZOOM),
      "=": () => this.zoom(ZOOM),
      "-": () => this.zoom(1 / ZOOM),
      0: () => this.showAll(),
      ",": () => this.swipe.move(-1),
      ".": () => this.swipe.move(1),
      Enter: () => this.pinCenter(),
      Delete: () => this.view.act({ type: "unpin", n: this.view.state.pins.length - 1 })
    };
    this.canvas.addEventListener("keydown", (e) => {
      if (!acts[e.key] || modified(e)) return;
      e.preventDefault();
      acts[e.key]();
    });
  }
  pin(row, col) {
    this.view.act({ type: "pin", row, col });
    if (this.about.offline) this.readSpectra();
  }
  /** Mark the pixel in the center, and read it out to users of screen readers. */
  pinCenter() {
    const { row, col } = this.viewport;
    this.pin(row, col);
    this.view.status.show(`Marked: ${this.pixelText(row, col)}`);
  }
  /** Without a kernel: take spectra from the tiles of the bands in the page. */
  readSpectra() {
    const { store, about } = this, { grid } = about;
    store.spectra = this.view.state.pins.map(([x, y]) => {
      const time = stepOf(about, this.view.state.time);
      const known = store.spectra.find((s) => s.x === x && s.y === y && s.time === time);
      if (known) return known;
      const at = [(y - grid.y) / grid.dy, (x - grid.x) / grid.dx];
      const bands = (about.offline || []).filter((key) => about.bands[key]);
      return { x, y, time, values: Object.fromEntries(bands.map((key) => [key, this.valueAt(key, ...at)?.value])) };
    });
    this.view.refresh();
  }
  /** The value of a channel at a pixel, from the finest tile that is here, and its level. */
  valueAt(key, row, col, state = this.view.state) {
    const time = stepOf(this.about, state.time);
    for (let level = this.level; level <= this.pyramid.top; level++) {
      const [[r, c]] = this.pyramid.within(level, [row, col, row + 1e-9, col + 1e-9]);
      const tile = this.store.get({ key, time, level, row: r, col: c });
      if (!tile) continue;
      const [top, left, bottom, right] = tile.box;
      const j = Math.floor((row - top) / (bottom - top) * tile.shape[0]);
      const i = Math.floor((col - left) / (right - left) * tile.shape[1]);
      if (j < 0 || i < 0 || j >= tile.shape[0] || i >= tile.shape[1]) continue;
      const code = tile.codes[j * tile.shape[1] + i];
      if (key === MASK) return { value: code, level };
      return { value: code ? tile.low + (code - 1) * tile.step : null, level };
    }
    return null;
  }
  /** Position and values of a pixel, as text. */
  pixelText(row, col) {
    const { grid, bands } = this.about;
    if (row < 0 || col < 0 || row >= grid.rows || col >= grid.cols) return "";
    const digits = grid.degrees ? 5 : Math.abs(grid.dx) < 1 ? 2 : 0;
    const x = (grid.x + grid.dx * col).toFixed(digits), y = (grid.y + grid.dy * row).toFixed(digits);
    const parts = [grid.placed ? `x ${x}  y ${y}` : `row ${Math.floor(row)}  column ${Math.floor(col)}`];
    const degrees = grid.degrees ? null : lonlatAt(grid, row, col);
    if (degrees) parts.push(`${Math.abs(degrees[1]).toFixed(4)}°${degrees[1] < 0 ? "S" : "N"} ${Math.abs(degrees[0]).toFixed(4)}°${degrees[0] < 0 ? "W" : "E"}`);
    const { state } = this.view, sides = sidesRead(state), values = [];
    let coarsest = 0;
    for (const side of sides) {
      const own = sideOf(this.about, state, side), mark = sides.length > 1 ? `${side.toUpperCase()} ` : "";
      let prefix = mark;
      for (const key of new Set(channelsOf(own))) {
        const found = this.valueAt(key, row, col, own);
        if (!found) continue;
        const { value } = found, band = bands[key] || { classes: [] };
        const named = band.classes.find((c) => c.value === value);
        const text = value === null ? "no data" : named ? named.name : shortNumber(value);
        parts.push(`${prefix}${key} ${text}${value !== null && band.units ? ` ${band.units}` : ""}`);
        values.push(value);
        prefix = "";
        if (value !== null && !band.classes.length) coarsest = Math.max(coarsest, found.level);
      }
      if (this.valueAt(MASK, row, col, own)?.value) parts.push(`${mark}cloud or shadow`);
    }
    const [a, b] = values;
    if (values.length === 2 && typeof a === "number" && typeof b === "number" && canDiffer(this.about, state)) parts.push(`B − A ${shortNumber(b - a)}`);
    const [down, across] = this.pyramid.pitch(coarsest);
    if (down * across > 1) parts.push(`(mean of ${Math.round(down * across)} pixels)`);
    return parts.join(GAP);
  }
  showPixel() {
    const [row, col] = this.hover ? this.viewport.toGrid(...this.hover) : [this.viewport.row, this.viewport.col];
    const text = this.pixelText(row, col);
    if (this.readout.textContent === text) return;
    this.readout.replaceChildren(...text.split(GAP).flatMap((part2, n) => [n ? GAP : "", make("span", {}, part2)]));
  }
  /** Draw the tiles that are here; what was shown before is drawn pale until there are some. */
  paint(limits) {
    const { viewport, canvas, dpr, level, pyramid, view: { state } } = this;
    if (!viewport.width || this.view.asleep) return;
    const started = performance.now();
    const images = this.imagesSeen;
    sidesSeen(state).forEach((side, n) => images[n].paint(sideOf(this.about, state, side), limits, viewport.view || pyramid.whole, level));
    const context = canvas.getContext("2d");
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, viewport.width, viewport.height);
    const saved = !this.drawn && this.preview;
    if (saved) this.put(context, { canvas: saved, box: pyramid.whole });
    this.sides(context, ({ fresh: fresh2 }) => fresh2 ? 1 : 0.35);
    this.swipe.update();
    this.marks(context);
    this.areaTool.place();
    this.scale();
    const fresh = images.every(({ fresh: fresh2 }) => fresh2);
    if (fresh) {
      canvas.dataset.rev = ++this.revision;
      canvas.dataset.ms = (performance.now() - started).toFixed(1);
    }
    canvas.dataset.fine = String(fresh && images.every(({ complete }) => complete));
    canvas.dataset.level = level;
    canvas.dataset.whole = String(!viewport.zoomed);
    canvas.dataset.saved = String(Boolean(saved));
  }
  get imagesSeen() {
    return sidesSeen(this.view.state).map((side) => this.images[side]);
  }
  /** Whether there is an image, even if of what was shown before. */
  get drawn() {
    return this.imagesSeen.some(({ drawn }) => drawn);
  }
  /** Draw A left of the bar and B right of it, or the only side. @param {(image: SideImage) => number} alpha */
  sides(context, alpha) {
    const { viewport, imagesSeen: images } = this;
    const edge = images.length > 1 ? this.swipe.split * viewport.width : viewport.width;
    images.forEach((image, n) => {
      context.save();
      context.beginPath();
      context.rect(n ? edge : 0, 0, n ? viewport.width - edge : edge, viewport.height);
      context.clip();
      context.globalAlpha = alpha(image);
      for (const layer of image.drawn || []) this.put(context, layer);
      context.restore();
    });
  }
  /** Draw the image, the bar and the pins on another canvas, in CSS pixels. */
  drawOn(context) {
    this.sides(context, () => 1);
    if (this.swipe.on) {
      context.fillStyle = "#fff";
      context.fillRect(this.swipe.split * this.viewport.width - 1, 0, 2, this.viewport.height);
    }
    this.marks(context);
  }
  put(context, layer) {
    const [top, left, bottom, right] = layer.box;
    const [x, y] = this.viewport.toScreen(top, left), [x2, y2] = this.viewport.toScreen(bottom, right);
    context.imageSmoothingEnabled = (x2 - x) / layer.canvas.width < 2;
    context.imageSmoothingQuality = "medium";
    context.drawImage(layer.canvas, x, y, x2 - x, y2 - y);
  }
  marks(context) {
    const { grid } = this.about;
    context.font = "600 10px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.view.state.pins.forEach(([px, py], n) => {
      const [x, y] = this.viewport.toScreen((py - grid.y) / grid.dy, (px - grid.x) / grid.dx);
      context.beginPath();
      context.arc(x, y, 8, 0, 7);
      context.fillStyle = pinColor(n);
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = "#fff";
      context.stroke();
      context.fillStyle = "#fff";
      context.fillText(n + 1, x, y + 0.5);
    });
  }
  scale() {
    const bar = barOf(this.about.grid, this.viewport.scale, this.viewport.width / 4);
    this.scalebar.hidden = !bar;
    if (!bar) return;
    this.scalebar.firstChild.style.width = `${bar.width.toFixed(1)}px`;
    this.scalebar.lastChild.textContent = bar.text;
  }
};

// astra_xr/widgets/js/ui/status.js
var Status = class {
  constructor(view) {
    this.view = view;
    this.line = make("div", { class: "astra-status", role: "status" });
    this.alert = make("div", { class: "astra-alert", role: "alert", hidden: true });
  }
  show(text) {
    this.line.textContent = text;
  }
  /** @param {boolean} done */
  copied(done) {
    this.show(done ? "Copied." : "The browser denied access to the clipboard.");
  }
  /** `broken` is the message of a panel that failed. */
  update(broken) {
    const { view } = this, { store } = view;
    const { reading } = store;
    view.stage.bar.hidden = !reading.length;
    view.root.dataset.busy = String(view.frame > 0 || reading.length > 0);
    const [text, weight] = this.text(reading);
    if (this.shown !== text) {
      this.shown = text;
      this.show(text);
      this.line.dataset.weight = weight;
    }
    const shown2 = sidesRead(view.state).flatMap((side) => channelsOf(sideOf(view.about, view.state, side)));
    const wanted = [...shown2, ...view.state.mask ? [MASK] : []];
    const failure = [...store.failures(wanted), store.refused, broken].filter(Boolean).join("\n");
    if (this.failure === failure) return;
    this.failure = failure;
    this.alert.hidden = !failure;
    this.alert.replaceChildren(make("span", {}, failure), make("button", { onclick: () => {
      store.retry();
      view.refresh();
    } }, "Try again"));
  }
  text(reading) {
    const { store, found } = this.view;
    if (store.wire.gone) return ["The kernel is gone: run the cell again. What has been read still works.", "warning"];
    if (store.waiting > 4e3) return ["Still waiting: the kernel is busy, or gone. If it was restarted, run the cell again.", "warning"];
    if (reading.length) return [`Reading ${reading.map((key) => key === MASK ? "clouds" : key).join(", ")}`, ""];
    const empty = found && found.counts.some(({ total }) => !total);
    return [empty ? "No data here." : "", ""];
  }
};

// astra_xr/widgets/js/ui/strip.js
var CELL = 66;
var EDGE3 = 4;
var BATCH = 12;
var FEW = 6;
var AHEAD = 16;
var SLICE = 10;
var Strip = class {
  clear = false;
  // list only clear steps
  used = false;
  // the user has used the strip: read neighboring steps ahead
  hovered = -1;
  shown = -1;
  /** @type {number[]} */
  list = [];
  /** @type {Map<number, Cell>} */
  cells = /* @__PURE__ */ new Map();
  /** @param {View} view */
  constructor(view) {
    const { about } = view;
    this.view = view;
    this.steps = about.steps;
    this.dates = this.steps.some(({ date }) => date !== null);
    this.order = inOrder(this.steps);
    const what = this.dates ? "date" : "image";
    this.previous = iconButton(`Previous ${what}`, "◀", () => this.go(-1));
    this.next = iconButton(`Next ${what}`, "▶", () => this.go(1));
    this.only = checkbox(`Only clear (≤ ${CLEAR} %)`, (clear) => {
      this.clear = clear;
      this.shown = -1;
      view.refresh();
    });
    this.same = checkbox(`Same limits at all ${what}s`, (same) => view.act({ type: "same", same }));
    this.label = make("b", { class: "astra-label" });
    this.count = make("span", { class: "astra-unit" });
    this.track = make("div", { class: "astra-track" });
    this.scroller = make("div", { class: "astra-dates", role: "listbox", "aria-orientation": "horizontal", "aria-label": this.dates ? "Dates" : "Images", onscroll: () => view.refresh() }, this.track);
    this.node = make(
      "div",
      { class: "astra-strip", hidden: this.steps.length < 2 },
      this.scroller,
      make("div", { class: "astra-row" }, make("span", { class: "astra-pair" }, this.previous, this.label, this.next), this.count, this.only.label, this.same.label)
    );
    this.scroller.style.flexBasis = `${this.steps.length * CELL + EDGE3}px`;
    this.scroller.addEventListener("keydown", (e) => this.key(e));
    for (const event of ["pointerenter", "focusin"]) this.node.addEventListener(event, () => this.use());
    this.scroller.addEventListener("pointerleave", () => {
      this.hovered = -1;
    });
  }
  use() {
    if (this.used) return;
    this.used = true;
    this.view.refresh();
  }
  get current() {
    return stepOf(this.view.about, this.view.edited.time);
  }
  /** Show the step `by` places further. @param {number} by */
  go(by) {
    this.use();
    this.choose(stepBy(this.list, this.current, by));
  }
  /** @param {number} n */
  choose(n) {
    this.view.act({ type: "time", label: this.steps[n].label });
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity, PageUp: -10, PageDown: 10 }[event.key];
    if (by === void 0 || modified(event)) return;
    event.preventDefault();
    this.focus = true;
    this.go(by);
  }
  /** @param {number} n */
  cloudOf(n) {
    const known = this.steps[n].cloud;
    if (known !== null || !this.view.about.masked) return known;
    const mask = this.tile(MASK, n), tile = this.tile(channelsOf(this.view.edited)[0], n);
    return mask && tile ? cloudsIn(mask, tile) : null;
  }
  /** @param {number} n @returns {Address[]} */
  addresses(n) {
    const { about, edited: state, pyramid } = this.view;
    const clouds = about.masked && (state.mask || !state.stretch.time || this.steps[n].cloud === null);
    return [...new Set(channelsOf(state)), ...clouds ? [MASK] : []].map((key) => ({ key, time: n, level: pyramid.thumbnail, row: 0, col: 0 }));
  }
  /** @param {string} key @param {number} n */
  tile(key, n) {
    return this.view.store.get({ key, time: n, level: this.view.pyramid.thumbnail, row: 0, col: 0 });
  }
  /** The tiles to read besides those of the image: thumbnails in sight, and neighboring steps. @param {Address[]} seen */
  wanted(seen) {
    const { about, store, edited: state, pyramid, stage } = this.view;
    if (this.steps.length < 2 || !about.quick || about.offline || !this.scroller.clientWidth) return [];
    const left = seen.filter((address) => !store.settled(address)), idle = !left.length;
    const most = idle ? BATCH : left.some(({ level: level2 }) => level2 === pyramid.top) ? 0 : FEW;
    const near = this.sight().sort((a, b) => Math.abs(a - this.place) - Math.abs(b - this.place)).map((place) => this.list[place]);
    const open = near.map((n) => this.addresses(n)).filter((all) => !all.every((address) => store.settled(address)));
    const pending = open.filter((all) => all.some((address) => store.pending(address)));
    const found = [...pending, ...open.filter((all) => !pending.includes(all)).slice(0, Math.max(0, most - pending.length))].flat();
    if (!this.used || !idle) return found;
    const beside = /* @__PURE__ */ new Set([this.hovered, stepBy(this.list, this.current, 1), stepBy(this.list, this.current, -1)]);
    const ahead = [...beside].filter((n) => n >= 0).map((n) => ({ ...state, time: this.steps[n].label }));
    const view = stage.viewport.view || pyramid.whole;
    const level = pyramid.within(stage.level, view).length <= AHEAD ? stage.level : pyramid.top;
    return [...found, ...ahead.flatMap((next) => wantedBy(about, pyramid, next, level, view))];
  }
  /** Places in the list that are in sight. */
  sight() {
    const [first, last2] = inSight(this.scroller.scrollLeft, this.scroller.clientWidth, CELL, this.list.length);
    return Array.from({ length: last2 - first + 1 }, (_, i) => first + i);
  }
  /** The place of the current step in the list. */
  get place() {
    return this.list.indexOf(this.current);
  }
  update() {
    const { state } = this.view;
    if (this.steps.length < 2) return;
    const clouds = this.steps.map((_, n) => this.cloudOf(n));
    this.list = listed(this.order, clouds, this.clear, this.current);
    this.track.style.width = `${this.list.length * CELL + EDGE3}px`;
    this.only.label.hidden = !this.clear && clouds.every((cloud) => cloud === null);
    this.previous.disabled = this.place <= 0;
    this.next.disabled = this.place >= this.list.length - 1;
    this.label.textContent = this.steps[this.current].label;
    const [all, some] = [this.steps.length, this.list.length];
    this.count.textContent = some < all ? `${some} of ${all}` : "";
    this.same.input.checked = state.stretch.time !== null;
    this.same.label.title = state.stretch.time === null ? "Each has its own limits" : `The limits are those of ${state.stretch.time}`;
    if (this.shown !== this.current) this.reveal();
    this.lay(clouds);
    this.paint();
  }
  /** Scroll to the current step. */
  reveal() {
    const { scroller } = this, left = this.place * CELL;
    if (!scroller.clientWidth) return;
    this.shown = this.current;
    if (left < scroller.scrollLeft) scroller.scrollLeft = left - CELL;
    else if (left + CELL > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = left + 2 * CELL - scroller.clientWidth;
  }
  /** Make elements only for steps in sight, and for the current step, which can have the focus. @param {(number | null)[]} clouds */
  lay(clouds) {
    const { about, state } = this.view;
    const sides = state.compare ? bothOf(about, state).map(({ time }) => stepOf(about, time)) : [];
    const places = new Map([...this.sight(), this.place].map((place) => [this.list[place], place]));
    for (const [n, { node }] of this.cells) {
      if (places.has(n)) continue;
      node.remove();
      this.cells.delete(n);
    }
    for (const [n, place] of places) {
      const cell = this.cells.get(n) || this.makeCell(n);
      const { node, bar } = cell, current = n === this.current, cloud = clouds[n];
      node.style.left = `${place * CELL + EDGE3}px`;
      node.setAttribute("aria-selected", String(current));
      node.setAttribute("aria-posinset", String(place + 1));
      node.setAttribute("aria-setsize", String(this.list.length));
      node.dataset.sides = sides.map((at, side) => at === n ? "ab"[side] : "").join("");
      node.tabIndex = current ? 0 : -1;
      const text = cloud === null ? "" : `${Math.round(cloud)} % clouds`;
      node.title = [this.steps[n].label, text].filter(Boolean).join(", ");
      node.setAttribute("aria-label", node.title);
      bar.style.visibility = cloud === null ? "hidden" : "";
      bar.firstChild.style.width = `${cloud ?? 0}%`;
      if (current && this.focus) node.focus({ preventScroll: true });
    }
    this.focus = false;
  }
  /** @param {number} n */
  makeCell(n) {
    const canvas = make("canvas"), bar = make("i", { class: "astra-clouds" }, make("i"));
    const node = make("div", {
      class: "astra-date",
      role: "option",
      onclick: () => {
        this.focus = true;
        this.use();
        this.choose(n);
      },
      onpointerenter: () => {
        this.hovered = n;
        if (this.used) this.view.refresh();
      }
    }, canvas, bar, make("span", {}, shortLabel(this.steps[n])));
    const cell = { node, canvas, bar, made: "", from: "", limits: {} };
    this.track.append(node);
    this.cells.set(n, cell);
    return cell;
  }
  /** Color the thumbnails, for a short while at a time. */
  paint() {
    const started = performance.now();
    const coloring = new Coloring(this.view.about, this.view.edited, this.view.limits);
    for (const [n, cell] of this.cells) {
      if (performance.now() - started > SLICE) {
        setTimeout(() => this.view.refresh(), 30);
        return;
      }
      this.draw(n, cell, coloring);
    }
  }
  /** @param {number} n @param {Cell} cell @param {Coloring} shared */
  draw(n, cell, shared) {
    const { about, edited: state, store } = this.view;
    const tiles = (
      /** @type {Tile[]} */
      channelsOf(state).map((key) => this.tile(key, n)).filter(Boolean)
    );
    const mask = about.masked ? this.tile(MASK, n) : void 0;
    const small = tiles.length === channelsOf(state).length && (!state.mask || Boolean(mask));
    let coloring = shared;
    if (!state.stretch.time && small) {
      const from = JSON.stringify([state.mode, channelsOf(state), state.stretch, state.cmap, tiles.map(numberOf), mask && numberOf(mask)]);
      if (cell.from !== from) [cell.from, cell.limits] = [from, limitsOf(about, state, tiles, mask)];
      coloring = new Coloring(about, state, limitsInForce(state, { limits: cell.limits }));
    }
    coloring.time = n;
    const failed = this.addresses(n).map((address) => store.failure(address)).find(Boolean);
    cell.node.classList.toggle("astra-failed", Boolean(failed));
    if (failed) cell.node.title = `${this.steps[n].label}: ${failed}`;
    if (!coloring.known) return;
    if (small) this.drawThumbnail(cell, coloring, tiles, state.mask ? mask : null);
    else if (about.offline || !about.quick) this.drawOverview(cell, coloring);
    if (cell.made) cell.node.classList.add("astra-here");
  }
  /** @param {Cell} cell @param {Coloring} coloring @param {Tile[]} tiles @param {Tile | null | undefined} mask */
  drawThumbnail(cell, coloring, tiles, mask) {
    const key = coloring.keyOf(tiles, mask);
    if (cell.made === key) return;
    [cell.canvas.height, cell.canvas.width] = tiles[0].shape;
    cell.canvas.getContext("2d")?.putImageData(coloring.image(tiles, mask), 0, 0);
    cell.made = key;
  }
  /** Where there are no thumbnails: shrink the overview, if the step was shown. @param {Cell} cell @param {Coloring} coloring */
  drawOverview(cell, coloring) {
    const { store, pyramid } = this.view, { keys, time, state: { mask } } = coloring, { top: level } = pyramid;
    const overview = pyramid.within(level, pyramid.whole).flatMap(([row, col]) => [...keys, ...mask ? [MASK] : []].map((key2) => store.get({ key: key2, time, level, row, col })));
    if (!overview.every((tile) => tile !== void 0)) return;
    const key = coloring.keyOf(overview, null);
    if (cell.made === key) return;
    const layer = new Layer(store, pyramid, level);
    layer.paint(pyramid.whole, coloring);
    const { canvas } = layer, scale = 112 / Math.max(canvas.width, canvas.height);
    [cell.canvas.width, cell.canvas.height] = [canvas.width * scale, canvas.height * scale];
    cell.canvas.getContext("2d")?.drawImage(canvas, 0, 0, cell.canvas.width, cell.canvas.height);
    cell.made = key;
  }
};

// astra_xr/widgets/js/ui/timeline.js
var HIGH2 = 108;
var [LEFT2, RIGHT2, TOP2, BOTTOM2] = [34, WIDE - 10, 8, HIGH2 - 22];
var Timeline = class {
  requested = "";
  made = "";
  /** @param {View} view */
  constructor(view) {
    this.view = view;
    this.order = inOrder(view.about.steps);
    this.title = make("div", { class: "astra-formula" });
    this.svg = draw("svg", { class: "astra-spectra", viewBox: `0 0 ${WIDE} ${HIGH2}`, role: "img" });
    this.note = make("p", { class: "astra-hint" });
    this.again = tryAgain(() => {
      this.requested = "";
      view.refresh();
    });
    this.node = make("div", { class: "astra-timeline" }, this.title, this.svg, this.note, this.again);
  }
  update() {
    const { about, edited: state, store } = this.view, { pins } = state;
    const some = about.steps.length > 1 && pins.length > 0 && about.quick && !about.offline;
    this.node.hidden = !some;
    if (!some) {
      this.requested = "";
      return;
    }
    const key = overTime(about, state);
    const known = pins.map(([x, y]) => store.series.find((s) => s.key === key && s.x === x && s.y === y));
    const missing = pins.filter((_, n) => !known[n] || known[n].message), request = JSON.stringify([key, missing]);
    if (missing.length && request !== this.requested && store.wire.send({ type: "series", key, points: missing })) this.requested = request;
    const made = JSON.stringify([key, known.map((found) => found && [found.x, found.y, found.values.length, found.message]), state.time, store.wire.gone]);
    if (made === this.made) return;
    this.made = made;
    this.title.textContent = `${key} over time`;
    const failed = known.find((found) => found?.message);
    this.note.textContent = failed?.message || (!missing.length ? "" : store.wire.gone ? "This needs a kernel." : "reading…");
    this.again.hidden = !failed;
    this.plot(key, known.filter(Boolean));
  }
  plot(key, known) {
    const { about, edited: state } = this.view, { steps } = about;
    const dated = this.order.filter((n) => steps[n].date !== null), order = dated.length ? dated : this.order;
    const at = (n) => steps[n].date ?? this.order.indexOf(n);
    const values = known.flatMap((found) => order.map((n) => found.values[n])).filter((v) => typeof v === "number");
    this.svg.setAttribute("aria-label", `${key} over time at the marked pixels`);
    if (!values.length) {
      this.svg.replaceChildren();
      if (known.length && !this.note.textContent) this.note.textContent = "No clear value.";
      return;
    }
    const low = Math.min(...values), high = Math.max(...values), room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    const across = scaleOf(at(order[0]), at(order[order.length - 1]), LEFT2, RIGHT2), x = (n) => across(at(n));
    const y = scaleOf(low - room, high + room, BOTTOM2, TOP2);
    const nodes = [low, high].flatMap((v) => gridLine(y(v), numberText(v, 2), LEFT2, RIGHT2));
    nodes.push(...this.ticks(order, x));
    const now = stepOf(about, state.time);
    if (order.includes(now)) nodes.push(draw("line", { x1: x(now), x2: x(now), y1: TOP2, y2: BOTTOM2, class: "astra-now" }));
    const small = order.length > 80;
    for (const { x: px, y: py, values: over } of known) {
      const color = pinColor(state.pins.findIndex((pin) => pin[0] === px && pin[1] === py));
      const point = (n) => [x(n), y(over[n])];
      for (const piece of pieces(order, over)) {
        if (piece.length > 1) nodes.push(lineThrough(piece.map(point), color));
        nodes.push(...piece.map((n) => dotAt(
          point(n),
          color,
          `${steps[n].label}: ${numberText(over[n], 4)}`,
          { r: n === now ? 4 : small ? 1.2 : 2.6, class: "astra-dot", onclick: () => this.view.act({ type: "time", label: steps[n].label }) }
        )));
      }
    }
    this.svg.replaceChildren(draw("g", { class: "astra-axis" }, ...nodes));
  }
  /** The labels of the first and the last step, and of one between them, if they fit. */
  ticks(order, x) {
    const { steps } = this.view.about, { length } = order;
    const ends = length > 2 ? [0, length >> 1, length - 1] : [...order.keys()];
    let used = -99;
    return ends.flatMap((i) => {
      const px = clamp(x(order[i]), LEFT2 + 22, RIGHT2 - 22);
      if (px - used < 56) return [];
      used = px;
      return [labelAt(px, HIGH2 - 6, steps[order[i]].label.slice(0, 10))];
    });
  }
};

// astra_xr/widgets/js/ui/view.js
var PANEL = 348;
var View = class {
  closing = new AbortController();
  // ends all listeners and observers
  full = false;
  // in full screen
  asleep = false;
  // far out of sight
  frame = 0;
  saving = 0;
  broken = "";
  /** @param {Model} model @param {Store} store @param {HTMLElement} root */
  constructor(model, store, root) {
    this.model = model;
    this.store = store;
    this.root = root;
    this.about = model.get("about");
    this.state = model.get("state");
    this.id = `astra-${unique()}`;
    this.pyramid = new Pyramid(this.about.grid, this.about.pyramid);
    this.side = "a";
    this.differences = new Differences(this.about, store);
    const statistics = (tiles) => new Statistics(this.about, this.pyramid, tiles);
    this.statistics = { a: statistics(store), b: statistics(store), difference: statistics(this.differences) };
    this.limits = {};
    store.join(this, () => this.refresh());
    this.status = new Status(this);
    this.stage = new Stage(this);
    this.save = new Save(this);
    this.head = new Head(this);
    this.panel = new Panel(this);
    this.histogram = new Histogram(this);
    this.spectra = new Spectra(this);
    this.area = new AreaPanel(this);
    this.timeline = new Timeline(this);
    this.strip = new Strip(this);
    this.build();
    this.listen();
    this.refresh();
    if (this.state.pins.length && !store.spectra.length) store.wire.send({ type: "spectra" });
    if (this.state.area && !store.statistics) store.wire.send({ type: "statistics" });
  }
  build() {
    const { about, stage, status, root } = this;
    this.code = make("code");
    const copy = this.copyCode("Copy code", "", { class: "astra-main" });
    const none = about.opening ? "" : about.unopened || "";
    const title = none || "A complete program that opens the Dataset and makes this image";
    const script = this.copyCode("Copy script", `${about.opening}
`, { title, disabled: !about.opening });
    const why = none ? make("div", { class: "astra-why" }, `No script. ${none}`) : null;
    const foot = make(
      "div",
      { class: "astra-foot" },
      make("pre", { class: "astra-code", tabIndex: 0, role: "region", "aria-label": "Python code for this image" }, this.code),
      make("div", { class: "astra-row" }, copy, script),
      why
    );
    const below = make("div", { class: "astra-below" }, stage.readout, status.line);
    const left = make("div", { class: "astra-left" }, stage.node, below, status.alert);
    this.panel.node.append(...this.panel.above, this.histogram.node, ...this.panel.below, this.area.node, this.spectra.node, this.timeline.node);
    root.classList.add("astra-picker");
    if (about.still) root.append(make("style", {}, `.jp-OutputArea-child:has(> .jp-OutputArea-output > .${about.still}), .${about.still} { display: none !important; }`));
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.append(make(
      "section",
      { class: "astra-box", "aria-label": `Band picker of ${about.title}` },
      this.head.node,
      make("div", { class: "astra-body" }, left, this.strip.node, this.panel.node),
      foot
    ));
  }
  listen() {
    const { model, root, stage, closing: { signal } } = this;
    const atEnd = (act) => signal.addEventListener("abort", act);
    const onModel = (event, act) => {
      model.on(event, act);
      atEnd(() => model.off(event, act));
    };
    onModel("change:state", () => {
      const state = model.get("state");
      if (state === this.state) return;
      const moved = String(state.view) !== String(this.state.view);
      this.state = state;
      if (moved) stage.follow(state.view);
      this.refresh();
    });
    onModel("change:shown", () => this.refresh());
    root.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const [field] = event.composedPath();
      const text = field instanceof HTMLInputElement && !["radio", "checkbox", "range"].includes(field.type);
      if (!(event.ctrlKey || event.metaKey) || event.altKey || text) return;
      const name = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
      if (!name) return;
      event.preventDefault();
      this.step(name);
    }, { signal });
    const widen = () => {
      this.full = /** @type {ShadowRoot} */
      root.getRootNode().fullscreenElement === root;
      const most = PANEL + 0.85 * window.innerHeight / stage.viewport.aspect;
      root.style.maxWidth = this.full ? "none" : `${clamp(Math.round(most), 1080, 1680)}px`;
      this.head.update();
      stage.resized();
    };
    widen();
    addEventListener("resize", widen, { signal });
    document.addEventListener("fullscreenchange", widen, { signal });
    const sizes = new ResizeObserver(() => stage.resized());
    sizes.observe(stage.node);
    let timer = 0;
    const near = new IntersectionObserver(
      ([{ isIntersecting }]) => {
        clearTimeout(timer);
        if (isIntersecting) this.wake();
        else timer = setTimeout(() => this.sleep(), 3e3);
      },
      /** @type {any} */
      { rootMargin: "1000px", scrollMargin: "1000px" }
    );
    near.observe(root);
    const ticking = setInterval(() => this.status.update(this.broken), 500);
    atEnd(() => {
      sizes.disconnect();
      near.disconnect();
      clearTimeout(timer);
      clearInterval(ticking);
    });
  }
  close() {
    this.closing.abort();
    clearTimeout(this.saving);
    clearTimeout(this.stage.navigating);
    cancelAnimationFrame(this.frame);
    this.store.leave(this);
    this.root.replaceChildren();
  }
  sleep() {
    this.asleep = true;
    this.stage.release();
    this.store.sleep(this);
  }
  wake() {
    if (!this.asleep) return;
    this.asleep = false;
    this.stage.load();
    this.stage.fill();
  }
  /** Change the state. @param {any} action */
  act(action) {
    const next = reduce(this.about, this.state, { side: this.side, ...action });
    if (next !== this.state) this.store.history.record(this.state, next, action);
    this.show(next);
  }
  /** Undo or redo a change. @param {"undo" | "redo"} name */
  step(name) {
    const { history } = this.store;
    if (!(name === "undo" ? history.done : history.undone).length) return;
    this.show(history[name](this.state));
    this.status.show(name === "undo" ? "Undone." : "Redone.");
  }
  /** Show a state, and send it to Python, at most every 80 ms. @param {State} next */
  show(next) {
    if (next !== this.state) {
      this.state = next;
      this.store.refused = "";
      this.model.set("state", next);
      clearTimeout(this.saving);
      const save = () => {
        this.saved = performance.now();
        this.store.wire.save(this.state);
      };
      const wait = 80 - (performance.now() - (this.saved || 0));
      if (wait <= 0) save();
      else this.saving = setTimeout(save, wait);
    }
    this.refresh();
  }
  /** Let the menus change side "a" or "b". */
  choose(side) {
    this.side = side;
    this.refresh();
  }
  /** The side whose limits, histogram and colormap are shown. */
  get limitsOf() {
    return sidesSeen(this.state).includes(this.side) ? this.side : sidesSeen(this.state)[0];
  }
  /** The state of the side that the menus change. */
  get edited() {
    return sideOf(this.about, this.state, this.side);
  }
  /** The state of the side whose limits are shown. */
  get shown() {
    return sideOf(this.about, this.state, this.limitsOf);
  }
  /** The statistics of that side, if they are known. */
  get found() {
    return this.statistics[this.limitsOf].found;
  }
  /** Whether the colormap can be chosen: if B shows another channel than A, it has the default one. */
  get mapIsChosen() {
    return this.limitsOf !== "b" || String(channelsOf(this.shown)) === String(channelsOf(sideOf(this.about, this.state, "a")));
  }
  refresh() {
    if (this.frame || this.closing.signal.aborted) return;
    this.root.dataset.busy = "true";
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.update();
    });
  }
  /** Request tiles, derive limits and update each panel; a failure in one does not stop the others. */
  update() {
    if (this.closing.signal.aborted) return;
    if (!this.state.compare) this.side = "a";
    const { stage, head, panel, histogram, spectra, area, timeline, strip } = this;
    const parts = [
      () => this.fetch(),
      () => this.derive(),
      () => stage.paint(this.limits),
      ...[head, panel, histogram, area, spectra, timeline, strip].map((part2) => () => part2.update()),
      () => this.showCode(),
      () => stage.showPixel()
    ];
    this.broken = "";
    for (const part2 of parts) {
      try {
        part2();
      } catch (error) {
        this.broken = `A part of the picker failed: ${/** @type {Error} */
        error.message}`;
      }
    }
    this.status.update(this.broken);
  }
  fetch() {
    if (this.asleep || this.stage.navigating || !this.stage.viewport.width) return;
    const { about, pyramid, state, stage } = this;
    const wanted = sidesRead(state).flatMap((side) => wantedBy(about, pyramid, sideOf(about, state, side), stage.level, stage.viewport.view));
    this.store.want(this, wanted, this.strip.wanted(wanted));
  }
  derive() {
    const { about, state, statistics } = this, reported = this.model.get("shown")?.limits;
    if (this.differences.of(...bothOf(about, state))) statistics.difference.found = null;
    this.limits = {};
    for (const side of /* @__PURE__ */ new Set([...sidesRead(state), ...sidesSeen(state)])) {
      const own = sideOf(about, state, side);
      statistics[side].update(own);
      this.limits = { ...limitsInForce(own, statistics[side].found, reported), ...this.limits };
    }
  }
  showCode() {
    const code = codeOf(this.about, this.state, this.limits);
    if (this.code.textContent !== code) this.code.textContent = code;
  }
  copyCode(title, opening, attrs) {
    return copyButton(title, () => opening + codeOf(this.about, this.state, this.limits), attrs, (done) => this.status.copied(done));
  }
};

// astra_xr/widgets/js/index.js
function shown(model, store, el) {
  const view = new View(model, store, el);
  return () => view.close();
}
function widget() {
  let store;
  return {
    /** @param {{ model: Model }} context */
    initialize({ model }) {
      const wire = new Wire(model, (message) => store.receive(message));
      store = new Store(wire, unique());
      return () => wire.close();
    },
    /** @param {{ model: Model, el: HTMLElement }} context */
    render: ({ model, el }) => shown(model, store, el)
  };
}
async function offline(content, el) {
  const { model, store } = await offlineModel(content);
  return shown(model, store, el);
}
export {
  widget as default,
  offline
};
