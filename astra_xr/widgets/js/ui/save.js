// The menu "Save", and the figure that it saves.

import { codeOf, pickOf } from "../code.js";
import { captionOf, layoutOf } from "../figure.js";
import { barOf } from "../geo/scalebar.js";
import { clamp } from "../numbers.js";
import { channelsOf, labelOf, sidesSeen } from "../sides.js";
import { copyText, make } from "./dom.js";

/** @import { View } from "./view.js" */

const FONT = "system-ui, 'Helvetica Neue', Arial, sans-serif";
const MOST = 8000; // pixels of the width or height of a figure

export class Save {
  /** @param {View} view */
  constructor(view) {
    this.view = view;
    const item = (/** @type {string} */ text, /** @type {() => unknown} */ run, hidden = false) => make("button", {
      role: "menuitem", tabIndex: -1, hidden, onclick: () => { this.open(false); run(); },
    }, text);
    this.items = [
      item("Image (PNG)", () => this.image()),
      item("HTML page", () => this.page(), Boolean(view.about.offline)),
      item("Copy state as Python", () => this.copied(pickOf(view.about, view.state))),
      item("Copy code of the image", () => this.copied(codeOf(view.about, view.state, view.limits))),
    ].filter(({ hidden }) => !hidden);
    this.menu = make("div", { class: "astra-menu", role: "menu", id: `${view.id}-save`, "aria-label": "Save", hidden: true }, ...this.items);
    this.button = make("button", {
      "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": `${view.id}-save`,
      onclick: () => this.open(this.menu.hidden),
    }, "Save ▾");
    this.node = make("span", { class: "astra-save" }, this.button, this.menu);
    this.node.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => this.keyed(e));
    this.node.addEventListener("focusout", (/** @type {FocusEvent} */ e) => { if (!this.node.contains(e.relatedTarget)) this.open(false); });
    document.addEventListener("pointerdown", (e) => { if (!e.composedPath().includes(this.node)) this.open(false); }, { capture: true, signal: view.closing.signal });
  }

  /** @param {boolean} shown */
  open(shown) {
    if (shown === !this.menu.hidden) return;
    if (!shown && this.menu.contains(this.menu.getRootNode().activeElement)) this.button.focus();
    this.menu.hidden = !shown;
    this.button.setAttribute("aria-expanded", String(shown));
    if (shown) this.items[0].focus();
  }

  /** @param {KeyboardEvent} event */
  keyed(event) {
    const { items, menu } = this;
    if (menu.hidden && event.key !== "ArrowDown") return;
    const now = items.indexOf(menu.getRootNode().activeElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape") this.open(false);
    else if (to === undefined) return;
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
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  async image() {
    const canvas = this.figure();
    /** @type {Blob | null} */
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
      status.show(`The page could not be made: ${/** @type {Error} */ (error).message}`);
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
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.font = `12px ${FONT}`;
    const layout = layoutOf(image, caption, bar, (text) => context.measureText(text).width);
    // As many pixels of the figure per CSS pixel as the tiles have.
    const finest = 1 / (viewport.scale * pyramid.pitch(stage.level)[1]);
    const factor = Math.min(clamp(finest, Math.max(2, stage.dpr), 4), MOST / Math.max(layout.width, layout.height));
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
    const text = (/** @type {string} */ words, /** @type {number} */ x, /** @type {number} */ y, font = `12px ${FONT}`, align = /** @type {CanvasTextAlign} */ ("left")) => {
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
        context.fillRect(x + (i * width) / 256, y, width / 256 + 0.5, height);
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
}
