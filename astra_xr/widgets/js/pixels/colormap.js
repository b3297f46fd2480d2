// Colormaps by name; the same as colormaps.py.

/** The name of a colormap without "_r". @param {string} name */
export const baseOf = (name) => name.replace(/_r$/, "");

/** 256 colors of six hexadecimal digits each; reversed if the name ends with "_r". @param {Record<string, string>} colormaps @param {string} name */
export function colormapOf(colormaps, name) {
  const colors = colormaps[baseOf(name)];
  return name === baseOf(name) ? colors : (colors.match(/.{6}/g) || []).reverse().join("");
}
