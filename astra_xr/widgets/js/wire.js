// Messages to and from the kernel; no other module knows them.
//
//   want     { type, store, add: [[key, time, level, row, col]…], drop: […], raw }   → tile or failed, for each
//   spectra, statistics  { type }                                              → the same, with what is known
//   tile     { type, key, time, level, row, col, box, shape, low, step, packing }, [bytes]
//   failed   { type, key, time, level, row, col, message }
//   spectra  { type, spectra }
//   series   { type, key, points }                                             → series { type, series }
//   formula  { type, text, name }, or { type, text, message }: whether a formula can be chosen
//   statistics  { type, area, of, bbox, mean_of, sides }, or { type, area, of, message }
//   page     { type }                                                          → page
//   page     { type, message }, [bytes]: the HTML page, or why there is none
//   refused  { type, message }: a state that Python did not take

/** @import { Address, Asked, Heard, Line, Model, State } from "./types" */

/** @param {Address} address */
export const nameOf = ({ key, time, level, row, col }) => `${time}/${level}/${row}/${col}/${key}`;

/** @implements {Line} */
export class Wire {
  /**
   * `heard` is called with each message that is understood: of a tile, it has the codes.
   * @param {Model} model
   * @param {(message: Heard) => void} heard
   */
  constructor(model, heard) {
    this.model = model;
    this.heard = heard;
    this.gone = false; // nothing can be sent
    this.receive = (/** @type {any} */ message, /** @type {any} */ buffers) => this.take(message, buffers || []);
    model.on("msg:custom", this.receive);
  }

  close() {
    this.model.off("msg:custom", this.receive);
  }

  /** Send a message; false if there is no kernel to take it. @param {Asked} message */
  send(message) {
    return this.tried(() => this.model.send(message));
  }

  /** Give the kernel a state. @param {State} state */
  save(state) {
    this.model.set("state", state);
    return this.tried(() => this.model.save_changes());
  }

  /** @param {() => void} act */
  tried(act) {
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
      if (message.type === "page") this.heard({ ...message, bytes: buffers[0] });
      if (["failed", "spectra", "series", "statistics", "refused", "formula"].includes(message.type)) this.heard(message);
      return;
    }
    try {
      this.heard({ ...message, codes: await unpacked(message, buffers) });
    } catch (error) {
      this.heard({ ...message, type: "failed", message: `A tile of ${message.key} is damaged: ${/** @type {Error} */ (error).message}` });
    }
  }
}

/**
 * The codes of a tile, or its bits, a byte each.
 * @param {{ shape: [number, number], packing: string, bits: boolean }} how
 * @param {any[]} buffers
 */
export async function unpacked({ shape, packing, bits }, [buffer]) {
  const [rows, cols] = shape;
  const size = rows * cols;
  if (!(Number.isInteger(size) && rows > 0 && cols > 0 && size <= 1 << 24)) throw new Error("its shape is none");
  if (!buffer) throw new Error("it has no pixels");
  let bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  if (packing === "deflate") bytes = await inflated(bytes);
  if (bytes.length !== (bits ? Math.ceil(size / 8) : 2 * size)) throw new Error("its size is not that of its shape");
  if (bits) return Uint8Array.from({ length: size }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
  // Differences from the mean of the codes to the left and above, folded to be positive: low bytes, then high bytes.
  const codes = new Uint16Array(size);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, i++) {
      const guess = row && col ? (codes[i - 1] + codes[i - cols]) >> 1 : col ? codes[i - 1] : row ? codes[i - cols] : 0;
      const folded = bytes[i] | (bytes[size + i] << 8);
      codes[i] = guess + ((folded >> 1) ^ -(folded & 1));
    }
  }
  return codes;
}

export const canInflate = () => typeof DecompressionStream === "function";

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
