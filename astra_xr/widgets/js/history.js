// Undo and redo of what was chosen. Where one looks is no choice: panning, zooming and the bar between A and B are left as they are.

/** @import { State } from "./types" */
/** @typedef {{ control: string, at: number, before: Partial<State>, after: Partial<State> }} Step */

const MOST = 50; // steps
const PAUSE = 1000; // milliseconds within which changes of one control are one step
const GRADUAL = ["gamma", "limits", "area", "time"]; // by keys and sliders, many changes one after another

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
   * Write a change down. Those of one drag, which have its `gesture`, are one step.
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

  /** The state before the last step, in what that changed; the same state where there is none. @param {State} state */
  undo(state) {
    const step = this.done.pop();
    if (!step) return state;
    this.undone.push(step);
    return { ...state, ...step.before };
  }

  /** @param {State} state */
  redo(state) {
    const step = this.undone.pop();
    if (!step) return state;
    this.done.push(step);
    return { ...state, ...step.after };
  }
}
