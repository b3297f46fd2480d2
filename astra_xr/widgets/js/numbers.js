// Numbers: within bounds, as text, and round ones for an axis.

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A number as text, without trailing zeros, as Python's format "g" writes it. @param {number} value */
export function numberText(value, digits = 6) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  if (Number(exponent) >= -4 && Number(exponent) < digits) return String(Number(value.toPrecision(digits)));
  return `${Number(mantissa)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** About `count` round numbers within a range, for the ticks of an axis. @param {number} low @param {number} high @param {number} count @returns {number[]} */
export function roundNumbers(low, high, count) {
  const raw = (high - low) / count, ten = 10 ** Math.floor(Math.log10(raw));
  const step = ten * ([1, 2, 5].find((n) => n * ten >= raw) || 10);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}
