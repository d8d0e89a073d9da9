import { isMillraceError } from '../../src/index.ts';
import type { SimConnection } from './sim-front.ts';
import type { Surroundings } from './surroundings.ts';

/** The direct writes of one process, of write-through and cache-aside: tells the oracle how each ended. */
export class DirectWrites {
  readonly #world: Surroundings;
  readonly #connection: SimConnection;
  /**
   * Keys that are about to be changed: by how many writes, and how often the front had been rewound when the first
   * began.
   */
  readonly #writing = new Map<string, { under: number; readonly rewinds: number }>();

  constructor(world: Surroundings, connection: SimConnection) {
    this.#world = world;
    this.#connection = connection;
  }

  /** The process ends without a word: what was under way has failed. */
  kill(): void {
    for (const [key, { rewinds }] of this.#writing) this.#failed(key, rewinds);
  }

  /** Runs writes of a key, the last with this value, unless `wrote` says that nothing was written. */
  async track<T>(
    key: string,
    json: string | undefined,
    write: () => Promise<T>[],
    wrote = (): boolean => true,
  ): Promise<T[]> {
    const { oracle, scheduler, setup } = this.#world;
    const fromStep = scheduler.steps;
    const { rewinds } = oracle.reads;
    const { breaks } = this.#connection;
    const writing = this.#writing.get(key) ?? { under: 0, rewinds };
    writing.under++;
    this.#writing.set(key, writing);
    try {
      const settled = await Promise.allSettled(write());
      const last = settled.at(-1) as (typeof settled)[number];
      if (setup.policy !== 'write-behind' && wrote()) {
        if (last.status === 'fulfilled') oracle.reads.settledDirectly(key, json, fromStep);
        else if (!isMillraceError(last.reason) || last.reason.code !== 'MILLRACE_REJECTED') {
          // Who can reach the front tells it to forget what it has.
          if (setup.policy === 'cache-aside' && this.#connection.breaks === breaks)
            oracle.reads.forgotDirectly(key, json, fromStep);
          else this.#failed(key, rewinds);
        }
      }
      if (last.status === 'rejected') throw last.reason;
      return settled.map((each) => (each as PromiseFulfilledResult<T>).value);
    } finally {
      if (--writing.under === 0) this.#writing.delete(key);
    }
  }

  /** A write failed that began when the front had been rewound so often. */
  #failed(key: string, rewinds: number): void {
    const { oracle, setup } = this.#world;
    if (setup.policy === 'write-through') oracle.reads.failedBehindIntent(key, rewinds);
    else oracle.reads.failedDirectly(key);
  }
}
