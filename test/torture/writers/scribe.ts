import { isMillraceError } from '../../../src/index.ts';
import { type Asked, type Ledger, now } from '../ledger.ts';
import type { Acknowledged } from '../subject.ts';

const codeOf = (error: unknown): string => (isMillraceError(error) ? error.code : String(error));

/** Notes down what a member asks for, and what it is told. */
export class Scribe {
  readonly #ledger: Ledger;
  readonly #member: string;
  #writes = 0;

  constructor(ledger: Ledger, member: string) {
    this.#ledger = ledger;
    this.#member = member;
  }

  /** A name for the next write. */
  nextId(): string {
    return `${this.#member}:${++this.#writes}`;
  }

  /**
   * Asks for a write; false when it was refused, or its outcome is not known. `follows`: whether to wait until it is
   * stored, too.
   */
  async write(asked: Asked, ask: () => Promise<Acknowledged>, follows: boolean): Promise<boolean> {
    const { id } = asked;
    this.#ledger.write({ what: 'ask', t: now(), ...asked });
    let acknowledged: Acknowledged;
    try {
      acknowledged = await ask();
    } catch (error) {
      this.#ledger.write({ what: 'fail', t: now(), id, code: codeOf(error) });
      return false;
    }
    const { lane = -1, epoch = -1, seq = -1 } = acknowledged;
    this.#ledger.write({ what: 'ack', t: now(), id, lane, epoch, seq });
    if (follows) {
      acknowledged.stored().then(
        () => this.#ledger.write({ what: 'stored', t: now(), id }),
        (error: unknown) => this.#ledger.write({ what: 'unstored', t: now(), id, code: codeOf(error) }),
      );
    }
    return true;
  }

  /** Notes a document that was read; a read that fails says nothing. */
  async read(key: string, get: () => Promise<{ readonly id: string } | undefined>): Promise<void> {
    const from = now();
    const doc = await get().catch((error: unknown) => error as Error);
    if (!(doc instanceof Error)) this.#ledger.write({ what: 'got', from, t: now(), key, id: doc?.id ?? null });
  }

  async readTotal(cache: 'counts' | 'scores', key: string, get: () => Promise<bigint | number>): Promise<void> {
    const from = now();
    const total = await get().catch(() => undefined);
    if (total !== undefined) this.total(cache, key, total, from);
  }

  total(cache: 'counts' | 'scores', key: string, total: bigint | number, from: number): void {
    this.#ledger.write({ what: 'total', cache, from, t: now(), key, total: String(total) });
  }

  async board(get: () => Promise<readonly { readonly member: string; readonly score: number }[]>): Promise<void> {
    const rows = (await get()).map(({ member, score }) => [member, String(score)] as const);
    this.#ledger.write({ what: 'board', t: now(), rows });
  }
}
