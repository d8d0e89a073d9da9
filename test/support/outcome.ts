import { isMillraceError } from '../../src/index.ts';

/** 'written', or why a write was not. */
export const outcome = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'written',
    (error: unknown) => (isMillraceError(error) ? `${error.code} ${error.message}` : String(error)),
  );

/** Its code, or 'resolved'. */
export const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'resolved',
    (error: unknown) => (isMillraceError(error) ? error.code : String(error)),
  );
