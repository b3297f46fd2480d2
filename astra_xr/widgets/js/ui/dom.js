// Elements of the page, and how they are dragged and copied from.

/** An HTML element; buttons are of type "button". @param {string} tag @param {Record<string, any>} attrs @param {any[]} kids @returns {any} */
export function make(tag, attrs = {}, ...kids) {
  const node = document.createElement(tag);
  if (node instanceof HTMLButtonElement) node.type = "button";
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

/** An SVG element. @param {string} tag @param {Record<string, any>} attrs @param {(Node | string)[]} kids @returns {any} */
export function draw(tag, attrs = {}, ...kids) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attrs)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...kids);
  return node;
}

const ICONS = {
  locked: ["M4 7h8v6H4z", "M5.5 7V5a2.5 2.5 0 0 1 5 0v2"],
  open: ["M4 7h8v6H4z", "M5.5 7V5a2.5 2.5 0 0 1 4.8-1"],
  undo: ["M3 6.5h7a3.2 3.2 0 0 1 0 6.4H6.5", "M6 3.2 2.7 6.5 6 9.8"],
  redo: ["M13 6.5H6a3.2 3.2 0 0 0 0 6.4h3.5", "M10 3.2l3.3 3.3L10 9.8"],
  full: ["M2.5 6V2.5H6", "M10 2.5h3.5V6", "M13.5 10v3.5H10", "M6 13.5H2.5V10"],
  area: ["M2.5 4h11v8h-11z"],
};

/** An icon of 16 pixels in the color of the text. */
export const icon = (name) => draw("svg", { class: "astra-icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
  ...ICONS[name].map((d) => draw("path", { d })));

/** A name that no other view, model or window has; crypto.randomUUID exists only over https. */
export const unique = () => Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("");

/** A checkbox in its label. @param {string} text @param {(checked: boolean) => void} onchange @param {Record<string, any>} attrs of the label @returns {any} `input` and `label` */
export function checkbox(text, onchange, attrs = {}) {
  const input = make("input", { type: "checkbox", onchange: () => onchange(input.checked) });
  return { input, label: make("label", { class: "astra-check", ...attrs }, input, text) };
}

/** A button with an icon or a character, and a name for tooltips and screen readers. */
export const iconButton = (name, content, onclick, attrs = {}) =>
  make("button", { class: "astra-small", title: name, "aria-label": name, onclick, ...attrs }, content);

/** Copy a text, and return whether the browser allowed it. @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that are not served securely have no other clipboard.
    const area = make("textarea", { value: text, class: "astra-offscreen" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** A button that copies a text, and shows for a moment whether it did. @param {string} title @param {() => string} textOf @param {Record<string, any>} attrs @param {(done: boolean) => void} then */
export function copyButton(title, textOf, attrs = {}, then = () => {}) {
  const button = make("button", { ...attrs, onclick: async () => {
    const done = await copyText(textOf());
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = title; }, 1500);
    then(done);
  } }, title);
  return button;
}

/** A button to read again what failed; hidden until then. @param {() => void} run */
export const tryAgain = (run) => make("button", { hidden: true, onclick: run }, "Try again");

/** Set a control's value, unless the user is typing into it. */
export function setValue(control, value) {
  const typing = control.tagName !== "SELECT" && control.getRootNode().activeElement === control;
  if (control.value !== String(value) && !typing) control.value = value;
}

/** Whether a key is pressed with one that makes it a shortcut of the browser or the notebook. @param {KeyboardEvent} event */
export const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;

/**
 * Follow drags of a handle: `begin` returns what each `move` gets as well, until `end`.
 * @template T
 * @param {Element} node
 * @param {(event: PointerEvent) => T} begin
 * @param {(event: PointerEvent, begun: T) => void} move
 */
export function onDrag(node, begin, move, end = () => {}) {
  /** @type {{ begun: T } | null} */
  let drag = null;
  const listen = (/** @type {string} */ name, /** @type {(event: any) => void} */ act) => node.addEventListener(name, act);
  listen("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    drag = { begun: begin(event) };
  });
  listen("pointermove", (event) => { if (drag) move(event, drag.begun); });
  const stop = () => {
    drag = null;
    end();
  };
  listen("pointerup", stop);
  listen("pointercancel", stop);
}
