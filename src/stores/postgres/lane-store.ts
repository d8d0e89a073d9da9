import type { EpochStart, Fence } from '../../core/lane.ts';
import { type Judge, POSTPONED, type Verdict } from '../../core/letter.ts';
import { MillraceError } from '../../errors.ts';
import type {
  ApplyResult,
  AttachedStore,
  DeadLetter,
  DeadLetterStore,
  Flush,
  LaneStore,
  Mutation,
  RetryResult,
  ScoresPage,
  ScoresStore,
  StoredScores,
  StoredTotals,
  TotalsStore,
} from '../../ports/store.ts';
import { BatchWriter, type RefusedRow, SAVEPOINT } from './batch-writer.ts';
import type { Connection, Database, Statement, TransactionResult } from './database.ts';
import type { LetterReader } from './dead-letters.ts';
import { translate } from './faults.ts';
import { mutationOf, storable } from './letter-rows.ts';
import type { LetterWrites, RefusedLetter, RetriedLetter } from './letter-writes.ts';
import type { Fences } from './own-tables.ts';
import { ReadAhead } from './read-ahead.ts';
import type { TableStatements } from './statements.ts';
import type { ValueCheck } from './values.ts';

export interface LaneStoreParts {
  readonly database: Database;
  readonly cache: string;
  /** The table, quoted, for messages. */
  readonly sql: string;
  readonly statements: TableStatements;
  readonly checkKey: (key: string) => string | undefined;
  readonly checkValue: ValueCheck;
  /** Only of counters: rows with `key` and `value`, with `lane` and `value` of the lanes' fences, in one snapshot. */
  readonly totals: ((lanes: readonly number[], keys: readonly string[]) => Statement) | undefined;
  /** Only of leaderboards: rows with `key` and `value`, and with the `generation` of the lane's fence, in one snapshot; at least one row. */
  readonly scores?: ((page: ScoresPage) => Statement) | undefined;
  /** `set local …` for a flush. */
  readonly settings: string;
  /** Missing unless lanes are flushed. */
  readonly behind:
    | { readonly fences: Fences; readonly letters: LetterReader; readonly letterWrites: LetterWrites }
    | undefined;
}

export class PostgresLaneStore implements AttachedStore {
  readonly #database: Database;
  readonly #cache: string;
  readonly #table: string;
  readonly #settings: string;
  readonly #behind: LaneStoreParts['behind'];
  readonly #statements: TableStatements;
  readonly checkKey: (key: string) => string | undefined;
  readonly checkValue: ValueCheck;
  readonly lanes: LaneStore | undefined;
  readonly totals: TotalsStore | undefined;
  readonly scores: ScoresStore | undefined;

  constructor({
    database,
    cache,
    sql,
    statements,
    checkKey,
    checkValue,
    totals,
    scores,
    settings,
    behind,
  }: LaneStoreParts) {
    this.#database = database;
    this.#cache = cache;
    this.#table = sql;
    this.#settings = settings;
    this.#behind = behind;
    this.#statements = statements;
    this.checkKey = checkKey;
    this.checkValue = checkValue;
    this.totals = totals && { load: (lanes, keys) => this.#loadTotals(totals(lanes, keys)) };
    this.scores = scores && {
      load: (page) => this.#loadScores(scores(page), 'limit' in page ? page.limit : undefined),
    };
    this.lanes = behind && {
      apply: (flush) => this.#apply(flush),
      fences: {
        raiseEpoch: (lane, above) => this.#raiseEpoch(lane, above),
        moveFence: (lane, epoch, to) => this.#moveFence(lane, epoch, to),
        beginEpoch: (lane, epoch, epochs) => this.#beginEpoch(lane, epoch, epochs),
      },
      deadLetters: {
        ...this.#translated(behind.letters),
        retry: (lane, epoch, due, judge) => this.#retry(lane, epoch, due, judge),
      },
    };
  }

  async load(keys: readonly string[]): Promise<Map<string, string>> {
    // A key that the column cannot hold has no row, and the server would refuse the statement for it.
    const possible = keys.filter((key) => this.checkKey(key) === undefined);
    const statement = possible.length === 0 ? undefined : this.#statements.load(possible);
    if (statement === undefined) return new Map();
    const rows = await this.#try('load', () => this.#database.run(statement));
    return new Map(rows.map((row) => [row['key'] as string, row['value'] as string]));
  }

  async #loadTotals(statement: Statement): Promise<StoredTotals> {
    const totals = new Map<string, string>();
    const generations = new Map<number, number>();
    for (const { lane, key, value } of await this.#try('load', () => this.#database.run(statement))) {
      if (lane === null || lane === undefined) totals.set(key as string, value as string);
      else generations.set(Number(lane), Number(value));
    }
    return { totals, generations };
  }

  async #loadScores(statement: Statement, limit: number | undefined): Promise<StoredScores> {
    const scores = new Map<string, string>();
    const rows = await this.#try('load', () => this.#database.run(statement));
    for (const { key, value } of rows) if (typeof key === 'string') scores.set(key, value as string);
    const next = scores.size === limit ? (rows.at(-1)?.['key'] as string) : undefined;
    return { scores, generation: Number(rows[0]?.['generation']), next };
  }

  async commit(mutations: readonly Mutation[]): Promise<void> {
    // Sorted, so that two writers of the same keys do not lock each other out.
    const statements = this.#statements.write(mutations.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
    const [only] = statements;
    if (only === undefined) return;
    const letters = this.#behind?.letterWrites;
    await this.#try(
      'commit',
      async () => {
        if (statements.length === 1 && letters === undefined) return void (await this.#database.run(only));
        return this.#database.transaction(this.#settings, async (connection) => {
          // Letters before rows, as a retry locks them.
          await letters?.supersede(
            connection,
            mutations.map(({ key }) => key),
          );
          for (const statement of statements) await connection.run(statement);
          return { commit: true, value: undefined };
        });
      },
      mutations.length === 1 ? mutations[0] : undefined,
    );
  }

  #moveFence(lane: number, epoch: number, to: Pick<Fence, 'generation' | 'seq'>): Promise<boolean> {
    return this.#try('move the fence', () => this.#lanes().fences.move(this.#database, lane, epoch, to));
  }

  #raiseEpoch(lane: number, above = 0): Promise<Fence> {
    return this.#try('raise the epoch', () => this.#lanes().fences.raise(this.#database, lane, above));
  }

  #beginEpoch(lane: number, epoch: number, epochs: readonly EpochStart[]): Promise<boolean> {
    return this.#try('record an epoch', () => this.#lanes().fences.begin(this.#database, lane, epoch, epochs));
  }

  async #apply(flush: Flush): Promise<ApplyResult> {
    const { fences } = this.#lanes();
    // The fence travels with BEGIN: three round trips for a generation of one batch.
    const opening = `${this.#settings}; ${fences.compareAndSet(flush.lanes)}; ${SAVEPOINT}`;
    // Not only when the fence is there: that takes a round trip, and so does the first page.
    const batches = new ReadAhead(flush.batches);
    const result = await this.#try('apply', () =>
      this.#database.transaction(
        opening,
        async (connection, moved): Promise<TransactionResult<ApplyResult | undefined>> => {
          if (moved.length !== flush.lanes.length) return { commit: false, value: undefined };
          return { commit: true, value: await this.#write(connection, flush, batches) };
        },
      ),
    ).finally(() => batches.stop());
    if (result !== undefined) return result;
    const lanes = await this.#try('read the fences', () => fences.verdicts(this.#database, flush.lanes));
    if (lanes.length > 0) return { kind: 'fenced', lanes };
    throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'apply: the fence changed while it was read', {
      cache: this.#cache,
    });
  }

  async #retry(lane: number, epoch: number, letters: readonly DeadLetter[], judge: Judge): Promise<RetryResult> {
    const { fences, letterWrites } = this.#lanes();
    const opening = `${this.#settings}; ${fences.lock(lane, epoch)}`;
    return this.#try('retry', () =>
      this.#database.transaction<RetryResult>(opening, async (connection, locked) => {
        if (locked.length === 0) return { commit: false, value: { kind: 'fenced' } };
        const waiting = await letterWrites.lock(connection, letters);
        // Only now: a row that is refused would let go of the letters as well, and who discards one would not be heard.
        await connection.script(SAVEPOINT);
        const retried = await this.#retried(
          connection,
          letters.filter(({ id }) => waiting.has(id)),
          judge,
        );
        return {
          commit: true,
          value: { kind: 'retried', letters: await letterWrites.settle(connection, epoch, retried) },
        };
      }),
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #write(
    connection: Connection,
    flush: Flush,
    batches: AsyncIterable<readonly Mutation[]>,
  ): Promise<ApplyResult> {
    const { letterWrites } = this.#lanes();
    const lettered = flush.lanes.filter(({ letters }) => letters).map(({ lane }) => lane);
    const written: string[] = [];
    const writer = new BatchWriter(connection, this.#statements);
    for await (const batch of batches) {
      await writer.write(batch);
      // Only a value replaces what was refused before it: increments and events each count.
      for (const { lane, key, kind } of lettered.length === 0 ? [] : batch)
        if (kind === undefined && lettered.includes(lane)) written.push(key);
    }
    // After the rows, whose savepoints would take it back; before this generation's own letters.
    const superseded = await letterWrites.supersede(connection, written);
    if (lettered.length > 0) await letterWrites.sweep(connection, lettered);
    const refused = await letterWrites.insert(
      connection,
      writer.refused.map((row) => refusedLetter(row, flush.judge)),
      flush.lanes,
    );
    return { kind: 'applied', rows: writer.rows, statements: writer.statements, refused, superseded };
  }

  async #retried(connection: Connection, letters: readonly DeadLetter[], judge: Judge): Promise<RetriedLetter[]> {
    const writer = new BatchWriter(connection, this.#statements);
    const mutations = letters.map(mutationOf);
    // Events stay in their order.
    await writer.write(
      mutations[0]?.kind === 'append' ? mutations : mutations.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    );
    const refusals = new Map(writer.refused.map((row) => [row.mutation.key, row]));
    return letters.flatMap((letter): RetriedLetter[] => {
      const refusal = refusals.get(letter.key);
      const { id, attempts, code, message } = letter;
      if (refusal === undefined) return [{ id, state: 'stored', attempts, retryInMs: 0, code, message }];
      // What was not tried alone stays as it is, and is due again.
      if (refusal.postponed) return [];
      const verdict = judge({ code: refusal.fault.code, attempts });
      return [{ id, code: refusal.fault.code, message: refusal.fault.reason, retryInMs: 0, ...verdict }];
    });
  }

  #lanes(): NonNullable<LaneStoreParts['behind']> {
    if (this.#behind !== undefined) return this.#behind;
    throw new MillraceError('MILLRACE_INTERNAL', 'a store that was attached without write-behind has no lanes', {
      cache: this.#cache,
    });
  }

  async #try<T>(doing: string, action: () => Promise<T>, mutation?: Mutation): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw translate(error, `${this.#table}: ${doing}`, {
        cache: this.#cache,
        key: mutation?.key,
        lane: mutation?.lane,
      });
    }
  }

  #translated(letters: LetterReader): Omit<DeadLetterStore, 'retry'> {
    return {
      list: (page) => this.#try('list dead letters', () => letters.list(page)),
      get: (id) => this.#try('read a dead letter', () => letters.get(id)),
      ofKey: (key) => this.#try('read a dead letter', () => letters.ofKey(key)),
      count: () => this.#try('count dead letters', () => letters.count()),
      find: (ids) => this.#try('read dead letters', () => letters.find(ids)),
      ofWrite: (key, seq) => this.#try('read a dead letter', () => letters.ofWrite(key, seq)),
      ofGeneration: (lane, generation) => this.#try('read dead letters', () => letters.ofGeneration(lane, generation)),
      due: (lane, limit) => this.#try('read dead letters', () => letters.due(lane, limit)),
      storedKeys: (lane) => this.#try('read dead letters', () => letters.storedKeys(lane)),
      redrive: (id) => this.#try('redrive a dead letter', () => letters.redrive(id)),
      discard: (id) => this.#try('discard a dead letter', () => letters.discard(id)),
    };
  }
}

function refusedLetter({ mutation, fault, postponed }: RefusedRow, judge: Judge): RefusedLetter {
  return { mutation, code: fault.code, message: fault.reason, verdict: verdictOf() };

  function verdictOf(): Verdict {
    // Under the name that the letter has, it would be another key's row.
    if (storable(mutation.key) !== mutation.key) return { state: 'dead', attempts: 1 };
    return postponed ? POSTPONED : judge({ code: fault.code, attempts: undefined });
  }
}
