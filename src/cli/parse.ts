import { InvalidArgumentError } from 'commander';

/** Parses an option's number and refuses one outside the bounds. */
export function numberOption(min: number, max: number, whole: boolean): (text: string) => number {
  return (text) => {
    const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min && number <= max) || (whole && !Number.isInteger(number))) {
      throw new InvalidArgumentError(`It must be a ${whole ? 'whole number' : 'number'} from ${min} to ${max}.`);
    }
    return number;
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration as the options of a cache take it: `250ms`, `5s`, or a number of milliseconds. */
export function durationMsOption(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be a duration such as 100ms or 5s.');
  return Number(match[1]) * (UNIT_MS[match[2] ?? 'ms'] as number);
}
