// The tiles of one model, for all views of it: kept within bounds, and on their way once.

import { History } from "./history.js";
import { canInflate, nameOf } from "./wire.js";

/** @import { Address, Asks, Heard, Line, Series, Spectrum, Statistics, Tile } from "./types" */

const BYTES = 64 << 20; // of pixels that are kept, and not wanted by a view
const SERIES = 200; // of single pixels over time
const ASLEEP = 16 << 20; // of pixels that all stores keep of which no view is near what is seen of the page
const TRIES = 5; // at a tile, unless it is asked for

// Those stores, the last one at the end. Each model has a module of its own, but the page is one.
/** @type {Set<Store>} */
const asleep = (/** @type {any} */ (globalThis)[Symbol.for("astra-xr stores asleep")] ??= new Set());

export class Store {
  /**
   * `name` is the store's own, by which the kernel knows what it still wants.
   * @param {Line} wire
   * @param {string} name
   * @param {(act: () => void, wait: number) => unknown} later
   */
  constructor(wire, name, now = () => performance.now(), later = setTimeout) {
    this.wire = wire;
    this.name = name;
    this.now = now;
    this.later = (/** @type {() => void} */ act, /** @type {number} */ wait) => later(act, wait);
    this.lasting = false; // what is here will not come again, as in a page
    this.due = false; // an attempt at what failed is to come
    /** @type {Map<string, Tile>} */
    this.tiles = new Map(); // name → tile, used last at the end
    this.bytes = 0;
    /** @type {Map<unknown, { names: Map<string, Address>, main: Set<string>, changed: () => void }>} */
    this.views = new Map(); // view → what it wants, of which that is what is seen
    /** @type {Map<string, { address: Address, since: number }>} */
    this.asked = new Map(); // name → { address, since }
    /** @type {Map<string, { key: string, message: string, tries: number, at: number }>} */
    this.failed = new Map(); // name → the same, and when it is asked for again
    /** @type {{ done: (bytes: BlobPart) => void, fail: (error: Error) => void }[]} */
    this.pages = []; // on their way
    /** @type {Spectrum[]} */
    this.spectra = [];
    /** @type {{ text: string, name?: string, message?: string } | null} */
    this.formula = null; // what Python told of one
    /** @type {Statistics | null} */
    this.statistics = null;
    /** @type {Series[]} */
    this.series = [];
    this.history = new History(now);
    this.refused = "";
  }

  /** @param {unknown} view @param {() => void} changed */
  join(view, changed) {
    this.views.set(view, { names: new Map(), main: new Set(), changed });
  }

  /** @param {unknown} view */
  leave(view) {
    this.views.delete(view);
    if (!this.views.size) asleep.delete(this);
    this.ask();
    // A cell that is run again leaves the model of its last output behind.
    if (!this.views.size && !this.lasting) {
      this.tiles.clear();
      this.bytes = 0;
    }
  }

  changed() {
    for (const { changed } of this.views.values()) changed();
  }

  /** A tile, if it is here. @param {Address} address */
  get(address) {
    const name = nameOf(address), tile = this.tiles.get(name);
    if (tile) {
      this.tiles.delete(name);
      this.tiles.set(name, tile);
    }
    return tile;
  }

  /**
   * Say which tiles a view needs now, and which it may need: others are dropped on their way.
   * @param {unknown} view
   * @param {Address[]} addresses
   * @param {Address[]} aside
   */
  want(view, addresses, aside = []) {
    const joined = this.views.get(view);
    if (addresses.length) asleep.delete(this);
    if (joined) joined.names = new Map([...addresses, ...aside].map((address) => [nameOf(address), address]));
    if (joined) joined.main = new Set(addresses.map(nameOf));
    this.ask();
  }

  /** What any view needs, by name. @returns {Map<string, Address>} */
  get wanted() {
    return new Map([...this.views.values()].flatMap(({ names }) => [...names]));
  }

  /** Whether what is seen of a view needs a tile. @param {string} name */
  seen(name) {
    return [...this.views.values()].some(({ main }) => main.has(name));
  }

  /** Whether a tile is here, or will not come. @param {Address} address */
  settled(address) {
    return this.tiles.has(nameOf(address)) || this.failed.has(nameOf(address));
  }

  /** @param {Address} address */
  coming(address) {
    return this.asked.has(nameOf(address));
  }

  /** Why a tile is not here. @param {Address} address */
  failure(address) {
    return this.failed.get(nameOf(address))?.message;
  }

  ask() {
    const { wanted } = this;
    const now = this.now();
    const add = [...wanted].filter(([name]) => !this.tiles.has(name) && !this.asked.has(name) && !((this.failed.get(name)?.at ?? 0) > now));
    const drop = [...this.asked].filter(([name]) => !wanted.has(name));
    if (!add.length && !drop.length) return;
    /** @returns {Asks} */
    const listed = (/** @type {Address} */ address) => [address.key, address.time, address.level, address.row, address.col];
    const sent = this.wire.send({
      type: "want", store: this.name, add: add.map(([, address]) => listed(address)),
      drop: drop.map(([, { address }]) => listed(address)), raw: !canInflate(),
    });
    for (const [name] of drop) this.asked.delete(name);
    if (sent) for (const [name, address] of add) this.asked.set(name, { address, since: now });
    else this.asked.clear();
  }

  /** Take what the wire has heard. @param {Heard} message */
  heard(message) {
    if (message.type === "formula") this.formula = message;
    if (message.type === "statistics") this.statistics = message;
    if (message.type === "spectra") this.spectra = message.spectra;
    if (message.type === "series") this.series = [...message.series, ...this.series].slice(0, SERIES);
    if (message.type === "refused") this.refused = message.message;
    if (message.type === "tile") this.put(message);
    if (message.type === "failed") {
      // A failure is of what this store asked for; others' are not known here.
      if (!this.asked.delete(nameOf(message))) return;
      const tries = (this.failed.get(nameOf(message))?.tries ?? 0) + 1;
      const wait = message.final || tries >= TRIES ? Infinity : 1000 * 2 ** tries;
      this.failed.set(nameOf(message), { key: message.key, message: message.message, tries, at: this.now() + wait });
      this.again();
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
      if (!this.wire.send({ type: "page" })) this.heard({ type: "page", message: "the kernel is gone" });
    });
  }

  /** @param {Tile} tile */
  put(tile) {
    const name = nameOf(tile), before = this.tiles.get(name);
    this.asked.delete(name);
    this.failed.delete(name);
    if (before) this.bytes -= before.codes.byteLength;
    this.tiles.delete(name);
    this.tiles.set(name, tile);
    this.bytes += tile.codes.byteLength;
    this.trim(BYTES, name);
  }

  /** Keep no more than so many bytes besides what is wanted. @param {number} most */
  trim(most, newest = "") {
    const { wanted } = this;
    for (const [each, { codes }] of this.tiles) {
      if (this.bytes <= most) break;
      if (each === newest || wanted.has(each)) continue;
      this.tiles.delete(each);
      this.bytes -= codes.byteLength;
    }
  }

  /** A view is far from what is seen of the page, and needs nothing. @param {unknown} view */
  rest(view) {
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

  /** Ask again, a while later, for what failed. */
  again() {
    const { wanted } = this;
    const open = [...this.failed].filter(([name]) => wanted.has(name) && !this.asked.has(name));
    const next = Math.min(...open.map(([, { at }]) => at));
    if (this.due || next === Infinity) return;
    this.due = true;
    this.later(() => {
      this.due = false;
      this.ask();
      this.again();
    }, Math.max(250, next - this.now()));
  }

  /** Ask again for what failed. */
  retry() {
    this.failed.clear();
    this.refused = "";
    this.ask();
  }

  /** Milliseconds that the oldest tile has been on its way. */
  get waiting() {
    const since = [...this.asked].filter(([name]) => this.seen(name)).map(([, each]) => each.since);
    return since.length ? this.now() - Math.min(...since) : 0;
  }

  /** Channels that are on their way. */
  get reading() {
    return [...new Set([...this.asked].filter(([name]) => this.seen(name)).map(([, { address }]) => address.key))];
  }

  /** The messages of channels that failed. @param {string[]} keys */
  failures(keys) {
    const found = [...this.failed].filter(([name, { key }]) => keys.includes(key) && this.seen(name));
    return [...new Set(found.map(([, { message }]) => message))];
  }
}
