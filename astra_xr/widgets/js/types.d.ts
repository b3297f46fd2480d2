// The values that these modules exchange; `npm run types` checks them. about.py, state.py and messages.py have
// the same.

/** Half-open rows and columns of the scene: top, left, bottom, right. */
export type Box = [number, number, number, number];

/** Values that become black and white. */
export type Limits = [number, number];

/** "difference" is the mode of B − A; no state of the user has it. */
export type Mode = "rgb" | "index" | "single" | "difference";

/** The state itself describes A. */
export type Side = "a" | "b" | "difference";

/** In what B differs from A, and how both are shown. */
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
  /** The step whose pixels set the limits of all steps; null: each step has its own limits. */
  time: string | null;
}

/** What the user chose; only `state.reduce` makes states. */
export interface State {
  /** The label of the step that is shown; null if there is only one. */
  time: string | null;
  mode: Mode;
  bands: string[];
  /** Of mode "index"; null if no index can be computed from the bands. */
  index: string;
  band: string;
  cmap: string;
  stretch: Stretch;
  /** Only limits that were set; others follow from the stretch. */
  limits: Record<string, Limits>;
  gamma: number;
  mask: boolean;
  /** The part that is seen; null: all of the scene. */
  view: Box | null;
  /** x, y in the coordinates of the grid. */
  pins: [number, number][];
  /** The area whose statistics are shown. */
  area: Box | null;
  /** Null: only A. */
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
  /** The finest level; 0 with a kernel. */
  bottom?: number;
  /** Rows and columns of the top level. */
  overview: [number, number];
  /** Rows and columns of the level above the top, for the strip. */
  thumbnail?: [number, number];
}

/** A time step, or another Dataset. */
export interface Step {
  label: string;
  /** The Python that selects it. */
  code: string;
  /** Milliseconds since 1970, UTC. */
  date: number | null;
  /** Percent. */
  cloud: number | null;
  /** The Python of its Dataset, if it is not the picker's own. */
  source: string;
  /** Whether its Dataset is resampled to the picker's grid. */
  matched: boolean;
}

/** The scene; constant. */
export interface About {
  name: string;
  array: boolean;
  title: string;
  opening: string | null;
  unopened: string | null;
  /** YYYY-MM-DD, if all is of one time. */
  date: string | null;
  /** Mission, scene and catalog, for a caption. */
  source: string;
  reflectance: boolean;
  bands: Record<string, Band>;
  indices: Record<string, Index>;
  presets: Record<string, string[]>;
  /** 256 colors of six hexadecimal digits each. */
  colormaps: Record<string, string>;
  /** Names of colormaps, grouped by title. */
  maps: Record<string, string[]>;
  /** Names of colormaps that are safe for color blindness. */
  safe: string[];
  masked: boolean;
  grid: Grid;
  pyramid: Levels;
  /** Whether thumbnails and single pixels of all steps are quick to read. */
  quick: boolean;
  /** At least one. */
  steps: Step[];
  /** In a notebook: the CSS class of the static image beside the widget, for viewers without widgets. */
  still?: string;
  /** In a page without a kernel: the channels that it contains. */
  offline?: string[];
}

/** Which tile. `key` is a band, an index or the cloud mask. */
export interface Address {
  key: string;
  /** The number of the step; 0 if there is only one. */
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

/** The values of a band or an index at a point, by step; null if masked or without data. */
export interface Series {
  key: string;
  x: number;
  y: number;
  values: (number | null)[];
  message?: string;
}

/** The statistics of the area. */
export interface AreaStatistics {
  area: Box;
  /** Channels, mask and time of each side that they describe. */
  of: [string[], boolean, string | null][];
  /** West, south, east, north. */
  bbox?: [number, number, number, number];
  /** Why there is no `bbox`. */
  unplaced?: string;
  /** How many pixels of the scene each counted pixel is the mean of. */
  mean_of?: number;
  /** A row per channel, for each side; classes have no mean. */
  sides?: { key: string; mean: number | null; std: number | null; valid: number; count: number }[][];
  /** Why there are none. */
  message?: string;
}

/** How often each code occurs, nodata (code 0) excepted. */
export interface Counts {
  counts: Uint32Array;
  total: number;
}

export interface Scale {
  low: number;
  step: number;
}

/** The limits of each channel, and the counts they follow from. */
export interface ChannelStatistics {
  made: string;
  keys: string[];
  limits: Record<string, Limits>;
  counts: Counts[];
  scales: Scale[];
}

/** The address of a tile: key, time, level, row, column. */
export type AddressTuple = [string, number, number, number, number];

/** Messages to the kernel. */
export type ToKernel =
  | { type: "want"; store: string; add: AddressTuple[]; drop: AddressTuple[]; raw: boolean }
  | { type: "spectra" }
  | { type: "statistics" }
  | { type: "formula"; text: string }
  | { type: "series"; key: string; points: [number, number][] }
  | { type: "page" };

/** Messages from the kernel, with the codes of tiles unpacked. */
export type FromKernel =
  | ({ type: "tile" } & Tile)
  /** `final`: a retry would be useless. */
  | ({ type: "failed"; message: string; final?: boolean } & Address)
  | { type: "spectra"; spectra: Spectrum[] }
  | ({ type: "statistics" } & AreaStatistics)
  /** The name by which a formula can be chosen, or why it cannot. */
  | { type: "formula"; text: string; name?: string; message?: string }
  | { type: "series"; series: Series[] }
  /** Why Python did not take a state. */
  | { type: "refused"; message: string }
  /** An HTML page, or why there is none. */
  | { type: "page"; message?: string; bytes?: ArrayBuffer | ArrayBufferView<ArrayBuffer> };

/** How a store reaches the kernel, or the content of a page. */
export interface Connection {
  /** No kernel can be reached. */
  gone: boolean;
  send(message: ToKernel): boolean;
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
  send(message: ToKernel): void;
  on(event: string, act: (...args: any[]) => void): void;
  off(event: string, act: (...args: any[]) => void): void;
}
