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
/** Set a control's value, unless it is being typed into. */
export function put(control, value) {
  if (control.value !== String(value) && control.getRootNode().activeElement !== control) control.value = value;
  else if (control.tagName === "SELECT" && control.value !== String(value)) control.value = value;
}

