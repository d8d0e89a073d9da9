import type { Prng } from '../../sim/prng.ts';
import type { Level } from '../ledger.ts';
import type { Scene } from '../scene.ts';

/** A kind of cycle: which servers it has, what happens to them, and what has to come out of it. */
export interface Kind {
  readonly name: string;
  /** One sentence for `--help` and the docs. */
  readonly summary: string;
  /** `waitaof`: a server that has WAITAOF. */
  readonly front:
    | { readonly kind: 'redis'; readonly args: readonly string[]; readonly replica?: true; readonly waitaof?: true }
    | { readonly kind: 'lmdb'; readonly diskMiB?: number };
  /** Levels that writers ask for. */
  readonly levels: readonly Level[];
  /** Levels whose writes must be there afterwards. */
  readonly survives: readonly Level[];
  /** Whether writes of other levels can be lost. Then each writer lives to the end, to report its losses. */
  readonly loses?: true;
  /** Whether what was sent can arrive later than its sender's next write. */
  readonly late?: true;
  /** Whether members reach the servers through proxies. */
  readonly proxied?: true;
  /** Whether some cycles are write-through. */
  readonly writeThrough?: true;
  /** Least and most faults of a cycle. */
  readonly faults: readonly [min: number, max: number];
  /** One fault, over when it resolves, except that processes may still be starting. */
  inflict(arena: Scene, random: Prng): Promise<void>;
}

export const AOF_ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always'] as const;
export const AOF_EVERYSEC = ['--appendonly', 'yes', '--appendfsync', 'everysec'] as const;
