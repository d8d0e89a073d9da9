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
