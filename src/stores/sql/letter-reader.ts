/** Reads the letters of a cache, and does what an operator wants done with them. */
import { type KindTraits, kindsWith } from '../../core/shape.ts';
import type { DeadLetter, DeadLetterStore, DueLetters, LetterCounts, RedriveResult } from '../../ports/store.ts';
import type { Connection, Database, Row } from './database.ts';
import type { Dialect } from './dialect.ts';
import { type LetterParts, letterColumns, letterOf, letterTable, OPEN_STATES } from './letter-rows.ts';

interface LetterReaderParts extends LetterParts {
  readonly database: Database;
}

/** A letter that is open, as it was when it was locked. */
interface LockedLetter {
  readonly lane: number;
  readonly state: 'waiting' | 'dead';
}

const isReplaced = ({ isReplaced: is }: KindTraits): boolean => is;

export class LetterReader implements Omit<DeadLetterStore, 'retry'> {
  readonly #database: Database;
  readonly #dialect: Dialect;
  readonly #cache: string;
  readonly #table: string;
  /** Conditions on a letter `d`: the cache's, and open. */
  readonly #own: string;
  readonly #open = `d.state in ${OPEN_STATES}`;
  readonly #columns: string;

  constructor(parts: LetterReaderParts) {
    const { database, dialect, cache } = parts;
    this.#database = database;
    this.#dialect = dialect;
    this.#cache = cache;
    this.#table = letterTable(parts);
    this.#own = `d.cache = ${dialect.parameter(1, 'text')}`;
    this.#columns = letterColumns(dialect, 'd.');
  }

  async list({ limit, after = '0', state }: Parameters<DeadLetterStore['list']>[0]): Promise<DeadLetter[]> {
    if (!ID.test(after)) return [];
    const { parameter, list, listed } = this.#dialect;
    const states = list(state === undefined ? ['waiting', 'dead'] : [state]);
    return this.#select(
      `d.id > ${parameter(2, 'bigint')} and d.state in (select s.item from ${listed(3, 'text', 's')})
      order by d.id limit ${parameter(4, 'bigint')}`,
      [after, states, `${Math.max(0, Math.trunc(limit))}`],
    );
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    if (!ID.test(id)) return undefined;
    return (await this.#select(`d.id = ${this.#dialect.parameter(2, 'bigint')} and ${this.#open}`, [id]))[0];
  }

  async ofKey(key: string): Promise<DeadLetter | undefined> {
    if (key.includes('\0')) return undefined;
    const where = `d.key = ${this.#dialect.parameter(2, 'text')} and ${this.#open} order by d.id desc limit 1`;
    return (await this.#select(where, [key]))[0];
  }

  async count(): Promise<LetterCounts> {
    const { asText } = this.#dialect;
    const counted = (condition: string): string => asText(`count(case when ${condition} then 1 end)`);
    const text = `select ${counted(`d.state = 'waiting'`)} as waiting,
      ${counted(`d.state = 'dead' and d.superseded_at is null`)} as dead,
      ${counted(`d.state = 'dead' and d.superseded_at is not null`)} as superseded
      from ${this.#table} d where ${this.#own} and ${this.#open}`;
    const [row] = await this.#database.run({ text, values: [this.#cache] });
    return { waiting: Number(row?.['waiting']), dead: Number(row?.['dead']), superseded: Number(row?.['superseded']) };
  }

  find(ids: readonly string[]): Promise<DeadLetter[]> {
    const { list, listed } = this.#dialect;
    return this.#select(`d.id in (select i.item from ${listed(2, 'bigint', 'i')}) order by d.id`, [
      list(ids.filter((id) => ID.test(id))),
    ]);
  }

  async ofWrite(key: string, seq: number): Promise<DeadLetter | undefined> {
    if (key.includes('\0')) return undefined;
    const { parameter } = this.#dialect;
    const where = `d.key = ${parameter(2, 'text')} and ${parameter(3, 'bigint')} between d.from_seq and d.cut_seq`;
    return (await this.#select(where, [key, `${seq}`]))[0];
  }

  ofGeneration(lane: number, generation: number): Promise<DeadLetter[]> {
    const { parameter } = this.#dialect;
    return this.#select(
      `d.lane = ${parameter(2, 'integer')} and d.generation = ${parameter(3, 'bigint')} order by d.id`,
      [`${lane}`, `${generation}`],
    );
  }

  async due(lane: number, limit: number): Promise<DueLetters> {
    const { parameter, asText, msUntil, now } = this.#dialect;
    const ofLane = `${this.#own} and d.lane = ${parameter(2, 'integer')}`;
    const text = `select case when exists (select 1 from ${this.#table} d where ${ofLane}) then 'true' end as is_any,
      (select ${asText(msUntil('min(d.retry_at)'))} from ${this.#table} d where ${ofLane} and d.state = 'waiting')
      as next_in_ms`;
    const [row] = await this.#database.run({ text, values: [this.#cache, `${lane}`] });
    const nextInMs = typeof row?.['next_in_ms'] === 'string' ? Number(row['next_in_ms']) : undefined;
    const any = row?.['is_any'] === 'true';
    if (limit === 0 || nextInMs === undefined || nextInMs > 0) return { letters: [], nextInMs, any };
    const due = await this.#select(
      `d.lane = ${parameter(2, 'integer')} and d.state = 'waiting' and d.retry_at <= ${now}
      order by d.retry_at, d.id limit ${parameter(3, 'bigint')}`,
      [`${lane}`, `${limit}`],
    );
    // A key has one letter that waits; of two, which only an earlier version could leave, the later counts.
    const byKey = new Map(due.toSorted((a, b) => Number(a.id) - Number(b.id)).map((letter) => [letter.key, letter]));
    return { letters: [...byKey.values()], nextInMs, any };
  }

  async storedKeys(lane: number): Promise<string[]> {
    const text = `select distinct d.key from ${this.#table} d
      where ${this.#own} and d.lane = ${this.#dialect.parameter(2, 'integer')} and d.state = 'stored'`;
    return (await this.#database.run({ text, values: [this.#cache, `${lane}`] })).map((row) => row['key'] as string);
  }

  redrive(id: string): Promise<RedriveResult | undefined> {
    return this.#withOpen(id, async (connection, { lane, state }) => {
      const { parameter, now } = this.#dialect;
      // Increments and events replace nothing.
      const superseded = `d.kind in (${this.#kinds(isReplaced)}) and (d.superseded_at is not null or exists (
        select 1 from ${this.#table} l where l.cache = ${parameter(1, 'text')} and l.key = d.key and l.id > d.id
        and l.state in ${OPEN_STATES}))`;
      const revived = await this.#update(connection, id, {
        set: `state = 'waiting', attempts = 0, retry_at = ${now}`,
        where: `not (${superseded})`,
      });
      if (revived.length > 0) return { kind: 'waiting', lane, revived: state === 'dead' };
      // It is kept for a while, like what is discarded: who waits for a dead write is told so.
      await this.#finish(connection, id);
      return { kind: 'superseded' };
    });
  }

  discard(id: string): Promise<'waiting' | 'dead' | undefined> {
    return this.#withOpen(id, async (connection, { state }) => {
      await this.#finish(connection, id);
      return state;
    });
  }

  /** Locks a letter that is open for a transaction. */
  async #withOpen<T>(
    id: string,
    work: (connection: Connection, letter: LockedLetter) => Promise<T>,
  ): Promise<T | undefined> {
    if (!ID.test(id)) return undefined;
    const { literal, asText, forUpdate } = this.#dialect;
    const lock = `select ${asText('d.lane')} as lane, d.state from ${this.#table} d
      where d.cache = ${literal(this.#cache)} and d.id = ${id} and ${this.#open}${forUpdate('d')}`;
    // It travels with BEGIN. The limits of flushes are not an operator's.
    return this.#database.transaction<T | undefined>([lock], async (connection, [row]) => {
      if (row === undefined) return { commit: false, value: undefined };
      const letter = { lane: Number(row['lane']), state: row['state'] as LockedLetter['state'] };
      return { commit: true, value: await work(connection, letter) };
    });
  }

  #finish(connection: Connection, id: string): Promise<Row[]> {
    const set = `state = 'discarded', value = null, retry_at = null, finished_at = ${this.#dialect.now}`;
    return this.#update(connection, id, { set, where: this.#open });
  }

  #update(connection: Connection, id: string, { set, where }: { set: string; where: string }): Promise<Row[]> {
    const { parameter, returned } = this.#dialect;
    const text = `update ${this.#table} as d set ${set}
      where ${this.#own} and d.id = ${parameter(2, 'bigint')} and ${where} returning ${returned('d')}state`;
    return connection.run({ text, values: [this.#cache, id] });
  }

  #kinds(trait: (traits: KindTraits) => boolean): string {
    return kindsWith(trait).map(this.#dialect.literal).join(', ');
  }

  async #select(where: string, values: readonly string[]): Promise<DeadLetter[]> {
    const text = `select ${this.#columns} from ${this.#table} d where ${this.#own} and ${where}`;
    const rows = await this.#database.run({ text, values: [this.#cache, ...values] });
    return rows.map((row) => letterOf(this.#cache, row));
  }
}

const ID = /^\d{1,18}$/;
