// The menu of indices: a text field that finds indices by name, title and domain, or takes a formula.

import { available } from "../state.js";
import { clamp } from "../numbers.js";
import { isFormula } from "../sides.js";
import { make } from "./dom.js";

/** @import { View } from "./view.js" */

export class IndexMenu {
  /** @type {HTMLElement[]} */ options = [];
  at = -1; // the option that Enter chooses

  /** `choose` is called with the name of an index, or a formula. @param {View} view @param {(text: string) => void} choose */
  constructor(view, choose) {
    this.view = view;
    this.choose = choose;
    const id = `${view.id}-indices`;
    this.list = make("ul", { class: "astra-options", role: "listbox", id, "aria-label": "Indices", hidden: true });
    this.input = make("input", {
      type: "text", role: "combobox", "aria-label": "Index", "aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list",
      autocomplete: "off", spellcheck: false, title: "A name, words to find one, or a formula such as (N-R)/(N+R)",
    });
    this.node = make("div", { class: "astra-combo" }, this.input, this.list);
    this.input.addEventListener("input", () => this.open(this.input.value));
    this.input.addEventListener("click", () => { if (this.list.hidden) { this.input.select(); this.open(""); } });
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.list.addEventListener("mousedown", (e) => e.preventDefault()); // the field keeps the focus
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
      return words.every((word) => all.includes(word));
    });
    // Names that begin with the first word come first.
    const first = (/** @type {[string, any]} */ [name]) => (words.length && name.toLowerCase().startsWith(words[0]) ? 0 : 1);
    found.sort((p, q) => first(p) - first(q));
    this.options = formula ? [this.option(text.trim(), "", "your own formula")] : found.map(([name, { title, domain }]) => this.option(name, title, domain));
    this.list.replaceChildren(...(this.options.length ? this.options : [make("li", {}, "No index of these bands matches.")]));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(words.length ? 0 : this.options.findIndex(({ dataset }) => dataset.name === this.current));
  }

  option(name, title, domain) {
    const { about } = this.view, known = !about.indices[name] || available(about, name);
    const node = make("li", { role: "option", "aria-selected": "false", "aria-disabled": known ? null : "true" },
      make("b", {}, name), title ? make("span", {}, title) : null, make("i", {}, domain));
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
}
