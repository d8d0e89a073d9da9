/** What lanes are flushed into: a generation, its fence and its letters in one transaction. */
import { type Judge, POSTPONED, type Verdict } from '../../core/letter.ts';
import { kindOf, kindTraits } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import type {
  ApplyResult,
  DeadLetter,
  DeadLetterStore,
  FenceStore,
  Flush,
  LaneStore,
  Mutation,
  RetryResult,
} from '../../ports/store.ts';
import { BatchWriter, type RefusedRow, SAVEPOINT } from './batch-writer.ts';
import type { Connection, TransactionResult } from './database.ts';
import type { Fences } from './fences.ts';
import type { LetterReader } from './letter-reader.ts';
import { mutationOf, storable } from './letter-rows.ts';
import type { LetterWrites, RefusedLetter, RetriedLetter } from './letter-writes.ts';
import { ReadAhead } from './read-ahead.ts';
import { type Attempt, attemptOf, type SqlParts } from './rows.ts';

export interface SqlLanesParts extends SqlParts {
  readonly fences: Fences;
  readonly letters: LetterReader;
  readonly letterWrites: LetterWrites;
}

export class SqlLanes implements LaneStore {
  readonly #parts: SqlLanesParts;
  readonly #try: Attempt;
  readonly fences: FenceStore;
  readonly deadLetters: DeadLetterStore;

  constructor(parts: SqlLanesParts) {
    this.#parts = parts;
    this.#try = attemptOf(parts);
    const { database, fences } = parts;
    this.fences = {
      raiseEpoch: (lane, above = 0) => this.#try('raise the epoch', () => fences.raise(database, lane, above)),
      moveFence: (lane, epoch, to) => this.#try('move the fence', () => fences.move(database, lane, epoch, to)),
      beginEpoch: (lane, epoch, epochs) =>
        this.#try('record an epoch', () => fences.begin(database, lane, epoch, epochs)),
    };
    this.deadLetters = this.#lettersOf(parts.letters);
  }

  async apply(flush: Flush): Promise<ApplyResult> {
    const { database, fences, settings, cache } = this.#parts;
    // The fence travels with BEGIN: three round trips for a generation of one batch.
    const opening = [...settings, fences.compareAndSet(flush.lanes), SAVEPOINT];
    // Not only when the fence is there: that takes a round trip, and so does the first page.
    const batches = new ReadAhead(flush.batches);
    const result = await this.#try('apply', () =>
      database.transaction(opening, async (connection, moved): Promise<TransactionResult<ApplyResult | undefined>> => {
        if (moved.length !== flush.lanes.length) return { commit: false, value: undefined };
        return { commit: true, value: await this.#write(connection, flush, batches) };
      }),
    ).finally(() => batches.stop());
    if (result !== undefined) return result;
    const lanes = await this.#try('read the fences', () => fences.verdicts(database, flush.lanes));
    if (lanes.length > 0) return { kind: 'fenced', lanes };
    throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'apply: the fence changed while it was read', { cache });
  }

  async #retry(lane: number, epoch: number, letters: readonly DeadLetter[], judge: Judge): Promise<RetryResult> {
    const { database, fences, letterWrites, settings } = this.#parts;
    const opening = [...settings, fences.lock(lane, epoch)];
    return this.#try('retry', () =>
      database.transaction<RetryResult>(opening, async (connection, locked) => {
        if (locked.length === 0) return { commit: false, value: { kind: 'fenced' } };
        const waiting = await letterWrites.lock(connection, letters);
        // Only now: a row that is refused would let go of the letters as well, and who discards one would not be heard.
        await connection.script([SAVEPOINT]);
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

  #writer(connection: Connection): BatchWriter {
    const { dialect, table } = this.#parts;
    return new BatchWriter(connection, dialect, table.statements);
  }

  async #write(
    connection: Connection,
    flush: Flush,
    batches: AsyncIterable<readonly Mutation[]>,
  ): Promise<ApplyResult> {
    const { letterWrites } = this.#parts;
    const lettered = flush.lanes.filter(({ letters }) => letters).map(({ lane }) => lane);
    const written: string[] = [];
    const writer = this.#writer(connection);
    for await (const batch of batches) {
      await writer.write(batch);
      // Only a value replaces what was refused before it: increments and events each count.
      for (const mutation of lettered.length === 0 ? [] : batch)
        if (kindTraits(kindOf(mutation)).isReplaced && lettered.includes(mutation.lane)) written.push(mutation.key);
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
    const writer = this.#writer(connection);
    const mutations = letters.map(mutationOf);
    const isOrdered = letters.some(({ kind }) => kindTraits(kind).isOrdered);
    await writer.write(isOrdered ? mutations : mutations.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
    const refusals = new Map(writer.refused.map((row) => [row.mutation.key, row]));
    return letters.flatMap((letter): RetriedLetter[] => {
      const refusal = refusals.get(letter.key);
      const { id, attempts, code, message } = letter;
      if (refusal === undefined) return [{ id, state: 'stored', attempts, retryInMs: 0, code, message }];
      // What was not tried alone stays as it is, and is due again.
      if (refusal.postponed) return [];
      const { fault } = refusal;
      const verdict = judge({ code: fault.code, attempts, lacksParent: fault.lacksParent });
      return [{ id, code: fault.code, message: fault.reason, retryInMs: 0, ...verdict }];
    });
  }

  #lettersOf(letters: LetterReader): DeadLetterStore {
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
      retry: (lane, epoch, due, judge) => this.#retry(lane, epoch, due, judge),
      redrive: (id) => this.#try('redrive a dead letter', () => letters.redrive(id)),
      discard: (id) => this.#try('discard a dead letter', () => letters.discard(id)),
    };
  }
}

function refusedLetter({ mutation, fault, postponed }: RefusedRow, judge: Judge): RefusedLetter {
  const { code, reason, lacksParent } = fault;
  return { mutation, code, message: reason, verdict: verdictOf() };

  function verdictOf(): Verdict {
    // Under the name that the letter has, it would be another key's row.
    if (storable(mutation.key) !== mutation.key) return { state: 'dead', attempts: 1 };
    return postponed ? POSTPONED : judge({ code, attempts: undefined, lacksParent });
  }
}
