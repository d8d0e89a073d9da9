import type { EpochStart, Fence } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { ApplyResult, DeadLetter, DeadLetterStore, Flush, LaneStore, Mutation } from '../../ports/store.ts';
import { BatchWriter, SAVEPOINT, split, type RefusedRow } from './batch-writer.ts';
import type { Table } from './catalogue.ts';
import type { Connection, Database, TransactionResult } from './database.ts';
import type { DeadLetters } from './dead-letters.ts';
import { translate } from './faults.ts';
import type { Fences } from './own-tables.ts';
import { statementsOf, type TableStatements } from './statements.ts';
import { checkDocument, columnsCheck, type ValueCheck } from './values.ts';

export interface LaneStoreParts {
  readonly database: Database;
  readonly cache: string;
  readonly table: Table;
  /** `set local …` for a flush. */
  readonly settings: string;
  /** Missing unless lanes are flushed. */
  readonly behind: { readonly fences: Fences; readonly letters: DeadLetters } | undefined;
}

export class PostgresLaneStore implements LaneStore {
  readonly #database: Database;
  readonly #cache: string;
  readonly #table: Table;
  readonly #settings: string;
  readonly #behind: LaneStoreParts['behind'];
  readonly #statements: TableStatements;
  readonly #checkValue: ValueCheck;
  readonly deadLetters: DeadLetterStore | undefined;

  constructor({ database, cache, table, settings, behind }: LaneStoreParts) {
    this.#database = database;
    this.#cache = cache;
    this.#table = table;
    this.#settings = settings;
    this.#behind = behind;
    this.#statements = statementsOf(table);
    this.#checkValue = table.value === undefined ? columnsCheck(table.columns) : checkDocument;
    this.deadLetters = behind === undefined ? undefined : this.#translated(behind.letters);
  }

  checkKey(key: string): string | undefined {
    return this.#table.keyType.check(key);
  }

  checkValue(json: string): string | undefined {
    return this.#checkValue(json);
  }

  async load(keys: readonly string[]): Promise<Map<string, string>> {
    // A key that the column cannot hold has no row, and the server would refuse the statement for it.
    const possible = keys.filter((key) => this.checkKey(key) === undefined);
    if (possible.length === 0) return new Map();
    const rows = await this.#try('load', () => this.#database.run(this.#statements.load(possible)));
    return new Map(rows.map((row) => [row['key'] as string, row['value'] as string]));
  }

  async commit(mutations: readonly Mutation[]): Promise<void> {
    // Sorted, so that two writers of the same keys do not lock each other out.
    const { removed, put } = split(mutations.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
    const statements = [...(removed.length === 0 ? [] : [this.#statements.remove(removed)]), ...(put.length === 0 ? [] : [this.#statements.upsert(put)])];
    const [only] = statements;
    if (only === undefined) return;
    await this.#try(
      'commit',
      async () => {
        if (statements.length === 1) return void (await this.#database.run(only));
        return this.#database.transaction(this.#settings, async (connection) => {
          for (const statement of statements) await connection.run(statement);
          return { commit: true, value: undefined };
        });
      },
      mutations.length === 1 ? mutations[0] : undefined,
    );
  }

  moveFence(lane: number, epoch: number, to: Pick<Fence, 'generation' | 'seq'>): Promise<boolean> {
    return this.#try('move the fence', () => this.#lanes().fences.move(this.#database, lane, epoch, to));
  }

  raiseEpoch(lane: number, above = 0): Promise<Fence> {
    return this.#try('raise the epoch', () => this.#lanes().fences.raise(this.#database, lane, above));
  }

  beginEpoch(lane: number, epoch: number, epochs: readonly EpochStart[]): Promise<boolean> {
    return this.#try('record an epoch', () => this.#lanes().fences.begin(this.#database, lane, epoch, epochs));
  }

  async apply(flush: Flush): Promise<ApplyResult> {
    const { fences } = this.#lanes();
    // The fence travels with BEGIN: three round trips for a generation of one batch.
    const opening = `${this.#settings}; ${fences.compareAndSet(flush.lanes)}; ${SAVEPOINT}`;
    const result = await this.#try('apply', () =>
      this.#database.transaction(opening, async (connection, moved): Promise<TransactionResult<ApplyResult | undefined>> => {
        if (moved.length !== flush.lanes.length) return { commit: false, value: undefined };
        return { commit: true, value: await this.#write(connection, flush) };
      }),
    );
    if (result !== undefined) return result;
    const lanes = await this.#try('read the fences', () => fences.verdicts(this.#database, flush.lanes));
    if (lanes.length > 0) return { kind: 'fenced', lanes };
    throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'apply: the fence changed while it was read', { cache: this.#cache });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #write(connection: Connection, flush: Flush): Promise<ApplyResult> {
    const writer = new BatchWriter(connection, this.#statements);
    for await (const batch of readAhead(flush.batches)) await writer.write(batch);
    await this.#bury(connection, flush, writer.refused);
    const dead = writer.refused.map(({ mutation: { lane, key }, fault }) => ({ lane, key, code: fault.code, message: fault.reason }));
    return { kind: 'applied', rows: writer.rows, statements: writer.statements, dead };
  }

  async #bury(connection: Connection, { lanes }: Flush, refused: readonly RefusedRow[]): Promise<void> {
    if (refused.length === 0) return;
    const byLane = new Map(lanes.map((lane) => [lane.lane, lane]));
    const rows = refused.map(({ mutation, fault, attempts }) => {
      const { generation = 0, fromSeq = 0, cutSeq = 0 } = byLane.get(mutation.lane) ?? {};
      return { mutation, code: fault.code, message: fault.reason, attempts, generation, fromSeq, cutSeq };
    });
    await connection.run(this.#lanes().letters.insert(rows));
  }

  #lanes(): NonNullable<LaneStoreParts['behind']> {
    if (this.#behind !== undefined) return this.#behind;
    throw new MillraceError('MILLRACE_INTERNAL', 'a store that was attached without write-behind has no lanes', { cache: this.#cache });
  }

  async #try<T>(doing: string, action: () => Promise<T>, mutation?: Mutation): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw translate(error, `${this.#table.sql}: ${doing}`, { cache: this.#cache, key: mutation?.key, lane: mutation?.lane });
    }
  }

  #translated(letters: DeadLetters): DeadLetterStore {
    return {
      list: (page) => this.#try('list dead letters', (): Promise<DeadLetter[]> => letters.list(page)),
      get: (id) => this.#try('read a dead letter', () => letters.get(id)),
      ofKey: (key) => this.#try('read a dead letter', () => letters.ofKey(key)),
      ofWrite: (key, seq) => this.#try('read a dead letter', () => letters.ofWrite(key, seq)),
      ofGeneration: (lane, generation) => this.#try('read dead letters', () => letters.ofGeneration(lane, generation)),
      remove: (ids) => this.#try('remove dead letters', () => letters.remove(ids)),
      count: () => this.#try('count dead letters', () => letters.count()),
    };
  }
}

/** Fetches the next batch from the front while the store writes this one; at most one is waiting. */
async function* readAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (let { done, value } = await next; done !== true; { done, value } = await next) {
      next = iterator.next();
      // It is awaited after this batch; until then its failure is nobody's.
      next.catch(() => undefined);
      yield value as T;
    }
  } finally {
    // A flush that stopped half way lets go of the source, but does not hold its transaction open to see it go.
    iterator.return?.().catch(() => undefined);
  }
}
