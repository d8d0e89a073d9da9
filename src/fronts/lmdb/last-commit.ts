import { openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { RootDatabase } from 'lmdb';

/**
 * Where the lock file has the number of the last commit: behind the magic number, with which it begins, and its format.
 */
const COMMIT_OFFSET = 8;
const LOCK_MAGIC = 0xbeef_c0de;

/**
 * Keeps transactions from beginning with an older state than the last commit.
 *
 * LMDB's lock file tells which commit is the last, and transactions begin with that one. A process that opens the
 * environment puts the number there that it has read before in the data file (`mdb_env_open2` of lmdb 3.5.6), without
 * a lock: what others commit in between is overwritten by the next transaction, whole, after it was acknowledged. The
 * data file itself still has the last commit then. So every transaction is compared with that before it writes, and so
 * is what readers are given; what the lock file should say is put there again.
 */
export class LastCommit {
  readonly #root: RootDatabase;
  readonly #path: string;
  #opened: number | undefined;
  readonly #number = Buffer.alloc(8);
  /** The last commit of this process. */
  #own = 0n;

  constructor(root: RootDatabase, path: string) {
    this.#root = root;
    this.#path = join(path, 'lock.mdb');
    // This process has opened the environment just now.
    if (isMainThread) this.mend();
  }

  /**
   * In a transaction, before it writes: its number if it began with the last commit. Otherwise it must not write; the
   * next one will begin right.
   */
  base(): bigint | undefined {
    const transaction = BigInt((this.#root as RootDatabase & { getWriteTxnId(): number }).getWriteTxnId());
    if (transaction === this.#inDataFile() + 1n) return transaction;
    this.mend();
    return undefined;
  }

  /** Notes that the transaction with this number is committed. */
  committed(transaction: bigint): void {
    this.#own = transaction;
  }

  /**
   * Whether readers are given an older state than this process has committed. Other threads are not told: a file that
   * they open is closed when they end.
   */
  isHidden(): boolean {
    return isMainThread && this.#inLockFile() < this.#own;
  }

  /** Without a lock, so others may commit meanwhile: then it is done again. */
  mend(): void {
    for (let last = this.#inDataFile(); this.#inLockFile() !== last; last = this.#inDataFile()) {
      this.#number.writeBigUInt64LE(last);
      writeSync(this.#lockFile, this.#number, 0, 8, COMMIT_OFFSET);
    }
  }

  #inDataFile(): bigint {
    return BigInt((this.#root.getStats() as { lastTxnId: number }).lastTxnId);
  }

  get #lockFile(): number {
    return (this.#opened ??= openLockFile(this.#path));
  }

  #inLockFile(): bigint {
    readSync(this.#lockFile, this.#number, 0, 8, COMMIT_OFFSET);
    return this.#number.readBigUInt64LE();
  }
}

/**
 * Lock files that this process looks into, by device and inode. They stay open until it ends: whoever closes a file
 * lets go of all locks that the process has on it, LMDB's too, also for another thread that has the environment open.
 */
const lockFiles = new Map<string, number>();

function openLockFile(path: string): number {
  const { dev, ino } = statSync(path, { bigint: true });
  const name = `${dev}:${ino}`;
  let file = lockFiles.get(name);
  if (file === undefined) lockFiles.set(name, (file = openSync(path, 'r+')));
  const head = Buffer.alloc(4);
  readSync(file, head, 0, head.length, 0);
  if (head.readUInt32LE() !== LOCK_MAGIC) throw new Error(`${path} is not a lock file of LMDB`);
  return file;
}
