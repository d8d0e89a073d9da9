/**
 * A front on the disk of this machine, without a server.
 *
 * @module millrace/lmdb
 */
import { resolve } from 'node:path';
import type { LaneHeader } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { Attachment, Front, FrontCapabilities, LaneFront } from '../../ports/front.ts';
import { checkAcks, checkLanes } from '../embedded/checks.ts';
import { embeddedFront } from '../embedded/lane-front.ts';
import type { EmbeddedLanes, EmbeddedTable } from '../embedded/lanes.ts';
import { type Environment, shareEnvironment } from './environment.ts';
import { examineFolder } from './examine.ts';
import { LmdbTable } from './lmdb-table.ts';
import { makeFolder } from './open.ts';

/** Options of {@link lmdbFront}. */
export interface LmdbFrontOptions {
  /** A folder on a local disk for this front alone; it is made if need be. Caches and processes may share it. */
  readonly path: string;
}

const CAPABILITIES: FrontCapabilities = {
  acks: ['buffered', 'fsynced'],
  defaultAck: 'fsynced',
  durable: true,
  shared: true,
};

/**
 * A front in LMDB files on the local disk: no server, several caches and processes may share a folder.
 *
 * Every acknowledged write is synced to disk, so it survives kill -9 and, as far as the disk keeps its word, power
 * loss; `buffered` and `fsynced` are the same here. Writes that wait at the same time share a sync. The file grows with
 * what is in it and is not given back; a full disk rejects writes with MILLRACE_FRONT_UNAVAILABLE, and nothing of them
 * is written. Keys have up to 512 bytes. Not for network file systems. Throws MILLRACE_OPTIONS for options that are not
 * valid; opens nothing until a cache attaches.
 */
export function lmdbFront(options: LmdbFrontOptions): Front {
  const { path } = options;
  if (typeof path !== 'string' || path === '')
    throw new MillraceError('MILLRACE_OPTIONS', 'lmdbFront: `path` is the name of a folder');
  const absolute = resolve(path);
  return {
    kind: 'lmdb',
    capabilities: CAPABILITIES,
    attach: (attachment) => attach(absolute, attachment),
    examine: (examination) => examineFolder(absolute, examination),
  };
}

async function attach(path: string, attachment: Attachment): Promise<LaneFront> {
  checkAcks(attachment, CAPABILITIES, "LMDB has no replicas, so it gives 'buffered' and 'fsynced'");
  const { environment, release } = await shareEnvironment(makeFolder(path), attachment);
  try {
    const lanes = new LmdbLanes(environment, attachment, release);
    checkLanes(attachment, lanes.headers());
    return embeddedFront(lanes, attachment);
  } catch (error) {
    await release();
    throw error;
  }
}

/** One cache's lanes in an environment. */
class LmdbLanes implements EmbeddedLanes {
  readonly #environment: Environment;
  readonly #attachment: Attachment;
  readonly #tables = new Map<number, LmdbTable>();
  readonly #stopSweeping: () => void;
  readonly #release: () => Promise<void>;

  constructor(environment: Environment, attachment: Attachment, release: () => Promise<void>) {
    this.#environment = environment;
    this.#attachment = attachment;
    this.#release = release;
    this.#stopSweeping = environment.sweeper.use(attachment.clock);
  }

  /** Of every lane that the cache has, also those beyond the number that is configured. */
  headers(): (LaneHeader | undefined)[] {
    const { cache } = this.#attachment;
    const rows = [
      ...this.#environment.tables.lanes.getKeys({
        start: ['lane', cache, 0],
        end: ['lane', cache, Number.MAX_SAFE_INTEGER],
      }),
    ];
    return rows.map((row) => this.view((row as [string, string, number])[2], (table) => table.readHeader()));
  }

  step<T>(lane: number, keys: number, run: (table: EmbeddedTable, runId: string) => T): Promise<T> {
    const environment = this.#environment;
    return environment.committer.step(keys, () => {
      const runId = environment.runId();
      const table = this.#table(lane).begin(this.#attachment.clock.now(), runId);
      const result = run(table, runId);
      table.finish();
      return result;
    });
  }

  view<T>(lane: number, run: (table: EmbeddedTable, runId: string) => T): T {
    this.#environment.freshen();
    const runId = this.#environment.runId();
    return run(this.#table(lane).begin(this.#attachment.clock.now(), runId), runId);
  }

  /** A step is acknowledged when its transaction is synced, so there is nothing left to wait for. */
  async sync(): Promise<void> {}

  async close(): Promise<void> {
    this.#stopSweeping();
    await this.#release();
  }

  #table(lane: number): LmdbTable {
    let table = this.#tables.get(lane);
    if (table === undefined) {
      table = new LmdbTable(this.#environment.tables, this.#attachment.cache, lane, (atMs) =>
        this.#environment.sweeper.due(atMs),
      );
      this.#tables.set(lane, table);
    }
    return table;
  }
}
