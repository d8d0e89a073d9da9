import { aofCut } from './aof-cut.ts';
import { diskFull } from './disk-full.ts';
import { flushall } from './flushall.ts';
import type { Kind } from './kind.ts';
import { cut, stall } from './network.ts';
import { postgresCrash } from './postgres-crash.ts';
import { kill, killLmdb, suspend } from './processes.ts';
import { promote, promoteValkey } from './promote.ts';
import { redisAlways, redisEverysec } from './redis-crash.ts';
import { storm } from './storm.ts';
import { waitaof } from './waitaof.ts';

export type { Kind };

/** What keeps a kind from running here, or undefined. */
export function refusal({ front }: Kind): string | undefined {
  if (
    front.kind === 'redis' ||
    front.diskMiB === undefined ||
    (process.platform === 'linux' && process.getuid?.() === 0)
  )
    return undefined;
  return 'takes Linux and root, to mount a small disk';
}

export const KINDS: readonly Kind[] = [
  kill,
  killLmdb,
  suspend,
  redisAlways,
  redisEverysec,
  aofCut,
  waitaof,
  flushall,
  promote,
  promoteValkey,
  postgresCrash,
  cut,
  stall,
  diskFull,
  storm,
];
