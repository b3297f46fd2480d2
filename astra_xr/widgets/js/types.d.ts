// What the browser's half passes around; `npm run types` checks it. Python's about.py, state.py and
// messages.py make the same.

/** Half-open rows and columns of the scene: top, left, bottom, right. */
export type Box = [number, number, number, number];

/** Values that become black and white. */
export type Limits = [number, number];

/** "difference" is that of B − A by itself; no state that is chosen has it. */
export type Mode = "rgb" | "index" | "single" | "difference";

/** A is what the state itself is of. */
export type Side = "a" | "b" | "difference";

/** What B has otherwise than A, and how both are shown. */
export interface Compare {
  time?: string;
  mode?: Mode;
  bands?: string[];
  index?: string;
  band?: string;
  show: "swipe" | "difference";
  /** The part of the width that A has, 0 to 1. */
  split: number;
  /** Of the difference. */
  cmap: string;
}

export interface Stretch {
  kind: "percentile" | "sigma" | "minmax";
  low: number;
  high: number;
  sigma: number;
  of: "whole" | "view";
  /** The step whose pixels give the limits of all; null: each has limits of its own. */
  time: string | null;
}

/** What was chosen; only `choice.reduce` makes one. */
export interface State {
  /** The label of the step that is shown; null where there is one only. */
  time: string | null;
  mode: Mode;
  bands: string[];
  /** In mode "index"; null where the bands allow none. */
  index: string;
  band: string;
  cmap: string;
  stretch: Stretch;
  /** Of those that were set; others follow from the stretch. */
  limits: Record<string, Limits>;
  gamma: number;
  mask: boolean;
  /** The part that is seen; null: all of the scene. */
  view: Box | null;
  /** x, y in the coordinates of the grid. */
  pins: [number, number][];
  /** What statistics are of. */
  area: Box | null;
  /** None: A alone. */
  compare?: Compare | null;
}

export interface ClassOf {
  value: number;
  name: string;
  /** "#rrggbb". */
  color: string;
}

export interface Band {
  native: string;
  common: string;
  title: string;
  /** Micrometers. */
  wavelength: number | null;
  gsd: number | null;
  units: string;
  role: string;
  cmap: string;
  classes: ClassOf[];
  /** Whether its values are whole numbers. */
  integer: boolean;
}

export interface Index {
  title: string;
  domain: string;
  formula: string;
  cmap: string;
}

export interface Grid {
  rows: number;
  cols: number;
  /** The outer corner of the first pixel, and the size of a pixel. */
  x: number;
  y: number;
  dx: number;
  dy: number;
  placed: boolean;
  up: boolean;
  degrees: boolean;
  crs: string | null;
  /** Meters in the width of a pixel. */
  meters: number | null;
  lonlat: { count: number; lon: number[]; lat: number[] } | null;
}

export interface Levels {
  side: number;
  top: number;
  /** The finest level that there is; 0 with a kernel. */
  bottom?: number;
  /** Rows and columns of the top level. */
  overview: [number, number];
  /** Rows and columns of the level above: of a strip. */
  thumbnail?: [number, number];
}

/** One image of a stack. */
export interface Step {
  label: string;
  /** The Python that selects it. */
  code: string;
  /** Milliseconds since 1970, UTC. */
  date: number | null;
  /** Percent. */
  cloud: number | null;
  /** The Python of its Dataset, where that is another. */
  source: string;
  /** Whether that is brought onto the picker's grid. */
  matched: boolean;
}

/** The scene; constant. */
export interface About {
  name: string;
  array: boolean;
  title: string;
  opening: string | null;
  unopened: string | null;
  /** YYYY-MM-DD, of what is of one time. */
  date: string | null;
  /** Mission, scene and catalog, for a caption. */
  source: string;
  reflectance: boolean;
  bands: Record<string, Band>;
  indices: Record<string, Index>;
  needs: Record<string, string[]>;
  presets: Record<string, string[]>;
  /** 256 colors of six hexadecimal digits each. */
  colormaps: Record<string, string>;
  /** Groups of them, by title. */
  maps: Record<string, string[]>;
  /** Those that readers who are color-blind can tell apart. */
  safe: string[];
  masked: boolean;
  grid: Grid;
  pyramid: Levels;
  /** Whether thumbnails and single pixels of all steps are quick to read. */
  quick: boolean;
  /** One at least. */
  steps: Step[];
  /** In a notebook: the class of the image beside the widget, for viewers without widgets. */
  still?: string;
  /** In a page without a kernel: the channels that it has. */
  offline?: string[];
}

/** Where a tile is. `key` is a band, an index or the cloud mask. */
export interface Address {
  key: string;
  /** The number of the step; 0 where there is one only. */
  time: number;
  level: number;
  row: number;
  col: number;
}

/** Code 0 is no data, else the value is `low + (code - 1) * step`; of the mask, 1 is cloud. */
export interface Tile extends Address {
  box: Box;
  /** Rows and columns. */
  shape: [number, number];
  low: number;
  step: number;
  codes: Uint16Array | Uint8Array;
}

export interface Spectrum {
  x: number;
  y: number;
  time: number;
  values: Record<string, number | null | undefined>;
  message?: string;
}

/** A band or an index at a point, of each step; null where masked or without data. */
export interface Series {
  key: string;
  x: number;
  y: number;
  values: (number | null)[];
  message?: string;
}

/** Of the area. */
export interface Statistics {
  area: Box;
  /** Channels, mask and time of each side. */
  of: [string[], boolean, string | null][];
  /** West, south, east, north; or why it is not known. */
  bbox?: [number, number, number, number];
  unplaced?: string;
  /** Pixels of the scene in one that counts. */
  mean_of?: number;
  /** Of each side its channels; classes have no mean. */
  sides?: { key: string; mean: number | null; std: number | null; valid: number; count: number }[][];
  /** Why there are none. */
  message?: string;
}

/** Of codes; index 0 has none. */
export interface Counts {
  counts: Uint32Array;
  total: number;
}

export interface Scale {
  low: number;
  step: number;
}

/** What is worked out from tiles: limits of each channel, and the counts they follow from. */
export interface Found {
  made: string;
  keys: string[];
  limits: Record<string, Limits>;
  counts: Counts[];
  scales: Scale[];
}

/** Of a tile: key, time, level, row, column. */
export type Asks = [string, number, number, number, number];

/** To the kernel. */
export type Asked =
  | { type: "want"; store: string; add: Asks[]; drop: Asks[]; raw: boolean }
  | { type: "spectra" }
  | { type: "statistics" }
  | { type: "formula"; text: string }
  | { type: "series"; key: string; points: [number, number][] }
  | { type: "page" };

/** From the kernel, once the codes of tiles are unpacked. */
export type Heard =
  | ({ type: "tile" } & Tile)
  /** `final`: it would be of no use to ask again. */
  | ({ type: "failed"; message: string; final?: boolean } & Address)
  | { type: "spectra"; spectra: Spectrum[] }
  | ({ type: "statistics" } & Statistics)
  | { type: "formula"; text: string; name?: string; message?: string }
  | { type: "series"; series: Series[] }
  | { type: "refused"; message: string }
  /** An HTML page, or why there is none. */
  | { type: "page"; message?: string; bytes?: ArrayBuffer | ArrayBufferView<ArrayBuffer> };

/** What a store talks to: a kernel, or the page itself. */
export interface Line {
  /** Nothing can be sent. */
  gone: boolean;
  send(message: Asked): boolean;
  save(state: State): void;
}

/** anywidget's model. */
export interface Model {
  get(key: "about"): About;
  get(key: "state"): State;
  get(key: "shown"): { limits?: Record<string, Limits> } | undefined;
  get(key: "preview"): ArrayBufferView<ArrayBuffer> | undefined;
  set(key: string, value: unknown): void;
  save_changes(): void;
  send(message: Asked): void;
  on(event: string, act: (...args: any[]) => void): void;
  off(event: string, act: (...args: any[]) => void): void;
}
