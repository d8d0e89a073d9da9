/** The statements on letters that belong to a transaction with a lane's fence. */
import { FINISHED_KEPT_MS, type Verdict } from '../../core/letter.ts';
import { kindOf } from '../../core/shape.ts';
import type { DeadLetter, LaneGeneration, Mutation, RefusedMutation } from '../../ports/store.ts';
import type { Connection } from './database.ts';
import type { Dialect } from './dialect.ts';
import {
  FINISHED_STATES,
  type LetterParts,
  letterColumns,
  letterOf,
  letterTable,
  OPEN_STATES,
  storable,
} from './letter-rows.ts';

/** A row that was refused, and what becomes of it. */
export interface RefusedLetter {
  readonly mutation: Mutation;
  readonly code: string;
  readonly message: string;
  readonly verdict: Verdict;
}

/** What became of a letter that was tried again. */
export interface RetriedLetter {
  readonly id: string;
  readonly state: 'stored' | 'waiting' | 'dead';
  readonly attempts: number;
  readonly retryInMs: number;
  readonly code: string;
  readonly message: string;
}

/** Keys of one statement. */
const KEYS_MAX = 5_000;

export class LetterWrites {
  readonly #dialect: Dialect;
  readonly #cache: string;
  readonly #table: string;

  constructor(parts: LetterParts) {
    this.#dialect = parts.dialect;
    this.#cache = parts.cache;
    this.#table = letterTable(parts);
  }

  /** Keeps rows that were refused with their generations. */
  async insert(
    connection: Connection,
    refused: readonly RefusedLetter[],
    generations: readonly LaneGeneration[],
  ): Promise<RefusedMutation[]> {
    if (refused.length === 0) return [];
    const byLane = new Map(generations.map((generation) => [generation.lane, generation]));
    const rows = refused.map(({ mutation, code, message, verdict }) => {
      const { generation = 0, fromSeq = 0, cutSeq = 0 } = byLane.get(mutation.lane) ?? {};
      return {
        lane: mutation.lane,
        key: storable(mutation.key),
        kind: kindOf(mutation),
        value: mutation.json ?? null,
        code,
        message,
        ...outcomeOf(verdict),
        generation,
        from_seq: fromSeq,
        cut_seq: cutSeq,
      };
    });
    const { parameter, records, after, asText } = this.#dialect;
    const kept = [...KEPT_COLUMNS.map((column) => `r.${column}`), after('r.retry_ms')].join(', ');
    const text = `insert into ${this.#table} (cache, ${KEPT_COLUMNS.join(', ')}, retry_at)
      select ${parameter(1, 'text')}, ${kept} from ${records(2, KEPT, 'r')}
      returning ${asText('id')} as id, key`;
    const inserted = await connection.run({ text, values: [this.#cache, JSON.stringify(rows)] });
    const ids = new Map(inserted.map((row) => [row['key'], row['id'] as string]));
    return refused.map(({ mutation: { lane, key }, code, message, verdict: { state } }) => ({
      id: ids.get(storable(key)) as string,
      lane,
      key,
      code,
      message,
      state,
    }));
  }

  /**
   * A later write of these keys is being stored, or refused: it is the last word now. Returns how many letters waited.
   */
  async supersede(connection: Connection, keys: readonly string[]): Promise<number> {
    const { parameter, list, listed, now, returned } = this.#dialect;
    // One update for both states: a letter that is redriven meanwhile is looked at again as it is then.
    const text = `update ${this.#table} as d set superseded_at = ${now}, retry_at = null,
        state = case d.state when 'waiting' then 'superseded' else d.state end,
        value = case d.state when 'waiting' then null else d.value end,
        finished_at = case d.state when 'waiting' then ${now} end
      from ${listed(2, 'text', 'given')}
      where d.cache = ${parameter(1, 'text')} and d.key = given.item and d.state in ${OPEN_STATES}
      and d.superseded_at is null returning ${returned('d')}state`;
    let waited = 0;
    for (let from = 0; from < keys.length; from += KEYS_MAX) {
      const part = list(keys.slice(from, from + KEYS_MAX).map(storable));
      const rows = await connection.run({ text, values: [this.#cache, part] });
      waited += rows.filter(({ state }) => state === 'superseded').length;
    }
    return waited;
  }

  /** Removes letters of the lanes that are finished for long enough. */
  async sweep(connection: Connection, lanes: readonly number[]): Promise<void> {
    const { parameter, list, listed, after } = this.#dialect;
    await connection.run({
      text: `delete from ${this.#table} as d where d.cache = ${parameter(1, 'text')}
        and d.lane in (select l.item from ${listed(2, 'integer', 'l')}) and d.state in ${FINISHED_STATES}
        and d.finished_at < ${after(parameter(3, 'double'))}`,
      values: [this.#cache, list(lanes.map((lane) => `${lane}`)), `${-FINISHED_KEPT_MS}`],
    });
  }

  /** Locks letters that still wait and were not tried since they were read, and returns their ids. */
  async lock(connection: Connection, letters: readonly DeadLetter[]): Promise<Set<string>> {
    const { parameter, records, asText, forUpdate } = this.#dialect;
    const rows = await connection.run({
      text: `select ${asText('d.id')} as id from ${this.#table} d
        join ${records(2, { id: 'bigint', tries: 'integer' }, 'given')} on d.id = given.id and d.tries = given.tries
        where d.cache = ${parameter(1, 'text')} and d.state = 'waiting' order by d.id${forUpdate('d')}`,
      values: [this.#cache, JSON.stringify(letters.map(({ id, tries }) => ({ id, tries })))],
    });
    return new Set(rows.map((row) => row['id'] as string));
  }

  /** Writes down what became of letters that `epoch` tried, and returns them as they are now. */
  async settle(connection: Connection, epoch: number, retried: readonly RetriedLetter[]): Promise<DeadLetter[]> {
    if (retried.length === 0) return [];
    const { parameter, records, now, after, returned } = this.#dialect;
    const rows = await connection.run({
      text: `update ${this.#table} as d set state = r.state, attempts = r.attempts, tries = d.tries + 1,
          tried_in = ${parameter(3, 'bigint')}, code = r.code, message = r.message,
          retry_at = case when r.state = 'waiting' then ${after('r.retry_ms')} end,
          finished_at = case when r.state = 'stored' then ${now} end,
          value = case when r.state = 'stored' then null else d.value end
        from ${records(2, SETTLED, 'r')}
        where d.cache = ${parameter(1, 'text')} and d.id = r.id
        returning ${letterColumns(this.#dialect, returned('d'))}`,
      values: [
        this.#cache,
        JSON.stringify(retried.map(({ retryInMs, ...row }) => ({ ...row, retry_ms: retryInMs }))),
        `${epoch}`,
      ],
    });
    return rows.map((row) => letterOf(this.#cache, row));
  }
}

/** Columns that a letter is kept with. */
const KEPT_OF_TABLE = {
  lane: 'integer',
  key: 'text',
  kind: 'text',
  value: 'text',
  code: 'text',
  message: 'text',
  state: 'text',
  attempts: 'integer',
  generation: 'bigint',
  from_seq: 'bigint',
  cut_seq: 'bigint',
} as const;
const KEPT_COLUMNS = Object.keys(KEPT_OF_TABLE);
const KEPT = { ...KEPT_OF_TABLE, retry_ms: 'double' } as const;

/** What a retry changes. */
const SETTLED = {
  id: 'bigint',
  state: 'text',
  attempts: 'integer',
  retry_ms: 'double',
  code: 'text',
  message: 'text',
} as const;

const outcomeOf = (verdict: Verdict): { state: string; attempts: number; retry_ms: number | null } =>
  verdict.state === 'waiting'
    ? { state: 'waiting', attempts: verdict.attempts, retry_ms: verdict.retryInMs }
    : { state: 'dead', attempts: verdict.attempts, retry_ms: null };
