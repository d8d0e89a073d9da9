import type { Policy } from '../../src/index.ts';
import { Prng } from '../sim/prng.ts';
import type { Kind } from './faults/index.ts';
import type { SubjectSpec } from './subject.ts';

/** All that a cycle takes from its seed. What the processes then do to each other is up to the machine. */
export interface Plan {
  readonly seed: number;
  readonly kind: Kind;
  readonly policy: Exclude<Policy, 'cache-aside'>;
  readonly client: 'redis' | 'ioredis';
  readonly writers: number;
  readonly workers: number;
  /** Whether writers flush too; at least one process does. */
  readonly writersFlush: boolean;
  readonly settings: Pick<SubjectSpec, 'ttlMs' | 'maxDelayMs' | 'batchSize' | 'leaseMs'>;
  /** Waits before each fault, ms. */
  readonly pausesMs: readonly number[];
  /** Whether the members are killed at the end instead of asked to stop. */
  readonly endsByKill: boolean;
}

export function planOf(kind: Kind, seed: number): Plan {
  const random = new Prng(seed);
  const policy = kind.writeThrough && random.chance(0.25) ? 'write-through' : 'write-behind';
  // Counters and logs are flushed also where documents are not.
  const writersFlush = random.chance(0.5) || policy === 'write-through';
  return {
    seed,
    kind,
    policy,
    client: random.pick(['redis', 'ioredis'] as const),
    writers: 2,
    workers: writersFlush && random.chance(0.5) ? 0 : 1,
    writersFlush,
    settings: {
      ttlMs: random.pick([100, 1_000, 60_000]),
      maxDelayMs: random.pick([5, 20, 100]),
      batchSize: random.pick([7, 50, 500]),
      leaseMs: 200,
    },
    pausesMs: Array.from({ length: random.between(...kind.faults) }, () => random.between(50, 450)),
    endsByKill: !kind.loses && random.chance(0.4),
  };
}
