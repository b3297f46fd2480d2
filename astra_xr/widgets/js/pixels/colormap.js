// Color maps by name; the same as colormaps.py.

/** The map of a name without "_r". @param {string} name */
export const baseOf = (name) => name.replace(/_r$/, "");

/** 256 colors of six hexadecimal digits; of a name that ends with "_r", in reverse. @param {Record<string, string>} colormaps @param {string} name */
export function colormapOf(colormaps, name) {
  const colors = colormaps[baseOf(name)];
  return name === baseOf(name) ? colors : (colors.match(/.{6}/g) || []).reverse().join("");
}
