// Messages to and from the kernel. types.d.ts has them as `ToKernel` and `FromKernel`; on the wire, a tile has
// `packing` and `bits` instead of codes, and its bytes, like those of a page, are the message's only buffer.

/** @import { Address, ToKernel, FromKernel, Connection, Model, State } from "./types" */

/** @param {Address} address */
export const nameOf = ({ key, time, level, row, col }) => `${time}/${level}/${row}/${col}/${key}`;

/** @implements {Connection} */
export class Wire {
  /**
   * `receive` is called with each valid message; tiles have their codes unpacked.
   * @param {Model} model
   * @param {(message: FromKernel) => void} receive
   */
  constructor(model, receive) {
    this.model = model;
    this.receive = receive;
    this.gone = false; // no kernel can be reached
    this.listener = (/** @type {any} */ message, /** @type {any} */ buffers) => this.take(message, buffers || []);
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
      this.receive({ ...message, type: "failed", message: `A tile of ${message.key} is damaged: ${/** @type {Error} */ (error).message}` });
    }
  }
}

/**
 * The codes of a tile, or the bits of a mask, one byte each.
 * @param {{ shape: [number, number], packing: string, bits: boolean }} how
 * @param {any[]} buffers
 */
export async function unpacked({ shape, packing, bits }, [buffer]) {
  const [rows, cols] = shape;
  const size = rows * cols;
  if (!(Number.isInteger(size) && rows > 0 && cols > 0 && size <= 1 << 24)) throw new Error("its shape is invalid");
  if (!buffer) throw new Error("it has no pixels");
  let bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  if (packing === "deflate") bytes = await inflated(bytes);
  if (bytes.length !== (bits ? Math.ceil(size / 8) : 2 * size)) throw new Error("its size does not match its shape");
  if (bits) return Uint8Array.from({ length: size }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
  // Differences from the mean of the left and the upper code, zigzag-coded: all low bytes, then all high bytes.
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
