// Undo and redo of choices. Panning, zooming and the bar between A and B are not undone.

/** @import { State } from "./types" */
/** @typedef {{ control: string, at: number, before: Partial<State>, after: Partial<State> }} Step */

const MOST = 50; // steps
const PAUSE = 1000; // milliseconds: changes of one control within these are one step
const GRADUAL = ["gamma", "limits", "area", "time"]; // changed by keys and sliders, many times in a row

/** @param {State} state @param {string[]} keys @returns {Partial<State>} */
const part = (state, keys) => Object.fromEntries(keys.map((key) => [key, state[key]]));

export class History {
  constructor(now = () => performance.now()) {
    this.now = now;
    /** @type {Step[]} */
    this.done = [];
    /** @type {Step[]} */
    this.undone = [];
  }

  /**
   * Record a change. All changes of one drag have the same `gesture`, and are one step.
   * @param {State} before @param {State} after @param {{ type: string, key?: string, gesture?: string }} action
   */
  record(before, after, { type, key = "", gesture = "" }) {
    const keys = Object.keys(after).filter((each) => after[each] !== before[each]);
    if (type === "view" || type === "split" || !keys.length) return;
    const last = this.done.at(-1), control = `${type} ${key} ${gesture}`;
    const step = { control, at: this.now(), before: part(before, keys), after: part(after, keys) };
    const gradual = last && (gesture || (GRADUAL.includes(type) && step.at - last.at < PAUSE));
    if (last && gradual && last.control === control && !this.undone.length) {
      last.at = step.at;
      last.before = { ...step.before, ...last.before };
      last.after = { ...last.after, ...step.after };
    } else this.done = [...this.done, step].slice(-MOST);
    this.undone = [];
  }

  /** The state with the last step undone; the same state if there is none. @param {State} state */
  undo(state) {
    const step = this.done.pop();
    if (!step) return state;
    this.undone.push(step);
    return { ...state, ...step.before };
  }

  /** The state with the last undone step done again. @param {State} state */
  redo(state) {
    const step = this.undone.pop();
    if (!step) return state;
    this.done.push(step);
    return { ...state, ...step.after };
  }
}
