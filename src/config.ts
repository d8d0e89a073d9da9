import type { Cache } from './cache.ts';
import type { Counters } from './counters.ts';
import type { Leaderboard } from './leaderboard.ts';
import type { Log } from './log.ts';

/**
 * What `millrace.config.{ts,js,mjs}` exports by default: the caches, counters, logs and leaderboards that the command
 * line works on.
 */
export interface Config {
  /** Those that commands are given by name; names are distinct. */
  // A list of caches of different values has no common value type that could be written to.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly caches: readonly (Cache<any> | Counters<any> | Log<any> | Leaderboard)[];
}

/** Gives a configuration its type. Opens nothing: commands connect to the caches they are asked about. */
export function defineConfig(config: Config): Config {
  return config;
}
