// Elements of the page.

/** @param {string} tag @param {Record<string, any>} attrs @param {any[]} kids @returns {any} */
export function make(tag, attrs = {}, ...kids) {
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

/** @param {string} tag @param {Record<string, any>} attrs @param {Node[]} kids @returns {any} */
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

/** A picture of 16 pixels in the color of the text. */
export const icon = (name) => draw("svg", { class: "astra-icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
  ...ICONS[name].map((d) => draw("path", { d })));

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A name that no other view, model or window has; crypto.randomUUID is not there without https. */
export const unique = () => Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("");

export async function copyText(text) {
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

/** A button for what failed; hidden until then. @param {() => void} run */
export const tryAgain = (run) => make("button", { type: "button", hidden: true, onclick: run }, "Try again");

/** Set a control's value, unless it is being typed into. */
export function put(control, value) {
  if (control.value !== String(value) && control.getRootNode().activeElement !== control) control.value = value;
  else if (control.tagName === "SELECT" && control.value !== String(value)) control.value = value;
}
