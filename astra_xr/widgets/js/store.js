// What the kernel sent for one model, for all its views: tiles, each requested once and kept within bounds, and values.

import { History } from "./history.js";
import { canInflate, nameOf } from "./wire.js";

/** @import { Address, AreaStatistics, AddressTuple, FromKernel, Connection, Series, Spectrum, Tile } from "./types" */

const BYTES = 64 << 20; // of tiles
const SERIES = 200; // of single pixels over time
const ASLEEP = 16 << 20; // of the tiles of all stores whose views are out of sight
const TRIES = 5; // of a tile, unless the user retries

// The stores whose views are out of sight, the last one at the end; global, as each model loads this module anew.
/** @type {Set<Store>} */
const asleep = (/** @type {any} */ (globalThis)[Symbol.for("astra-xr stores asleep")] ??= new Set());

export class Store {
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
    this.later = (/** @type {() => void} */ act, /** @type {number} */ wait) => later(act, wait);
    this.lasting = false; // tiles cannot be requested again, as in a page
    this.due = false; // a retry is scheduled
    /** @type {Map<string, Tile>} */
    this.tiles = new Map(); // name → tile; the most recently used at the end
    this.bytes = 0;
    /** @type {Map<unknown, { names: Map<string, Address>, main: Set<string>, changed: () => void }>} */
    this.views = new Map(); // view → the tiles it needs; `main` are in sight, others are read ahead
    /** @type {Map<string, { address: Address, since: number }>} */
    this.requested = new Map(); // the requested tiles by name
    /** @type {Map<string, { key: string, message: string, tries: number, at: number }>} */
    this.failed = new Map(); // the failed tiles by name; requested again at the time `at`
    /** @type {{ done: (bytes: BlobPart) => void, fail: (error: Error) => void }[]} */
    this.pages = []; // requested pages
    /** @type {Spectrum[]} */
    this.spectra = [];
    /** @type {{ text: string, name?: string, message?: string } | null} */
    this.formula = null; // the last one that the kernel checked
    /** @type {AreaStatistics | null} */
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
    this.request();
    // If a cell is run again, the model of its last output stays in memory.
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
    /** @returns {AddressTuple} */
    const listed = (/** @type {Address} */ address) => [address.key, address.time, address.level, address.row, address.col];
    const sent = this.wire.send({
      type: "want", store: this.name, add: add.map(([, address]) => listed(address)),
      drop: drop.map(([, { address }]) => listed(address)), raw: !canInflate(),
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
      // Other stores' failures come too.
      if (!this.requested.delete(nameOf(message))) return;
      const tries = (this.failed.get(nameOf(message))?.tries ?? 0) + 1;
      const wait = message.final || tries >= TRIES ? Infinity : 1000 * 2 ** tries;
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
}
