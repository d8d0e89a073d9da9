import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import type { Pool } from 'pg';
import { bulkUpsert, type Row } from './bulk.ts';

const CONCURRENCY = 500;
const GATHER_MS = 5;

/**
 * Write-behind as a team would build it on a queue: a job for each write, a worker that takes many jobs at a time,
 * gathers them and writes them in one upsert; a job is done when its row is.
 */
export class QueuedWrites {
  readonly #queue: Queue<Row>;
  readonly #worker: Worker<Row>;
  readonly #pool: Pool;
  #gathered: { readonly row: Row; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing = Promise.resolve();
  stored = 0;

  constructor(url: string, pool: Pool) {
    const { hostname, port } = new URL(url);
    const connection: ConnectionOptions = { host: hostname, port: Number(port) };
    this.#pool = pool;
    this.#queue = new Queue('writes', { connection, defaultJobOptions: { removeOnComplete: true, attempts: 3 } });
    this.#worker = new Worker<Row>('writes', ({ data }) => this.#store(data), {
      connection: { ...connection, maxRetriesPerRequest: null },
      concurrency: CONCURRENCY,
    });
  }

  async ready(): Promise<void> {
    await this.#queue.waitUntilReady();
    await this.#worker.waitUntilReady();
  }

  async write(row: Row): Promise<void> {
    await this.#queue.add('write', row);
  }

  async close(): Promise<void> {
    await this.#worker.close();
    await this.#queue.close();
  }

  #store(row: Row): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#gathered.push({ row, resolve, reject });
      if (this.#gathered.length >= CONCURRENCY) this.#flush();
      else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#gathered;
    this.#gathered = [];
    this.#writing = this.#writing.then(async () => {
      try {
        await bulkUpsert(this.#pool, [...new Map(batch.map(({ row }) => row))], CONCURRENCY);
        this.stored += batch.length;
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    });
  }
}
