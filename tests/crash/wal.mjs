/**
 * SQLite's write-ahead log as a machine leaves it whose power goes during a write: behind the last commit stands something that is not
 * whole. What is committed is not touched, since all of that may have been acknowledged. The format: sqlite.org/walformat.html.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';

const HEADER = 32;
const FRAME_HEADER = 24;
const BIG_ENDIAN_SUMS = 0x377f0683;

/** Two running sums over pairs of 32-bit words. */
function sumOf([a, b], bytes, bigEndian) {
  const word = (at) => (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at));
  for (let at = 0; at < bytes.length; at += 8) {
    a = (a + word(at) + b) >>> 0;
    b = (b + word(at + 4) + a) >>> 0;
  }
  return [a, b];
}

/** Where the last commit ends; undefined: the log is empty. */
function readLog(bytes) {
  if (bytes.length < HEADER) return undefined;
  const bigEndian = bytes.readUInt32BE(0) === BIG_ENDIAN_SUMS;
  const log = { bigEndian, page: bytes.readUInt32BE(8), salts: bytes.subarray(16, 24), end: HEADER, pages: 0 };
  let sum = [bytes.readUInt32BE(24), bytes.readUInt32BE(28)];
  log.sum = sum;
  for (let at = HEADER; at + FRAME_HEADER + log.page <= bytes.length; at += FRAME_HEADER + log.page) {
    const frame = bytes.subarray(at, at + FRAME_HEADER + log.page);
    sum = sumOf(sumOf(sum, frame.subarray(0, 8), bigEndian), frame.subarray(FRAME_HEADER), bigEndian);
    if (!frame.subarray(8, 16).equals(log.salts) || frame.readUInt32BE(16) !== sum[0] || frame.readUInt32BE(20) !== sum[1]) break;
    const pages = frame.readUInt32BE(4);
    if (pages > 0) Object.assign(log, { end: at + FRAME_HEADER + log.page, sum, pages });
  }
  return log;
}

/** A whole frame that would come next: page `number` full of `fill`, and a commit if `pages` is not 0. */
function nextFrame({ bigEndian, page, salts, sum }, number, fill, pages) {
  const frame = Buffer.alloc(FRAME_HEADER + page, fill);
  frame.writeUInt32BE(number, 0);
  frame.writeUInt32BE(pages, 4);
  salts.copy(frame, 8);
  const next = sumOf(sumOf(sum, frame.subarray(0, 8), bigEndian), frame.subarray(FRAME_HEADER), bigEndian);
  frame.writeUInt32BE(next[0], 16);
  frame.writeUInt32BE(next[1], 20);
  return frame;
}

/** What a power loss may leave of a frame of the last page; each is to be dropped. */
export const tears = {
  'a frame of which half was written': (log) => {
    const frame = nextFrame(log, log.pages, 0xee, log.pages);
    return frame.fill(0, FRAME_HEADER + log.page / 2);
  },
  'the head of a frame': (log) => nextFrame(log, log.pages, 0xee, log.pages).subarray(0, FRAME_HEADER + 100),
  'a whole frame without its commit': (log) => nextFrame(log, log.pages, 0xee, 0),
  'what was never a frame': (log) => Buffer.alloc(FRAME_HEADER + log.page + 17, 0xa5),
};

/** Writes what `tear` makes behind the last commit, as the end of the log. False: there is no log, or no commit in it. */
export function tearLog(database, tear) {
  const path = `${database}-wal`;
  const log = existsSync(path) ? readLog(readFileSync(path)) : undefined;
  if (log === undefined || log.pages === 0) return false;
  const file = openSync(path, 'r+');
  const bytes = tear(log);
  writeSync(file, bytes, 0, bytes.length, log.end);
  ftruncateSync(file, log.end + bytes.length);
  closeSync(file);
  return true;
}

/** The same frame, whole: a commit like any other. For the test of these tears. */
export const wholeFrame = (log) => nextFrame(log, log.pages, 0xee, log.pages);
