import { AOF_ALWAYS, type Kind } from './kind.ts';
import { cut } from './network.ts';
import { postgresCrash } from './postgres-crash.ts';
import { kill, suspend } from './processes.ts';
import { redisAlways } from './redis-crash.ts';

const FAULTS = [kill, kill, suspend, redisAlways, postgresCrash, cut];

/** Everything at once that a promise is made about; nothing may be lost. */
export const storm: Kind = {
  name: 'storm',
  summary: 'processes, Redis (appendfsync always), PostgreSQL and connections, in any order',
  front: { kind: 'redis', args: AOF_ALWAYS },
  levels: ['buffered', 'fsynced', 'stored'],
  survives: ['buffered', 'fsynced', 'stored'],
  proxied: true,
  writeThrough: true,
  faults: [4, 7],
  inflict: (arena, random) => random.pick(FAULTS).inflict(arena, random),
};
