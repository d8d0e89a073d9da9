/** Writes batches within a transaction, and tells refused rows from their neighbours. */
import { bisect } from '../../core/bisect.ts';
import type { Mutation } from '../../ports/store.ts';
import { type Connection, DriverError } from './database.ts';
import type { Dialect, StoreFault } from './dialect.ts';
import type { TableStatements } from './table.ts';

/** A statement larger than this is cut in two: beyond are the limits of strings, messages and patience. */
const STATEMENT_CHARS_MAX = 8 * 2 ** 20;
/** Between savepoints. What was written since the last is kept, to be written again when a row is refused. */
const SEGMENT_CHARS_MAX = 4 * 2 ** 20;
const SEGMENT_STATEMENTS_MAX = 8;
const SEGMENT_ROWS_MAX = 4_000;
/**
 * Statements that telling refused rows apart may take in one transaction: enough for 27 in batches of 500, wherever
 * they are.
 */
const ISOLATING_STATEMENTS_MAX = 500;

export const SAVEPOINT = 'savepoint millrace';
const MOVE_SAVEPOINT = ['release savepoint millrace', SAVEPOINT];
const ROLL_BACK = ['rollback to savepoint millrace'];

export interface RefusedRow {
  readonly mutation: Mutation;
  readonly fault: StoreFault;
  /** Refused with others, and not tried alone: it may be fine. */
  readonly postponed: boolean;
}

/**
 * Writes batches within a transaction, such that a row which the store refuses does not take its neighbours along.
 *
 * A savepoint before each batch would cost a round trip each. Instead one is set every few batches (the first comes
 * with BEGIN), and what was written since is remembered: after a refusal it is written again, and the batch that was
 * refused is bisected. So the good case costs nothing, and a bad row at most {@link SEGMENT_STATEMENTS_MAX} - 1
 * statements and 2·log2(n) of its batch. After {@link ISOLATING_STATEMENTS_MAX} a batch that is refused is postponed as
 * it is: what a transaction takes is bounded, however many rows are bad.
 */
export class BatchWriter {
  readonly #connection: Connection;
  readonly #dialect: Dialect;
  readonly #statements: TableStatements;
  #segment: (readonly Mutation[])[] = [];
  #segmentChars = 0;
  #segmentStatements = 0;
  #segmentRows = 0;
  #isolating = 0;
  readonly refused: RefusedRow[] = [];
  /** Mutations that took effect, and the statements that did it. */
  rows = 0;
  statements = 0;

  /** The transaction has the savepoint `millrace` already. */
  constructor(connection: Connection, dialect: Dialect, statements: TableStatements) {
    this.#connection = connection;
    this.#dialect = dialect;
    this.#statements = statements;
  }

  async write(batch: readonly Mutation[]): Promise<void> {
    for (const part of parts(batch)) await this.#writePart(part);
  }

  async #writePart(part: readonly Mutation[]): Promise<void> {
    const full =
      this.#segmentStatements >= SEGMENT_STATEMENTS_MAX ||
      this.#segmentChars >= SEGMENT_CHARS_MAX ||
      this.#segmentRows + part.length > SEGMENT_ROWS_MAX;
    if (full && this.#segment.length > 0) await this.#moveSavepoint();
    const fault = await this.#store(part);
    if (fault === undefined) {
      this.#segment.push(part);
      this.#segmentStatements += 1;
      this.#segmentRows += part.length;
      this.#segmentChars += charsOf(part);
      return;
    }
    await this.#connection.script(ROLL_BACK);
    await this.#writeAgain();
    await this.#isolate(part, fault);
  }

  async #moveSavepoint(): Promise<void> {
    await this.#connection.script(MOVE_SAVEPOINT);
    this.#segment = [];
    this.#segmentChars = 0;
    this.#segmentStatements = 0;
    this.#segmentRows = 0;
  }

  /** What was rolled back along with a refused batch. It was fine a moment ago, but others may have changed that. */
  async #writeAgain(): Promise<void> {
    for (const part of this.#segment.slice()) {
      this.#uncount(part);
      const fault = await this.#store(part);
      if (fault === undefined) await this.#moveSavepoint();
      else {
        await this.#connection.script(ROLL_BACK);
        await this.#isolate(part, fault);
      }
    }
    await this.#moveSavepoint();
  }

  /** Stores the part of a refused batch that can be stored. The savepoint is right before it. */
  async #isolate(part: readonly Mutation[], fault: StoreFault): Promise<void> {
    if (part.length === 1) {
      this.refused.push({ mutation: part[0] as Mutation, fault, postponed: false });
      return;
    }
    const plan = bisect({ from: 0, to: part.length });
    for (let step = plan.next(true); !step.done; ) {
      const { from, to } = step.value;
      if (this.#isolating >= ISOLATING_STATEMENTS_MAX) {
        // Ranges come in order: everything before this one is stored or refused.
        for (const mutation of part.slice(from)) this.refused.push({ mutation, fault, postponed: true });
        return;
      }
      this.#isolating += 1;
      const refusal = await this.#store(part.slice(from, to));
      if (refusal === undefined) await this.#connection.script(MOVE_SAVEPOINT);
      else {
        await this.#connection.script(ROLL_BACK);
        if (to - from === 1) this.refused.push({ mutation: part[from] as Mutation, fault: refusal, postponed: false });
      }
      step = plan.next(refusal === undefined);
    }
  }

  async #store(part: readonly Mutation[]): Promise<StoreFault | undefined> {
    const statements = this.#statements.write(part);
    try {
      for (const statement of statements) await this.#connection.run(statement);
    } catch (error) {
      const fault = error instanceof DriverError ? this.#dialect.faultOf(error.cause) : undefined;
      if (fault?.outcome !== 'rejected') throw error;
      return fault;
    }
    this.rows += part.length;
    this.statements += statements.length;
    return undefined;
  }

  #uncount(part: readonly Mutation[]): void {
    this.rows -= part.length;
    this.statements -= this.#statements.write(part).length;
  }
}

function* parts(batch: readonly Mutation[]): Generator<readonly Mutation[]> {
  let from = 0;
  let chars = 0;
  for (let at = 0; at < batch.length; at++) {
    const size = charsIn(batch[at] as Mutation);
    if (at > from && chars + size > STATEMENT_CHARS_MAX) {
      yield batch.slice(from, at);
      from = at;
      chars = 0;
    }
    chars += size;
  }
  if (from < batch.length) yield from === 0 ? batch : batch.slice(from);
}

const charsIn = ({ key, json }: Mutation): number => key.length + (json?.length ?? 0);

const charsOf = (part: readonly Mutation[]): number => part.reduce((chars, mutation) => chars + charsIn(mutation), 0);
