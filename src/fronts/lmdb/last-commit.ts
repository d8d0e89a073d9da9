import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';

/** Where the lock file has its magic number and, behind its format, the number of the last commit. */
const LOCK_HEAD_BYTES = 16;
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
  /** Open for as long as the environment is: closing it would let go of LMDB's own locks, which are the process's. */
  readonly #lockFile: number;
  readonly #head = Buffer.alloc(LOCK_HEAD_BYTES);
  readonly #number = Buffer.alloc(8);
  /** The last commit of this process. */
  #own = 0n;

  constructor(root: RootDatabase, path: string) {
    this.#root = root;
    this.#lockFile = openSync(join(path, 'lock.mdb'), 'r+');
    readSync(this.#lockFile, this.#head, 0, LOCK_HEAD_BYTES, 0);
    if (this.#head.readUInt32LE(0) !== LOCK_MAGIC) {
      closeSync(this.#lockFile);
      throw new Error(`${join(path, 'lock.mdb')} is not a lock file of LMDB`);
    }
    // This process has opened the environment just now.
    this.mend();
  }

  /** In a transaction, before it writes: its number if it began with the last commit. Otherwise it must not write; the next one will begin right. */
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

  /** Whether readers are given an older state than this process has committed. */
  isHidden(): boolean {
    return this.#inLockFile() < this.#own;
  }

  /** Without a lock, so others may commit meanwhile: then it is done again. */
  mend(): void {
    for (let last = this.#inDataFile(); this.#inLockFile() !== last; last = this.#inDataFile()) {
      this.#number.writeBigUInt64LE(last);
      writeSync(this.#lockFile, this.#number, 0, 8, COMMIT_OFFSET);
    }
  }

  /** Only after the environment is closed. */
  close(): void {
    closeSync(this.#lockFile);
  }

  #inDataFile(): bigint {
    return BigInt((this.#root.getStats() as { lastTxnId: number }).lastTxnId);
  }

  #inLockFile(): bigint {
    readSync(this.#lockFile, this.#number, 0, 8, COMMIT_OFFSET);
    return this.#number.readBigUInt64LE();
  }
}
