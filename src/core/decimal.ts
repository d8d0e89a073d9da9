/** Decimals of a fixed scale as whole numbers: what a counter with two decimals calls 1.5 is 150 in the front. */

const DECIMAL = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?$/;
/** The most decimals that a counter can have: sums stay within 19 digits. */
export const SCALE_MAX = 18;

/**
 * The whole number for a decimal text, or undefined when it is not one or has more digits behind the point than
 * `scale`.
 */
export function toScaled(text: string, scale: number): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign, whole, fraction = ''] = match;
  const digits = fraction.replace(/0+$/, '');
  if (digits.length > scale) return undefined;
  const scaled = BigInt(`${whole}${digits.padEnd(scale, '0')}`);
  return sign === '-' ? -scaled : scaled;
}

/** The decimal text of a whole number, with exactly `scale` digits behind the point. */
export function fromScaled(scaled: bigint, scale: number): string {
  if (scale === 0) return String(scaled);
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0');
  return `${scaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
