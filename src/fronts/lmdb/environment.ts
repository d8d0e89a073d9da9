import type { RootDatabase } from 'lmdb';
import { MillraceError } from '../../errors.ts';
import type { Attachment } from '../../ports/front.ts';
import { Sweeper, type SweepResult } from '../embedded/sweeper.ts';
import { Committer } from './committer.ts';
import { after, dueRowOf, dueTimeOf, timeName } from './keys.ts';
import { LastCommit } from './last-commit.ts';
import { alone, dataFileIn, openEnvironment, unusable } from './open.ts';
import { isAlive, type ProcessRow, thisProcess } from './processes.ts';
import { FORMAT, type SetKind, Tables } from './tables.ts';

/** Rows that one step of the sweep or of the garbage collection looks at: about a millisecond. */
const CHUNK_ROWS = 500;
/** Between looks at what is due while there is nothing. */
const LOOK_MS = 60_000;

/** An environment that this process has open, for all fronts and caches that use it. */
export class Environment {
  readonly tables: Tables;
  readonly committer: Committer;
  readonly sweeper: Sweeper;
  readonly #root: RootDatabase;
  readonly #last: LastCommit;
  readonly #processName: readonly [string, string];
  #collecting = false;
  #hasGarbage = true;
  #closing = false;

  /** Opens the folder. Blocks for some milliseconds, as LMDB does; `start` comes before everything else. */
  constructor(path: string, attachment: Attachment) {
    this.#root = openEnvironment(path);
    this.#processName = ['process', attachment.random.token()];
    this.sweeper = new Sweeper((nowMs) => this.#sweep(nowMs));
    try {
      this.#last = new LastCommit(this.#root, path);
      this.committer = new Committer(this.#root, attachment.clock, path, this.#last);
      this.tables = new Tables(this.#root, () => {
        this.#hasGarbage = true;
        queueMicrotask(() => void this.#collect(attachment.onWarning));
      });
    } catch (cause) {
      void this.#root.close();
      throw unusable(path, cause);
    }
  }

  /**
   * Enters this process into the list of those who have the environment open. If there is no other, a new run begins:
   * what is in the file may be older than what was acknowledged (a copy that was put back, say), so every lane is to
   * be compared with the store first.
   */
  async start(path: string, attachment: Attachment): Promise<void> {
    const own = thisProcess(dataFileIn(path));
    await this.committer.step(1, () => {
      const { lanes } = this.tables;
      const format = lanes.get('format');
      if (format !== undefined && format !== FORMAT) {
        throw new MillraceError(
          'MILLRACE_FRONT_SETTINGS',
          `${path} was written by another version of Millrace (layout ${format}, this one reads ${FORMAT})`,
        );
      }
      void lanes.put('format', FORMAT);
      let others = 0;
      const rows = [...lanes.getRange({ start: ['process', ''], end: ['process', RANGE_END] })];
      for (const { key, value } of rows) {
        if (isAlive(JSON.parse(value) as ProcessRow, own)) others++;
        else lanes.removeSync(key);
      }
      if (others === 0 || lanes.get('run') === undefined) void lanes.put('run', attachment.random.token());
      void lanes.put([...this.#processName], JSON.stringify(own));
    });
    this.sweeper.due(attachment.clock.now());
    void this.#collect(attachment.onWarning);
  }

  /** The run under which a lane counts as recovered; another process may have begun it. */
  runId(): string {
    return this.tables.lanes.get('run') ?? '';
  }

  /** The snapshot of reads is otherwise up to a turn of the event loop old: too old after a word of another process. */
  freshen(): void {
    if (this.#last.isHidden()) this.#last.mend();
    this.#root.resetReadTxn();
  }

  async close(): Promise<void> {
    this.#closing = true;
    // If it fails, the row says that this process has it open, until somebody finds that it is gone.
    await this.committer
      .step(1, () => void this.tables.lanes.removeSync([...this.#processName]))
      .catch(() => undefined);
    await this.committer.idle();
    await this.#root.close();
  }

  /** Looks at what was due by now, oldest first; removes slots that have really expired. */
  async #sweep(nowMs: number): Promise<SweepResult> {
    if (this.#closing) return { more: false, nextAtMs: undefined };
    const { due, slots } = this.tables;
    const find = () => [...due.getKeys({ start: '0', end: after(timeName(nowMs)), limit: CHUNK_ROWS })];
    let looked = 0;
    // Most looks find nothing, and need no transaction.
    if (find().length > 0) {
      looked = await this.committer.step(CHUNK_ROWS, () => {
        const names = find();
        for (const name of names) {
          const row = dueRowOf(name);
          const version = slots.getEntry(row)?.version;
          if (version !== undefined && version !== 0 && version <= nowMs) slots.removeSync(row);
          due.removeSync(name);
        }
        return names.length;
      });
    }
    if (looked === CHUNK_ROWS || this.#closing) return { more: !this.#closing, nextAtMs: undefined };
    const [next] = [...due.getKeys({ start: '0', end: '~', limit: 1 })];
    // Other processes put dates in too.
    return { more: false, nextAtMs: next === undefined ? nowMs + LOOK_MS : dueTimeOf(next) };
  }

  /** Removes sets that nobody uses any more, a bounded part in each step, until there are none. */
  async #collect(onWarning: (message: string) => void): Promise<void> {
    if (this.#collecting || this.#closing || !this.#hasGarbage) return;
    this.#collecting = true;
    try {
      do {
        this.#hasGarbage = false;
        while (!this.#closing && (await this.committer.step(CHUNK_ROWS, () => this.#collectChunk()))) {
          // One chunk after the other, so that other steps get in between.
        }
      } while (this.#hasGarbage && !this.#closing);
    } catch (error) {
      // The list is kept in the environment: it goes on at the next occasion.
      onWarning(`Removing what is no longer used from the LMDB front failed: ${(error as Error).message}`);
    } finally {
      this.#collecting = false;
    }
  }

  /** Whether there is more. */
  #collectChunk(): boolean {
    const { lanes } = this.tables;
    const [first] = [...lanes.getRange({ start: ['garbage', ''], end: ['garbage', RANGE_END], limit: 1 })];
    if (first === undefined) return false;
    const [, set] = first.key as [string, string];
    const table = this.tables[first.value as SetKind];
    const rows = [...table.getKeys({ start: set, end: after(set), limit: CHUNK_ROWS })];
    for (const row of rows) table.removeSync(row);
    if (rows.length < CHUNK_ROWS) lanes.removeSync(first.key);
    return true;
  }
}

/** After every token and set name. */
const RANGE_END = '~';

interface Shared {
  readonly environment: Promise<Environment>;
  users: number;
}

/** Environments that are open in this process, by real path: LMDB must not open a file twice. */
const opened = new Map<string, Shared>();
/** Closings under way, by path: who opens again waits for them. */
const closing = new Map<string, Promise<void>>();

/** Opens the environment or joins those who have it open; `release` lets go of it, the last one closes it. */
export async function shareEnvironment(
  path: string,
  attachment: Attachment,
): Promise<{ environment: Environment; release: () => Promise<void> }> {
  await closing.get(path);
  let shared = opened.get(path);
  if (shared === undefined) opened.set(path, (shared = { environment: openAndStart(path, attachment), users: 0 }));
  const taken = shared;
  taken.users++;
  let released: Promise<void> | undefined;
  const release = () => (released ??= letGo(path, taken));
  try {
    return { environment: await taken.environment, release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function openAndStart(path: string, attachment: Attachment): Promise<Environment> {
  const environment = await alone(path, attachment.clock, () => new Environment(path, attachment));
  try {
    await environment.start(path, attachment);
  } catch (error) {
    await environment.close();
    throw error;
  }
  return environment;
}

async function letGo(path: string, shared: Shared): Promise<void> {
  if (--shared.users > 0) return;
  if (opened.get(path) === shared) opened.delete(path);
  const closed = shared.environment
    .then(
      (environment) => environment.close(),
      // It never opened.
      () => undefined,
    )
    .finally(() => closing.delete(path));
  closing.set(path, closed);
  await closed;
}
