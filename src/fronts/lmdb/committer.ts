import type { RootDatabase } from 'lmdb';
import { MillraceError } from '../../errors.ts';
import type { Clock, Timer } from '../../ports/clock.ts';

/** Keys of one transaction, so that it holds up neither the event loop nor another process for long. */
const TRANSACTION_KEYS_MAX = 20_000;
/**
 * Transactions in a row that begin with an older state: another process would have to open the environment at each of
 * them.
 */
const WRONG_BASES_MAX = 1_000;
/**
 * A transaction that takes longer hangs: another process has stopped with the write lock in its hand, or the disk has.
 */
const COMMIT_MS_MAX = 30_000;

interface WaitingStep {
  readonly keys: number;
  run(): void;
  resolve(): void;
  reject(error: unknown): void;
}

/** What transactions are to begin with: {@link LastCommit}. */
export interface Base {
  base(): bigint | undefined;
  committed(transaction: bigint): void;
}

/**
 * Runs steps in LMDB's transactions, in the order in which they came. All that wait share a transaction and its sync:
 * the driver calls back when it has the write lock, and only then it is decided which steps are in. There is one
 * transaction at a time; a second one that is built while the first is synced was measured to gain nothing.
 */
export class Committer {
  readonly #root: RootDatabase;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #last: Base;
  #wrongBases = 0;
  readonly #queue: WaitingStep[] = [];
  #isCommitting = false;
  #idle: (() => void)[] = [];

  constructor(root: RootDatabase, clock: Clock, path: string, last: Base) {
    this.#root = root;
    this.#last = last;
    this.#clock = clock;
    this.#path = path;
  }

  /** Resolves when what `run` did is committed and synced. `run` must not throw once it has written. */
  step<T>(keys: number, run: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: { readonly value: T } | { readonly error: unknown };
      this.#queue.push({
        keys,
        run: () => {
          try {
            result = { value: run() };
          } catch (error) {
            result = { error };
          }
        },
        resolve: () => ('value' in result ? resolve(result.value) : reject(defect(result.error))),
        reject,
      });
      this.#pump();
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void> {
    if (this.#queue.length === 0 && !this.#isCommitting) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    if (this.#isCommitting) return;
    if (this.#queue.length > 0) {
      void this.#commit();
      return;
    }
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  async #commit(): Promise<void> {
    this.#isCommitting = true;
    let steps: readonly WaitingStep[] | undefined;
    let base: bigint | undefined;
    const watchdog = this.#watch(() => steps ?? []);
    try {
      await this.#root.transaction(() => {
        base = this.#last.base();
        if (base === undefined) return;
        steps = this.#take();
        for (const step of steps) step.run();
      });
      // Without a base nothing was done, and what waits is in the next transaction.
      this.#wrongBases = base === undefined ? this.#wrongBases + 1 : 0;
      if (this.#wrongBases > WRONG_BASES_MAX) throw new Error('transactions do not begin with the last commit');
      if (base !== undefined) this.#last.committed(base);
      for (const step of steps ?? []) step.resolve();
    } catch (error) {
      // Without its steps it did not even begin, and no other would.
      const failed = steps ?? this.#queue.splice(0);
      const cause = await causeOf(error);
      for (const step of failed) step.reject(this.#fault(cause));
    }
    watchdog.cancel();
    this.#isCommitting = false;
    this.#pump();
  }

  #take(): readonly WaitingStep[] {
    let keys = 0;
    let count = 0;
    for (const step of this.#queue) {
      keys += step.keys;
      if (count > 0 && keys > TRANSACTION_KEYS_MAX) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** Lets nobody wait for ever, also those who come while it hangs. */
  #watch(taken: () => readonly WaitingStep[]): Timer {
    let timer: Timer;
    const watch = () => {
      timer = this.#clock.after(COMMIT_MS_MAX, () => {
        const error = new MillraceError(
          'MILLRACE_FRONT_UNAVAILABLE',
          `LMDB in ${this.#path} has not committed for ${COMMIT_MS_MAX / 1000} s: another process may hold its lock, ` +
            'or the disk hangs. What was written may or may not be there',
        );
        for (const step of [...taken(), ...this.#queue.splice(0)]) step.reject(error);
        watch();
      });
    };
    watch();
    return { cancel: () => timer.cancel() };
  }

  #fault(cause: unknown): unknown {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new MillraceError(
      'MILLRACE_FRONT_UNAVAILABLE',
      `LMDB in ${this.#path} could not commit: ${reason}. Nothing was written; ` +
        'look at the free space and the health of the disk',
      { cause },
    );
  }
}

/** A step that threw although the transaction is sound: not the disk's doing. */
function defect(cause: unknown): unknown {
  if (cause instanceof MillraceError) return cause;
  return new MillraceError(
    'MILLRACE_INTERNAL',
    `a step failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );
}

/** The driver's rejection of a commit says little; the reason comes in a promise of its own, a little later. */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
}
