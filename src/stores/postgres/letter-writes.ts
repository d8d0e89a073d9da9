import { FINISHED_KEPT_MS, type Verdict } from '../../core/letter.ts';
import type { DeadLetter, LaneGeneration, Mutation, RefusedMutation } from '../../ports/store.ts';
import type { Connection } from './database.ts';
import { arrayText, quote } from './identifiers.ts';
import { LETTER, letterOf, storable } from './letter-rows.ts';

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

/** The statements on letters that belong to a transaction with a lane's fence. */
export class LetterWrites {
  readonly #cache: string;
  readonly #table: string;

  constructor(cache: string, schema: string) {
    this.#cache = cache;
    this.#table = `${quote(schema)}.millrace_dead_letter`;
  }

  /** Keeps rows that were refused with their generations. */
  async insert(
    connection: Connection,
    refused: readonly RefusedLetter[],
    generations: readonly LaneGeneration[],
  ): Promise<RefusedMutation[]> {
    if (refused.length === 0) return [];
    const byLane = new Map(generations.map((generation) => [generation.lane, generation]));
    const rows = refused.map(({ mutation: { lane, key, json, kind }, code, message, verdict }) => {
      const { generation = 0, fromSeq = 0, cutSeq = 0 } = byLane.get(lane) ?? {};
      return {
        lane,
        key: storable(key),
        kind: kind ?? (json === undefined ? 'delete' : 'put'),
        value: json ?? null,
        code,
        message,
        ...outcomeOf(verdict),
        generation,
        from_seq: fromSeq,
        cut_seq: cutSeq,
      };
    });
    const inserted = await connection.run({
      text: `insert into ${this.#table} (cache, lane, key, kind, value, code, message, state, attempts, retry_at, generation, from_seq, cut_seq)
        select $1::text, r.lane, r.key, r.kind, r.value, r.code, r.message, r.state, r.attempts, now() + r.retry_ms * interval '1 millisecond', r.generation, r.from_seq, r.cut_seq
        from json_to_recordset($2::text::json) r(lane integer, key text, kind text, value text, code text, message text, state text, attempts integer, retry_ms double precision, generation bigint, from_seq bigint, cut_seq bigint) returning id::text as id, key`,
      values: [this.#cache, JSON.stringify(rows)],
    });
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

  /** A later write of these keys is being stored, or refused: it is the last word now. Returns how many letters waited. */
  async supersede(connection: Connection, keys: readonly string[]): Promise<number> {
    // One update for both states: a letter that is redriven meanwhile is looked at again as it is then.
    const text = `update ${this.#table} d set superseded_at = now(), retry_at = null,
        state = case d.state when 'waiting' then 'superseded' else d.state end,
        value = case d.state when 'waiting' then null else d.value end,
        finished_at = case d.state when 'waiting' then now() end
      from unnest($2::text::text[]) given(key)
      where d.cache = $1::text and d.key = given.key and d.state in ('waiting', 'dead') and d.superseded_at is null returning d.state`;
    let waited = 0;
    for (let from = 0; from < keys.length; from += KEYS_MAX) {
      const rows = await connection.run({
        text,
        values: [this.#cache, arrayText(keys.slice(from, from + KEYS_MAX).map(storable))],
      });
      waited += rows.filter(({ state }) => state === 'superseded').length;
    }
    return waited;
  }

  /** Removes letters of the lanes that are finished for long enough. */
  async sweep(connection: Connection, lanes: readonly number[]): Promise<void> {
    await connection.run({
      text: `delete from ${this.#table} d where d.cache = $1::text and d.lane = any($2::text::integer[]) and d.state in ('stored', 'superseded', 'discarded') and d.finished_at < now() - $3::text::double precision * interval '1 millisecond'`,
      values: [this.#cache, arrayText(lanes.map((lane) => `${lane}`)), `${FINISHED_KEPT_MS}`],
    });
  }

  /** Locks letters that still wait and were not tried since they were read, and returns their ids. */
  async lock(connection: Connection, letters: readonly DeadLetter[]): Promise<Set<string>> {
    const rows = await connection.run({
      text: `select d.id::text as id from ${this.#table} d, unnest($2::text::bigint[], $3::text::integer[]) given(id, tries)
        where d.cache = $1::text and d.id = given.id and d.tries = given.tries and d.state = 'waiting' order by d.id for update of d`,
      values: [this.#cache, arrayText(letters.map(({ id }) => id)), arrayText(letters.map(({ tries }) => `${tries}`))],
    });
    return new Set(rows.map((row) => row['id'] as string));
  }

  /** Writes down what became of letters that `epoch` tried, and returns them as they are now. */
  async settle(connection: Connection, epoch: number, retried: readonly RetriedLetter[]): Promise<DeadLetter[]> {
    if (retried.length === 0) return [];
    const rows = await connection.run({
      text: `update ${this.#table} d set state = r.state, attempts = r.attempts, tries = d.tries + 1, tried_in = $3::text::bigint, code = r.code, message = r.message,
          retry_at = case when r.state = 'waiting' then now() + r.retry_ms * interval '1 millisecond' end,
          finished_at = case when r.state = 'stored' then now() end,
          value = case when r.state = 'stored' then null else d.value end
        from json_to_recordset($2::text::json) r(id bigint, state text, attempts integer, retry_ms double precision, code text, message text)
        where d.cache = $1::text and d.id = r.id returning ${LETTER}`,
      values: [
        this.#cache,
        JSON.stringify(retried.map(({ retryInMs, ...row }) => ({ ...row, retry_ms: retryInMs }))),
        `${epoch}`,
      ],
    });
    return rows.map((row) => letterOf(this.#cache, row));
  }
}

const outcomeOf = (verdict: Verdict): { state: string; attempts: number; retry_ms: number | null } =>
  verdict.state === 'waiting'
    ? { state: 'waiting', attempts: verdict.attempts, retry_ms: verdict.retryInMs }
    : { state: 'dead', attempts: verdict.attempts, retry_ms: null };
