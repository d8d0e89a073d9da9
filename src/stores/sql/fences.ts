/** The fence rows of a cache: how far each lane is stored, and which epoch may go on. */
import { judgeFence } from '../../core/fence.ts';
import type { EpochStart, Fence } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { FencedLane, LaneGeneration } from '../../ports/store.ts';
import type { Connection, Row } from './database.ts';
import type { Dialect } from './dialect.ts';

export interface FencesParts {
  readonly dialect: Dialect;
  readonly cache: string;
  readonly lanes: number;
  readonly schema: string;
  /** Come first in scripts of their own: isolation and timeouts. */
  readonly settings: readonly string[];
}

export class Fences {
  readonly #dialect: Dialect;
  readonly #table: string;
  readonly #cache: string;
  /** The same as a literal. */
  readonly #name: string;
  readonly #lanes: number;
  readonly #settings: readonly string[];

  constructor({ dialect, cache, lanes, schema, settings }: FencesParts) {
    this.#dialect = dialect;
    this.#table = `${dialect.quote(schema)}.millrace_fence`;
    this.#cache = cache;
    this.#name = dialect.literal(cache);
    this.#lanes = lanes;
    this.#settings = settings;
  }

  /** What is selected of a fence, whose columns are named with this prefix. */
  #columns(prefix: string): string {
    return FENCE_COLUMNS.map((column) => `${this.#dialect.asText(prefix + column)} as ${column}`).join(', ');
  }

  /** The lane of a row `f` that was updated. */
  get #returned(): string {
    return `returning ${this.#dialect.asText(`${this.#dialect.returned('f')}lane`)} as lane`;
  }

  /** Writes the rows of all lanes at first use. Rejects with MILLRACE_LANES when they are another number. */
  async pin(connection: Connection): Promise<void> {
    const lanes = Array.from({ length: this.#lanes }, (_, lane) => `(${lane})`).join(', ');
    const rows = await connection.script([
      ...this.#settings,
      ...this.#dialect.setupLock,
      `with n(lane) as (values ${lanes})
      insert into ${this.#table} (cache, lane, lanes) select ${this.#name}, n.lane, ${this.#lanes} from n
      where not exists (select 1 from ${this.#table} where cache = ${this.#name})`,
      `select distinct ${this.#dialect.asText('lanes')} as lanes from ${this.#table} where cache = ${this.#name}`,
    ]);
    const other = rows
      .map(({ lanes: pinned }) => pinned)
      .find((pinned) => typeof pinned === 'string' && pinned !== `${this.#lanes}`);
    if (other === undefined || other === null) return;
    throw new MillraceError(
      'MILLRACE_LANES',
      `the cache ${this.#cache} has ${other} lanes in the store and ${this.#lanes} in its options: ` +
        'the number is pinned when a cache is first used',
      { cache: this.#cache },
    );
  }

  /**
   * A lost row begins anew, above the epoch that the front knows: the front, which knows its last generation, finds
   * out.
   */
  async raise(connection: Connection, lane: number, above: number): Promise<Fence> {
    const [least, first] = [integer(above), integer(above + 1)];
    const rows = await connection.script([
      ...this.#settings,
      `insert into ${this.#table} as f (cache, lane, lanes, epoch)
      values (${this.#name}, ${integer(lane)}, ${this.#lanes}, ${first})
      ${this.#dialect.upsert(
        ['cache', 'lane'],
        [
          `epoch = case when f.epoch > ${least} then f.epoch else ${least} end + 1`,
          `updated_at = ${this.#dialect.now}`,
        ],
      )} returning ${this.#columns(this.#dialect.returned('f'))}`,
    ]);
    return fenceOf(rows.at(-1) as Row);
  }

  /** False when a higher epoch was issued. */
  move(
    connection: Connection,
    lane: number,
    epoch: number,
    { generation, seq }: Pick<Fence, 'generation' | 'seq'>,
  ): Promise<boolean> {
    const set = `generation = ${integer(generation)}, seq = ${integer(seq)}, digest = ''`;
    return this.#update(connection, lane, epoch, set);
  }

  /** False when a higher epoch was issued. */
  begin(connection: Connection, lane: number, epoch: number, epochs: readonly EpochStart[]): Promise<boolean> {
    const list = epochs.map((start) => `${integer(start.epoch)}:${integer(start.seq)}`).join(',');
    return this.#update(connection, lane, epoch, `epochs = ${this.#dialect.literal(list)}`);
  }

  async #update(connection: Connection, lane: number, epoch: number, set: string): Promise<boolean> {
    const { now } = this.#dialect;
    const rows = await connection.script([
      ...this.#settings,
      `update ${this.#table} as f set ${set}, updated_at = ${now}
      where ${this.#of(lane, epoch)} ${this.#returned}`,
    ]);
    return rows.length > 0;
  }

  /** Locks the row for a transaction that leaves it as it is; a row comes out if the epoch is still the last. */
  lock(lane: number, epoch: number): string {
    const { asText, forUpdate } = this.#dialect;
    return `select ${asText('f.lane')} as lane from ${this.#table} f where ${this.#of(lane, epoch)}${forUpdate('f')}`;
  }

  #of(lane: number, epoch: number): string {
    return `f.cache = ${this.#name} and f.lane = ${integer(lane)} and f.epoch = ${integer(epoch)}`;
  }

  /**
   * One statement, all lanes or not: returns a row per lane that was where it should be. Ints and configuration only.
   */
  compareAndSet(lanes: readonly LaneGeneration[]): string {
    const { literal, now } = this.#dialect;
    // Sorted, so that two flushes of the same lanes meet at the first and not in a deadlock.
    const values = lanes
      .toSorted((a, b) => a.lane - b.lane)
      .map(({ lane, epoch, generation, cutSeq, digest }) => {
        const numbers = [lane, epoch, generation, cutSeq].map(integer).join(', ');
        return `(${numbers}, ${literal(digest)})`;
      });
    return `with n(lane, epoch, generation, seq, digest) as (values ${values.join(', ')})
      update ${this.#table} as f set generation = n.generation, seq = n.seq, digest = n.digest, updated_at = ${now}
      from n
      where f.cache = ${this.#name} and f.lane = n.lane and f.epoch = n.epoch and f.generation = n.generation - 1
      ${this.#returned}`;
  }

  /** Why lanes were not where the flush expected them; empty when they are again. */
  async verdicts(connection: Connection, lanes: readonly LaneGeneration[]): Promise<FencedLane[]> {
    const { parameter, list, listed } = this.#dialect;
    const text = `select ${this.#columns('f.')} from ${this.#table} f
      join ${listed(2, 'integer', 'g')} on f.lane = g.item
      where f.cache = ${parameter(1, 'text')}`;
    const rows = await connection.run({ text, values: [this.#cache, list(lanes.map(({ lane }) => `${lane}`))] });
    const fences = new Map(rows.map((row) => [Number(row['lane']), fenceOf(row)]));
    return lanes.flatMap((expected) => {
      const fence = fences.get(expected.lane);
      const verdict = judgeFence(expected, fence);
      return verdict === undefined ? [] : [{ lane: expected.lane, verdict, fence }];
    });
  }
}

const FENCE_COLUMNS = ['lane', 'epoch', 'generation', 'seq', 'digest', 'epochs'];

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
