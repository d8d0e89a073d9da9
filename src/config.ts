import type { Facade } from './facade.ts';

/**
 * What `millrace.config.{ts,js,mjs}` exports by default: the caches, of any shape, that the command line works on.
 */
export interface Config {
  /** Those that commands are given by name; names are distinct. */
  // A list of caches of different values has no common value type that could be written to.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly caches: readonly Facade<any, any, any>[];
}

/** Gives a configuration its type. Opens nothing: commands connect to the caches they are asked about. */
export function defineConfig(config: Config): Config {
  return config;
}
