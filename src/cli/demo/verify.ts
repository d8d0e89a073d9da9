import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

/** One record that is not what was written. No value is in it: values are never printed. */
export interface Fault {
  readonly key: string;
  readonly where: 'store' | 'front';
  readonly problem: 'missing' | 'different' | 'unexpected';
  /** Path of the first difference: `cart[1].price`. */
  readonly path?: string;
}

export interface Found {
  /** Of the expected keys, how many were there, and how many of these were equal. */
  readonly present: number;
  readonly equal: number;
  readonly faults: readonly Fault[];
}

/** One of the two places, read in a way that does not ask the other. */
export interface Place {
  readonly name: Fault['where'];
  /** Values by key; keys that are not there are missing. */
  read(keys: readonly string[]): Promise<ReadonlyMap<string, unknown>>;
}

export interface Expected {
  readonly keys: readonly string[];
  valueOf(key: string): unknown;
}

const KEYS_PER_READ = 500;

/** Reads every expected key from `place` and compares it to what was written. */
export async function verifyPlace(place: Place, expected: Expected, onRead?: (count: number) => void): Promise<Found> {
  let present = 0;
  const faults: Fault[] = [];
  for (let from = 0; from < expected.keys.length; from += KEYS_PER_READ) {
    const keys = expected.keys.slice(from, from + KEYS_PER_READ);
    const values = await place.read(keys);
    for (const key of keys) {
      if (values.has(key)) present += 1;
      const fault = compare(place.name, key, expected.valueOf(key), values);
      if (fault !== undefined) faults.push(fault);
    }
    onRead?.(from + keys.length);
    // Embedded places answer without a turn of the event loop, and timers and interrupts must not wait for all of it.
    await nextTurn();
  }
  return { present, equal: expected.keys.length - faults.length, faults };
}

function compare(
  where: Fault['where'],
  key: string,
  written: unknown,
  values: ReadonlyMap<string, unknown>,
): Fault | undefined {
  if (!values.has(key)) return { key, where, problem: 'missing' };
  const path = firstDifference(written, values.get(key));
  return path === undefined ? undefined : { key, where, problem: 'different', path };
}

/** The path where two JSON values first differ, `''` for the whole value; undefined when they are equal. */
export function firstDifference(written: unknown, found: unknown): string | undefined {
  if (isDeepStrictEqual(written, found)) return undefined;
  if (!isContainer(written) || !isContainer(found) || Array.isArray(written) !== Array.isArray(found)) return '';
  const names = new Set([...Object.keys(written), ...Object.keys(found)]);
  for (const name of names) {
    const inside =
      Object.hasOwn(written, name) && Object.hasOwn(found, name) ? firstDifference(written[name], found[name]) : '';
    if (inside === undefined) continue;
    const step = Array.isArray(written) ? `[${name}]` : `.${name}`;
    return `${step}${inside === '' || inside.startsWith('[') ? inside : `.${inside}`}`.replace(/^\./, '');
  }
  return '';
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
