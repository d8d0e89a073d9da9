import type { DeadLetter, DeadLetterStore, Mutation } from '../../ports/store.ts';
import type { Connection, Row, Statement } from './database.ts';
import { arrayText, quote } from './identifiers.ts';

export interface DeadRow {
  readonly mutation: Mutation;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  readonly generation: number;
  readonly fromSeq: number;
  readonly cutSeq: number;
}

/** Rows that the store refused. Each refusal is kept; a key that was refused twice has two letters. */
export class DeadLetters implements DeadLetterStore {
  readonly #connection: Connection;
  readonly #cache: string;
  readonly #table: string;

  constructor(connection: Connection, cache: string, schema: string) {
    this.#connection = connection;
    this.#cache = cache;
    this.#table = `${quote(schema)}.millrace_dead_letter`;
  }

  insert(rows: readonly DeadRow[]): Statement {
    const letters = rows.map(({ mutation: { lane, key, json }, fromSeq, cutSeq, ...row }) => ({ ...row, lane, key: key.replace(UNSTORABLE, '\uFFFD'), kind: json === undefined ? 'delete' : 'put', value: json ?? null, from_seq: fromSeq, cut_seq: cutSeq }));
    return {
      text: `insert into ${this.#table} (cache, lane, key, kind, value, code, message, attempts, generation, from_seq, cut_seq)
        select $1::text, r.lane, r.key, r.kind, r.value, r.code, r.message, r.attempts, r.generation, r.from_seq, r.cut_seq
        from json_to_recordset($2::text::json) r(lane integer, key text, kind text, value text, code text, message text, attempts integer, generation bigint, from_seq bigint, cut_seq bigint)`,
      values: [this.#cache, JSON.stringify(letters)],
    };
  }

  async list({ limit, after = '0' }: { readonly limit: number; readonly after?: string | undefined }): Promise<DeadLetter[]> {
    if (!ID.test(after)) return [];
    return this.#select('d.id > $2::text::bigint order by d.id limit $3::text::bigint', [after, `${Math.max(0, Math.trunc(limit))}`]);
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    return ID.test(id) ? (await this.#select('d.id = $2::text::bigint', [id]))[0] : undefined;
  }

  /** The latest of the key. */
  async ofKey(key: string): Promise<DeadLetter | undefined> {
    return key.includes('\0') ? undefined : (await this.#select('d.key = $2::text order by d.id desc limit 1', [key]))[0];
  }

  async ofWrite(key: string, seq: number): Promise<DeadLetter | undefined> {
    return key.includes('\0') ? undefined : (await this.#select('d.key = $2::text and $3::text::bigint between d.from_seq and d.cut_seq', [key, `${seq}`]))[0];
  }

  ofGeneration(lane: number, generation: number): Promise<DeadLetter[]> {
    return this.#select('d.lane = $2::text::integer and d.generation = $3::text::bigint order by d.id', [`${lane}`, `${generation}`]);
  }

  async remove(ids: readonly string[]): Promise<number> {
    const text = `delete from ${this.#table} d where d.cache = $1::text and d.id = any($2::text::bigint[]) returning d.id::text as id`;
    return (await this.#connection.run({ text, values: [this.#cache, arrayText(ids.filter((id) => ID.test(id)))] })).length;
  }

  async count(): Promise<number> {
    const text = `select count(*)::text as count from ${this.#table} d where d.cache = $1::text`;
    return Number((await this.#connection.run({ text, values: [this.#cache] }))[0]?.['count']);
  }

  async #select(where: string, values: readonly string[]): Promise<DeadLetter[]> {
    const text = `select d.id::text as id, d.lane::text as lane, d.key, d.kind, d.value, d.code, d.message, d.attempts::text as attempts, d.generation::text as generation, d.from_seq::text as from_seq, d.cut_seq::text as cut_seq,
      floor(extract(epoch from d.created_at) * 1000)::text as created_ms from ${this.#table} d where d.cache = $1::text and ${where}`;
    return (await this.#connection.run({ text, values: [this.#cache, ...values] })).map((row) => this.#letterOf(row));
  }

  #letterOf(row: Row): DeadLetter {
    return {
      id: row['id'] as string,
      cache: this.#cache,
      lane: Number(row['lane']),
      key: row['key'] as string,
      kind: row['kind'] as 'put' | 'delete',
      json: row['value'] ?? undefined,
      code: row['code'] as string,
      message: row['message'] as string,
      attempts: Number(row['attempts']),
      generation: Number(row['generation']),
      fromSeq: Number(row['from_seq']),
      cutSeq: Number(row['cut_seq']),
      createdAt: new Date(Number(row['created_ms'])),
    };
  }
}

const ID = /^\d{1,18}$/;
/** Such keys are refused before they are acknowledged; one that comes all the same must not hold up its lane. */
const UNSTORABLE = /\0|\p{Surrogate}/gu;
