/**
 * One small chart of the last five minutes: a line for each series, the latest value in words, and a read-out by pointer, finger or arrow
 * keys. A native slider lies over the plot, so that keyboards and screen readers get what a pointer gets.
 */
import { duration } from './format.js';
import { make, makeSvg, write } from './page.js';
import { WINDOW_MS, type Point } from './rates.js';

export type Series = { readonly name: string; readonly hue: string; readonly points: readonly Point[] };
export type ChartOptions = {
  readonly title: string;
  readonly format: (value: number) => string;
  /** What stands beside the latest value: a unit, or nothing. */
  readonly unit: string;
  /** The least that the axis reaches to. */
  readonly least: number;
  /** Whether it reaches to a round number of KiB, MiB, …. */
  readonly binary?: boolean;
};
/** Where all charts are read: so many milliseconds before now; null: nowhere. */
export type Cursor = { at: number | null; moved(at: number | null): void };
export type Chart = { readonly element: HTMLElement; show(series: readonly Series[], now: number): void; showCursor(): void };

const WIDTH = 300;
const HEIGHT = 60;
const SECONDS = WINDOW_MS / 1000;
/** A value further away from where it is asked for is not its value. */
const NEAR_MS = 3000;

/** The next of 1, 2, 5, 10, 20, …; if binary, of that many bytes, KiB, …. */
function topOf({ least, binary = false }: ChartOptions, highest: number): number {
  const needed = Math.max(highest, least);
  const unit = binary ? 1024 ** Math.floor(Math.log2(needed) / 10) : 1;
  const power = 10 ** Math.floor(Math.log10(needed / unit)) * unit;
  return ([1, 2, 5].find((step) => step * power >= needed) ?? 10) * power;
}

function pathOf(points: readonly Point[], now: number, top: number): { line: string; area: string } {
  let line = '';
  let area = '';
  let started: number | null = null;
  let last = 0;
  const close = () => { if (started !== null) area += `L${last} ${HEIGHT}L${started} ${HEIGHT}Z`; };
  for (const { at, value } of points) {
    const x = Math.round((WIDTH - ((now - at) / WINDOW_MS) * WIDTH) * 10) / 10;
    if (value === null) {
      close();
      started = null;
      continue;
    }
    const y = Math.round((HEIGHT - (value / top) * HEIGHT) * 10) / 10;
    const step = `${started === null ? 'M' : 'L'}${x} ${y}`;
    line += step;
    area += step;
    started ??= x;
    last = x;
  }
  close();
  return { line, area };
}

function valueAt(points: readonly Point[], at: number): number | null {
  let best: Point | undefined;
  for (const point of points) {
    if (best === undefined || Math.abs(point.at - at) < Math.abs(best.at - at)) best = point;
  }
  return best !== undefined && Math.abs(best.at - at) <= NEAR_MS ? best.value : null;
}

const highestOf = (points: readonly Point[]): number => points.reduce((highest, { value }) => Math.max(highest, value ?? 0), 0);
const latestOf = (points: readonly Point[]): number | null => points.at(-1)?.value ?? null;

function makeParts({ title }: ChartOptions) {
  const svg = makeSvg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const slider = make('input');
  slider.type = 'range';
  slider.min = String(-SECONDS);
  slider.max = '0';
  slider.value = '0';
  slider.setAttribute('aria-label', `${title}, the last 5 minutes`);
  const parts = {
    svg, slider,
    values: make('p', { class: 'chart-values' }),
    top: make('span', { class: 'chart-top' }),
    cross: make('span', { class: 'chart-cross' }),
    readout: make('span', { class: 'chart-readout' }),
    plot: make('div', { class: 'chart-plot' }),
  };
  parts.cross.hidden = true;
  parts.plot.append(svg, parts.top, parts.cross, slider);
  const axis = make('p', { class: 'chart-axis' }, make('span', { text: '5 min ago' }), parts.readout, make('span', { text: 'now' }));
  const element = make('section', { class: 'chart card' }, make('h2', { text: title }), parts.values, parts.plot, axis);
  return { ...parts, element };
}

export function createChart(options: ChartOptions, cursor: Cursor): Chart {
  const { format, unit } = options;
  const { element, svg, slider, values, top, cross, readout, plot } = makeParts(options);
  let series: readonly Series[] = [];
  let now = 0;

  const full = (value: number): string => `${format(value)}${unit}`;
  const named = (say: (points: readonly Point[]) => string): string =>
    series.map(({ name, points }) => (series.length > 1 ? `${name} ${say(points)}` : say(points))).join(', ');
  const latest = (): string => named((points) => {
    const value = latestOf(points);
    return value === null ? 'no value yet' : full(value);
  });

  function textAtCursor(at: number): string {
    const said = named((points) => {
      const value = valueAt(points, now - at);
      return value === null ? 'not seen' : full(value);
    });
    return `${at < 1000 ? 'now' : `${duration(at)} ago`}: ${said}`;
  }

  function showCursor(): void {
    const { at } = cursor;
    cross.hidden = at === null;
    if (at !== null) cross.style.setProperty('--at', `${100 - (at / WINDOW_MS) * 100}%`);
    write(readout, at === null ? `highest ${named((points) => full(highestOf(points)))}` : textAtCursor(at));
    // While it has the focus it is told when it moves, and not each second.
    if (document.activeElement !== slider) slider.setAttribute('aria-valuetext', `now ${latest()}, ${readout.textContent}`);
  }

  function showValues(): void {
    values.replaceChildren(...series.map(({ name, hue, points }) => {
      const value = latestOf(points);
      const shown = make('span', { class: 'chart-value' }, make('b', { text: value === null ? '–' : format(value) }), unit);
      if (series.length > 1) shown.prepend(make('i', { class: `key ${hue}` }), `${name} `);
      return shown;
    }));
  }

  function draw(): void {
    const highest = topOf(options, Math.max(...series.map(({ points }) => highestOf(points))));
    const grid = makeSvg('path', { class: 'grid', d: `M0 0.5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}` });
    svg.replaceChildren(grid, ...series.flatMap(({ hue, points }) => {
      const { line, area } = pathOf(points, now, highest);
      return [makeSvg('path', { class: `area ${hue}`, d: area }), makeSvg('path', { class: `line ${hue}`, d: line })];
    }));
    write(top, full(highest));
  }

  plot.addEventListener('pointermove', ({ clientX }) => {
    const { left, width } = plot.getBoundingClientRect();
    cursor.moved(Math.min(WINDOW_MS, Math.max(0, (1 - (clientX - left) / width) * WINDOW_MS)));
  });
  plot.addEventListener('pointerleave', () => cursor.moved(null));
  slider.addEventListener('input', () => {
    const at = -Number(slider.value) * 1000;
    cursor.moved(at);
    slider.setAttribute('aria-valuetext', textAtCursor(at));
  });
  slider.addEventListener('blur', () => cursor.moved(null));

  return {
    element,
    show(shown, at) {
      series = shown;
      now = at;
      showValues();
      draw();
      showCursor();
    },
    showCursor,
  };
}
