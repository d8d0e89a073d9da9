import type { DeadLetter, DeadLetterStore, DueLetters, LetterCounts, RedriveResult } from '../../ports/store.ts';
import type { Connection } from './database.ts';
import { arrayText, quote } from './identifiers.ts';
import { LETTER, letterOf } from './letter-rows.ts';

const OPEN = `d.state in ('waiting', 'dead')`;

/** Reads the letters of a cache, and does what an operator wants done with them. */
export class LetterReader implements Omit<DeadLetterStore, 'retry'> {
  readonly #connection: Connection;
  readonly #cache: string;
  readonly #table: string;

  constructor(connection: Connection, cache: string, schema: string) {
    this.#connection = connection;
    this.#cache = cache;
    this.#table = `${quote(schema)}.millrace_dead_letter`;
  }

  async list({ limit, after = '0', state }: Parameters<DeadLetterStore['list']>[0]): Promise<DeadLetter[]> {
    if (!ID.test(after)) return [];
    const states = arrayText(state === undefined ? ['waiting', 'dead'] : [state]);
    return this.#select(
      'd.id > $2::text::bigint and d.state = any($3::text::text[]) order by d.id limit $4::text::bigint',
      [after, states, `${Math.max(0, Math.trunc(limit))}`],
    );
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    return ID.test(id) ? (await this.#select(`d.id = $2::text::bigint and ${OPEN}`, [id]))[0] : undefined;
  }

  async ofKey(key: string): Promise<DeadLetter | undefined> {
    return key.includes('\0')
      ? undefined
      : (await this.#select(`d.key = $2::text and ${OPEN} order by d.id desc limit 1`, [key]))[0];
  }

  async count(): Promise<LetterCounts> {
    const text = `select count(*) filter (where d.state = 'waiting')::text as waiting, count(*) filter (where d.state = 'dead' and d.superseded_at is null)::text as dead,
      count(*) filter (where d.state = 'dead' and d.superseded_at is not null)::text as superseded from ${this.#table} d where d.cache = $1::text and ${OPEN}`;
    const [row] = await this.#connection.run({ text, values: [this.#cache] });
    return { waiting: Number(row?.['waiting']), dead: Number(row?.['dead']), superseded: Number(row?.['superseded']) };
  }

  find(ids: readonly string[]): Promise<DeadLetter[]> {
    return this.#select('d.id = any($2::text::bigint[]) order by d.id', [arrayText(ids.filter((id) => ID.test(id)))]);
  }

  async ofWrite(key: string, seq: number): Promise<DeadLetter | undefined> {
    return key.includes('\0')
      ? undefined
      : (
          await this.#select('d.key = $2::text and $3::text::bigint between d.from_seq and d.cut_seq', [key, `${seq}`])
        )[0];
  }

  ofGeneration(lane: number, generation: number): Promise<DeadLetter[]> {
    return this.#select('d.lane = $2::text::integer and d.generation = $3::text::bigint order by d.id', [
      `${lane}`,
      `${generation}`,
    ]);
  }

  async due(lane: number, limit: number): Promise<DueLetters> {
    const text = `select exists (select from ${this.#table} d where d.cache = $1::text and d.lane = $2::text::integer)::text as any,
      (select ceil(extract(epoch from min(d.retry_at) - now()) * 1000)::text from ${this.#table} d where d.cache = $1::text and d.lane = $2::text::integer and d.state = 'waiting') as next_in_ms`;
    const [row] = await this.#connection.run({ text, values: [this.#cache, `${lane}`] });
    const nextInMs = typeof row?.['next_in_ms'] === 'string' ? Number(row['next_in_ms']) : undefined;
    const any = row?.['any'] === 'true';
    if (limit === 0 || nextInMs === undefined || nextInMs > 0) return { letters: [], nextInMs, any };
    const due = await this.#select(
      `d.lane = $2::text::integer and d.state = 'waiting' and d.retry_at <= now() order by d.retry_at, d.id limit $3::text::bigint`,
      [`${lane}`, `${limit}`],
    );
    // A key has one letter that waits; of two, which only an earlier version could leave, the later counts.
    return {
      letters: [
        ...new Map(due.toSorted((a, b) => Number(a.id) - Number(b.id)).map((letter) => [letter.key, letter])).values(),
      ],
      nextInMs,
      any,
    };
  }

  async storedKeys(lane: number): Promise<string[]> {
    const text = `select distinct d.key from ${this.#table} d where d.cache = $1::text and d.lane = $2::text::integer and d.state = 'stored'`;
    return (await this.#connection.run({ text, values: [this.#cache, `${lane}`] })).map((row) => row['key'] as string);
  }

  async redrive(id: string): Promise<RedriveResult | undefined> {
    if (!ID.test(id)) return undefined;
    // Increments and events replace nothing. What gives way is kept for a while, like what is discarded: who waits for a dead write is told so.
    const superseded = `o.kind in ('put', 'delete') and (o.superseded_at is not null or exists (select from ${this.#table} l where l.cache = $1::text and l.key = o.key and l.id > o.id and l.state in ('waiting', 'dead')))`;
    const text = `with o as materialized (select d.* from ${this.#table} d where d.cache = $1::text and d.id = $2::text::bigint and ${OPEN} for update),
        gone as (update ${this.#table} d set state = 'discarded', value = null, retry_at = null, finished_at = now() from o where d.id = o.id and (${superseded}) returning d.id),
        revived as (update ${this.#table} d set state = 'waiting', attempts = 0, retry_at = now() from o where d.id = o.id and not (${superseded}) returning d.id)
      select o.lane::text as lane, o.state, exists (select from revived)::text as revived from o where exists (select from gone) or exists (select from revived)`;
    const [row] = await this.#connection.run({ text, values: [this.#cache, id] });
    if (row === undefined) return undefined;
    return row['revived'] === 'true'
      ? { kind: 'waiting', lane: Number(row['lane']), revived: row['state'] === 'dead' }
      : { kind: 'superseded' };
  }

  async discard(id: string): Promise<'waiting' | 'dead' | undefined> {
    if (!ID.test(id)) return undefined;
    const text = `with o as materialized (select d.id, d.state from ${this.#table} d where d.cache = $1::text and d.id = $2::text::bigint and ${OPEN} for update)
      update ${this.#table} d set state = 'discarded', value = null, retry_at = null, finished_at = now() from o where d.id = o.id returning o.state`;
    const [row] = await this.#connection.run({ text, values: [this.#cache, id] });
    return row?.['state'] as 'waiting' | 'dead' | undefined;
  }

  async #select(where: string, values: readonly string[]): Promise<DeadLetter[]> {
    const text = `select ${LETTER} from ${this.#table} d where d.cache = $1::text and ${where}`;
    return (await this.#connection.run({ text, values: [this.#cache, ...values] })).map((row) =>
      letterOf(this.#cache, row),
    );
  }
}

const ID = /^\d{1,18}$/;
