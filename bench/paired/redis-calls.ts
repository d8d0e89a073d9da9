import type { Stage } from '../suite/stage.ts';

/** What Redis has done, by its own count. */
export interface RedisCalls {
  /** All commands, those that scripts call included. */
  readonly commands: number;
  /** Calls of scripts. */
  readonly scripts: number;
}

/** Since the server was started. Asking is not counted. */
export async function redisCalls({ redis }: Stage): Promise<RedisCalls> {
  let commands = 0;
  let scripts = 0;
  for (const [, name = '', calls] of (await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (name === 'info') continue;
    commands += Number(calls);
    if (/^(eval|evalsha|fcall)(_ro)?$/.test(name)) scripts += Number(calls);
  }
  return { commands, scripts };
}
