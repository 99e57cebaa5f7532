/** Numbers, times and names as people read them. */

const LOCALE = 'en-GB';
const whole = new Intl.NumberFormat(LOCALE);
const compact = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'medium' });
const moment = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium' });
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const TITLE_MAX = 2000;

export const count = (value: number): string => whole.format(value);
export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`;

/** Below ten with one decimal, so that a little is not nothing. */
export function short(value: number): string {
  if (value > 0 && value < 0.05) return '<0.1';
  if (value < 10) return String(Math.round(value * 10) / 10);
  return value < 10000 ? whole.format(Math.round(value)) : compact.format(value);
}

export function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : Math.round(scaled * 10) / 10} ${UNITS[power]}`;
}

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

export const ago = (ms: number): string => (ms < 1000 ? 'now' : `${duration(ms)} ago`);
export const timeOf = (ms: number): string => clock.format(ms);
export const momentOf = (ms: number): string => moment.format(ms);

export const hex = (value: Uint8Array): string => [...value].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export function uuid(value: Uint8Array): string {
  return hex(value).replace(/^(.{8})(.{4})(.{4})(.{4})(.+)$/, '$1-$2-$3-$4-$5');
}

/** The end of a replica's id: its beginning is a time, which neighbours share. */
export const shortReplica = (value: Uint8Array): string => `…${hex(value).slice(-8)}`;

/** Long text is cut, by whole characters. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${[...text.slice(0, length)].slice(0, -1).join('')}…`;
}

/** What a title says of a text that was cut; nothing if all of it is shown. */
export const titleOf = (text: string, shown: string): string => (text === shown ? '' : cut(text, TITLE_MAX));
