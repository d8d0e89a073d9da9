import { expect } from 'vitest';
import { isMillraceError, type MillraceError, type MillraceErrorCode } from '../../src/index.ts';

/**
 * Each mistake is told within a second, by its code, in a sentence that says what to do, and nothing of it is written.
 */
const PATIENCE_MS = 1_000;

/** Expects `work` to be refused; every part of `says` is in the message. */
export async function expectRefusal(
  work: () => unknown,
  code: MillraceErrorCode,
  ...says: (string | RegExp)[]
): Promise<MillraceError> {
  const startedAt = performance.now();
  let error: unknown;
  try {
    await work();
  } catch (cause) {
    error = cause;
  }
  expect(performance.now() - startedAt).toBeLessThan(PATIENCE_MS);
  expect(error).toMatchObject({ code });
  expect(isMillraceError(error)).toBe(true);
  const { message, cache } = error as MillraceError;
  expect(code === 'MILLRACE_OPTIONS' || cache !== undefined).toBe(true);
  for (const part of says) expect(message).toMatch(part);
  return error as MillraceError;
}
