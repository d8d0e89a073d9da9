import { judgeFence } from '../../core/fence.ts';
import type { EpochStart, Fence } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { FencedLane, LaneGeneration } from '../../ports/store.ts';
import { schemaError } from './catalogue.ts';
import type { Connection, Row } from './database.ts';
import { arrayText, literal, quote } from './identifiers.ts';
import deadLetterSql from './sql/dead-letter.sql';
import fenceSql from './sql/fence.sql';
import tablesSql from './sql/tables.sql';

/** One lock for all who create or pin at the same time; 'mill' in ASCII. */
const SETUP_LOCK = 0x6d_69_6c_6c;

interface Found {
  readonly schemaExists: boolean;
  readonly mayUse: boolean | null;
  readonly mayCreate: boolean | null;
  readonly fence: boolean;
  readonly fenceAllowed: boolean | null;
  readonly deadLetter: boolean;
  /** Whether it has the columns of this version. */
  readonly deadLetterCurrent: boolean;
  readonly mayAlterDeadLetter: boolean | null;
  readonly deadLetterAllowed: boolean | null;
}

/** The SQL that makes or upgrades the tables, and why this login can neither use nor make them. */
export interface OwnTables {
  readonly scripts: readonly string[];
  readonly refusal: MillraceError | undefined;
}

export async function readOwnTables(connection: Connection, schema: string): Promise<OwnTables> {
  const found = await find(connection, schema);
  const quoted = quote(schema);
  const upgrades = found.deadLetter && !found.deadLetterCurrent;
  const scripts = [...(found.fence ? [] : [fenceSql]), ...(found.deadLetter && !upgrades ? [] : [deadLetterSql])].map(
    (sql) => sql.replaceAll('{{schema}}', quoted).trim(),
  );
  return { scripts, refusal: refusalOf(found, quoted, scripts) };
}

/** Whether there are dead letters that this login could write to. */
export async function hasLetters(connection: Connection, schema: string): Promise<boolean> {
  const { mayUse, deadLetter, deadLetterCurrent, deadLetterAllowed } = await find(connection, schema);
  return mayUse === true && deadLetter && deadLetterCurrent && deadLetterAllowed === true;
}

async function find(connection: Connection, schema: string): Promise<Found> {
  const [row] = await connection.run({ text: tablesSql, values: [schema] });
  return JSON.parse(row?.['found'] as string) as Found;
}

function refusalOf(found: Found, quoted: string, scripts: readonly string[]): MillraceError | undefined {
  const fence = `${quoted}.millrace_fence`;
  if (!found.schemaExists) return schemaError(fence, [`its schema does not exist: create schema ${quoted}`]);
  if (scripts.length > 0) {
    const creates = !found.fence || !found.deadLetter;
    if (found.mayUse !== true || (creates && found.mayCreate !== true)) {
      return schemaError(fence, [
        `this login may not create it; have someone run this, and grant the rights on it:\n${scripts.join('\n')}`,
      ]);
    }
    if (found.deadLetter && !found.deadLetterCurrent && found.mayAlterDeadLetter !== true) {
      return schemaError(`${quoted}.millrace_dead_letter`, [
        `it was made by an earlier version and lacks columns, which this login may not add; have its owner run this, and grant update on it:\n${scripts.join('\n')}`,
      ]);
    }
    return undefined;
  }
  const faults: string[] = [];
  if (found.mayUse !== true) faults.push(`grant usage on schema ${quoted}`);
  if (found.fenceAllowed !== true) faults.push(`grant select, insert, update on ${fence}`);
  if (found.deadLetterAllowed !== true)
    faults.push(`grant select, insert, update, delete on ${quoted}.millrace_dead_letter`);
  return faults.length === 0
    ? undefined
    : schemaError(
        fence,
        faults.map((fault) => `this login lacks permissions: ${fault}`),
      );
}

/** Makes sure of the fence and dead letter tables. Rejects with MILLRACE_STORE_SCHEMA, with the SQL to run. */
export async function ensureTables(connection: Connection, schema: string, settings: string): Promise<void> {
  const { scripts, refusal } = await readOwnTables(connection, schema);
  if (refusal !== undefined) throw refusal;
  // `if not exists` alone fails when two create at the same moment.
  if (scripts.length > 0)
    await connection.script(
      `${settings}; select pg_advisory_xact_lock(${SETUP_LOCK}) is null as locked; ${scripts.join('\n')}`,
    );
}

export interface FenceOptions {
  readonly cache: string;
  readonly lanes: number;
  readonly schema: string;
  /** `set local …` for scripts of their own. */
  readonly settings: string;
}

/** The fence rows of a cache. */
export class Fences {
  readonly #table: string;
  readonly #cache: string;
  readonly #lanes: number;
  readonly #settings: string;

  constructor({ cache, lanes, schema, settings }: FenceOptions) {
    this.#table = `${quote(schema)}.millrace_fence`;
    this.#cache = cache;
    this.#lanes = lanes;
    this.#settings = settings;
  }

  /** Writes the rows of all lanes at first use. Rejects with MILLRACE_LANES when they are another number. */
  async pin(connection: Connection): Promise<void> {
    const cache = literal(this.#cache);
    const rows = await connection.script(
      `${this.#settings}; select pg_advisory_xact_lock(${SETUP_LOCK}) is null as locked;
      insert into ${this.#table} (cache, lane, lanes) select ${cache}, lane, ${this.#lanes} from generate_series(0, ${this.#lanes - 1}) lane
      where not exists (select from ${this.#table} where cache = ${cache});
      select distinct lanes::text as lanes from ${this.#table} where cache = ${cache}`,
    );
    const other = rows
      .map(({ lanes }) => lanes)
      .find((lanes) => typeof lanes === 'string' && lanes !== `${this.#lanes}`);
    if (other === undefined || other === null) return;
    throw new MillraceError(
      'MILLRACE_LANES',
      `the cache ${this.#cache} has ${other} lanes in the store and ${this.#lanes} in its options: the number is pinned when a cache is first used`,
      { cache: this.#cache },
    );
  }

  /** A lost row begins anew, above the epoch that the front knows: the front, which knows its last generation, finds out. */
  async raise(connection: Connection, lane: number, above: number): Promise<Fence> {
    const rows = await connection.script(
      `${this.#settings}; insert into ${this.#table} as f (cache, lane, lanes, epoch) values (${literal(this.#cache)}, ${lane}, ${this.#lanes}, ${integer(above + 1)})
      on conflict (cache, lane) do update set epoch = greatest(f.epoch, ${integer(above)}) + 1, updated_at = now() returning ${FENCE}`,
    );
    return fenceOf(rows.at(-1) as Row);
  }

  /** False when a higher epoch was issued. */
  async move(
    connection: Connection,
    lane: number,
    epoch: number,
    { generation, seq }: Pick<Fence, 'generation' | 'seq'>,
  ): Promise<boolean> {
    const rows = await connection.script(
      `${this.#settings}; update ${this.#table} f set generation = ${integer(generation)}, seq = ${integer(seq)}, digest = '', updated_at = now()
      where f.cache = ${literal(this.#cache)} and f.lane = ${integer(lane)} and f.epoch = ${integer(epoch)} returning f.lane::text as lane`,
    );
    return rows.length > 0;
  }

  /** False when a higher epoch was issued. */
  async begin(connection: Connection, lane: number, epoch: number, epochs: readonly EpochStart[]): Promise<boolean> {
    const list = epochs.map((start) => `${integer(start.epoch)}:${integer(start.seq)}`).join(',');
    const rows = await connection.script(
      `${this.#settings}; update ${this.#table} f set epochs = ${literal(list)}, updated_at = now()
      where f.cache = ${literal(this.#cache)} and f.lane = ${integer(lane)} and f.epoch = ${integer(epoch)} returning f.lane::text as lane`,
    );
    return rows.length > 0;
  }

  /** Locks the row for a transaction that leaves it as it is; a row comes out if the epoch is still the last. */
  lock(lane: number, epoch: number): string {
    return `select f.lane::text as lane from ${this.#table} f where f.cache = ${literal(this.#cache)} and f.lane = ${integer(lane)} and f.epoch = ${integer(epoch)} for update`;
  }

  /** One statement, all lanes or not: returns a row per lane that was where it should be. Ints and configuration only. */
  compareAndSet(lanes: readonly LaneGeneration[]): string {
    // Sorted, so that two flushes of the same lanes meet at the first and not in a deadlock.
    const values = lanes
      .toSorted((a, b) => a.lane - b.lane)
      .map(
        ({ lane, epoch, generation, cutSeq, digest }) =>
          `(${integer(lane)}, ${integer(epoch)}::bigint, ${integer(generation)}::bigint, ${integer(cutSeq)}::bigint, ${literal(digest)})`,
      );
    return `update ${this.#table} f set generation = n.generation, seq = n.seq, digest = n.digest, updated_at = now()
      from (values ${values.join(', ')}) n(lane, epoch, generation, seq, digest)
      where f.cache = ${literal(this.#cache)} and f.lane = n.lane and f.epoch = n.epoch and f.generation = n.generation - 1
      returning f.lane::text as lane`;
  }

  /** Why lanes were not where the flush expected them; empty when they are again. */
  async verdicts(connection: Connection, lanes: readonly LaneGeneration[]): Promise<FencedLane[]> {
    const text = `select ${FENCE} from ${this.#table} f where f.cache = $1::text and f.lane = any($2::text::integer[])`;
    const rows = await connection.run({ text, values: [this.#cache, arrayText(lanes.map(({ lane }) => `${lane}`))] });
    const fences = new Map(rows.map((row) => [Number(row['lane']), fenceOf(row)]));
    return lanes.flatMap((expected) => {
      const fence = fences.get(expected.lane);
      const verdict = judgeFence(expected, fence);
      return verdict === undefined ? [] : [{ lane: expected.lane, verdict, fence }];
    });
  }
}

const FENCE =
  'f.lane::text as lane, f.epoch::text as epoch, f.generation::text as generation, f.seq::text as seq, f.digest as digest, f.epochs as epochs';

const fenceOf = (row: Row): Fence => ({
  epoch: Number(row['epoch']),
  generation: Number(row['generation']),
  seq: Number(row['seq']),
  digest: row['digest'] as string,
  ...epochsOf(row['epochs'] as string),
});

function epochsOf(list: string): Pick<Fence, 'epochs'> {
  if (list === '') return {};
  const starts = list.split(',').map((start) => start.split(':').map(Number));
  return { epochs: starts.map(([epoch = 0, seq = 0]) => ({ epoch, seq })) };
}

function integer(value: number): string {
  if (!Number.isSafeInteger(value))
    throw new MillraceError('MILLRACE_INTERNAL', `a fence takes integers, not ${value}`);
  return `${value}`;
}
