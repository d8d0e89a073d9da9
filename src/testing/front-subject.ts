import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { systemClock } from '../clock-and-random.ts';
import type { AckLevel } from '../core/acks.ts';
import type { Accepted, Fence, Flight, LaneHeader } from '../core/lane.ts';
import type { RecoverResult } from '../core/lane-recover.ts';
import type { WriteBatch, WriteResult } from '../core/lane-write.ts';
import type { Clock } from '../ports/clock.ts';
import { type Attachment, type Front, type FrontCapabilities, type LaneFront, UNRECOVERED } from '../ports/front.ts';

/** An empty front for one test, and what the suite has to know about it. */
export interface FrontSubject {
  /** The front. */
  readonly front: Front;
  /** The same front as another process would see it. The same object, where only one process can use it. */
  another(): Front;
  /**
   * The clock that expiries go by, standing still until `advance`; undefined where the front has a clock of its own.
   */
  readonly clock?:
    | (Clock & {
        /** Lets that many ms pass, and waits for what they set off. */
        advance(ms: number): Promise<void>;
      })
    | undefined;
  /** Lets go of everything that `open` opened. */
  close(): Promise<void>;
}

/** What {@link testFront} is given. */
export interface FrontConformance {
  /** Registers a test: `test` of vitest, node:test, or any with the same first two parameters. */
  readonly test: (name: string, body: () => Promise<void>) => void;
  /** Opens an empty front for one test. */
  readonly open: () => Promise<FrontSubject>;
  /** What the front declares. */
  readonly capabilities: FrontCapabilities;
  /**
   * Levels that the server behind it gives as it is set up; by default all that the front declares. Others are refused.
   */
  readonly acks?: readonly AckLevel[];
}

export type Check = (bench: Bench) => Promise<void>;
export type Register = (name: string, check: Check) => void;

export const CACHE = 'conformance';
export const LANES = 2;
/** Far longer than a test takes. */
export const LONG_MS = 3_600_000;
/** Runs out during a test. */
export const SHORT_MS = 30;
const EVENTUALLY_MS_MAX = 10_000;

export const fence = (over: Partial<Fence> = {}): Fence => ({ epoch: 1, generation: 0, seq: 0, digest: '', ...over });

/** The fence that the store has when it has committed the flight. */
export const fenceOf = (flight: Flight, epoch = 1): Fence => ({
  epoch,
  generation: flight.generation,
  seq: flight.cutSeq,
  digest: flight.digest,
});

export function batchOf(rows: Iterable<readonly [string, string]>, over: Partial<WriteBatch> = {}): WriteBatch {
  const entries = [...rows];
  const slots = entries.map(([, slot]) => slot);
  return {
    accepted: entries.length,
    keys: entries.map(([key]) => key),
    slots,
    ttls: undefined,
    maxEntries: 1_000_000,
    maxBytes: 2 ** 30,
    ...over,
  };
}

/** A subject with a cache attached, and short words for what the tests do with lane 0. */
export class Bench {
  readonly subject: FrontSubject;
  readonly lanes: LaneFront;
  readonly #attached: LaneFront[] = [];

  private constructor(subject: FrontSubject, lanes: LaneFront) {
    this.subject = subject;
    this.lanes = lanes;
    this.#attached.push(lanes);
  }

  static async over(subject: FrontSubject): Promise<Bench> {
    return new Bench(subject, await subject.front.attach(attachment(subject)));
  }

  /** Attaches once more, as another process. */
  async attach(over: Partial<Attachment> = {}): Promise<LaneFront> {
    const lanes = await this.subject.another().attach(attachment(this.subject, over));
    this.#attached.push(lanes);
    return lanes;
  }

  async close(): Promise<void> {
    for (const lanes of this.#attached) await lanes.close();
  }

  recover(over: Partial<Fence> = {}, lane = 0, owner = 'me'): Promise<RecoverResult> {
    return this.lanes.recover(lane, { fence: fence(over), owner, leaseMs: LONG_MS });
  }

  async header(): Promise<LaneHeader> {
    const { header } = await this.lanes.header(0);
    assert.ok(header !== undefined, 'the lane has a header');
    return header;
  }

  async write(rows: Readonly<Record<string, string>>, over: Partial<WriteBatch> = {}): Promise<Accepted> {
    return accepted(await this.lanes.write(0, batchOf(Object.entries(rows), over)));
  }

  /** Writes keys that have an expiry of their own. */
  writeFor(ttlMs: number, rows: Readonly<Record<string, string>>): Promise<Accepted> {
    return this.write(rows, { ttls: new Map(Object.keys(rows).map((_, i) => [i, ttlMs])) });
  }

  async cut(digest = 'digest', epoch = 1): Promise<Flight> {
    const result = await this.lanes.cut(0, epoch, digest);
    assert.equal(result.kind, 'cut', JSON.stringify(result));
    return (result as Extract<typeof result, { kind: 'cut' }>).flight;
  }

  acknowledge(
    generation: number,
    over: { ttlMs?: number; deadKeys?: readonly string[]; limit?: number; epoch?: number } = {},
  ): ReturnType<LaneFront['acknowledge']> {
    const { ttlMs, deadKeys = [], limit = 1_000, epoch = 1 } = over;
    return this.lanes.acknowledge(0, { epoch, generation, deadKeys, ttlMs, limit });
  }

  /** Acknowledges in as many steps as it takes. */
  async acknowledgeAll(generation: number, over: Parameters<Bench['acknowledge']>[1] = {}): Promise<LaneHeader> {
    for (let steps = 0; steps < 10_000; steps++) {
      const result = await this.acknowledge(generation, over);
      if (result.kind === 'done') return result.header;
      assert.equal(result.kind, 'more');
    }
    throw new Error('acknowledging never comes to an end');
  }

  /** Cuts what is pending and acknowledges it: clean, with this expiry. */
  async settle(ttlMs?: number): Promise<Flight> {
    const flight = await this.cut();
    await this.acknowledgeAll(flight.generation, ttlMs === undefined ? {} : { ttlMs });
    return flight;
  }

  /** The generation in flight, read in pages of `limit`; a key that comes twice has the same value. */
  async generation(
    flight: Flight,
    limit = 100,
    between: () => Promise<unknown> = async () => undefined,
  ): Promise<Map<string, string | undefined>> {
    const rows = new Map<string, string | undefined>();
    let cursor = '';
    do {
      const page = await this.lanes.readGeneration(0, 1, flight.generation, cursor, limit);
      assert.equal(page.kind, 'rows');
      const { rows: found, next } = page as Extract<typeof page, { kind: 'rows' }>;
      for (const { key, raw } of found) {
        assert.ok(!rows.has(key) || rows.get(key) === raw, `${key} comes twice, with ${rows.get(key)} and ${raw}`);
        rows.set(key, raw);
      }
      cursor = next;
      await between();
    } while (cursor !== '');
    return rows;
  }

  async expectGeneration(flight: Flight, rows: Readonly<Record<string, string>>): Promise<void> {
    const found = await this.generation(flight);
    assert.deepEqual([...found].toSorted(byKey), Object.entries(rows).toSorted(byKey));
  }

  async expectSlot(key: string, raw: string | undefined): Promise<void> {
    assert.equal(await this.lanes.read(0, key), raw, `slot of ${JSON.stringify(key)}`);
  }

  /** ms that the slot has to live. */
  async ttl(key: string): Promise<number | undefined> {
    const read = await this.lanes.readWithTtl(0, key);
    assert.ok(read !== UNRECOVERED);
    return read.ttlMs;
  }

  /** The slot expires, in at most `ttlMs`, and not much sooner. */
  async expectTtl(key: string, ttlMs: number | undefined): Promise<void> {
    const found = await this.ttl(key);
    if (ttlMs === undefined) assert.equal(found, undefined, `${key} never expires`);
    else
      assert.ok(
        found !== undefined && found <= ttlMs && found > ttlMs - 60_000,
        `${key} expires in ${found} ms, not in ${ttlMs}`,
      );
  }

  /** Waits until `check` gives true, on whichever clock expiries go by. */
  async eventually(what: string, check: () => Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; waitedMs < EVENTUALLY_MS_MAX; waitedMs += 5) {
      if (await check()) return;
      if (this.subject.clock === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
      else await this.subject.clock.advance(5);
    }
    assert.fail(`not within ${EVENTUALLY_MS_MAX} ms: ${what}`);
  }

  /** Lets more than {@link SHORT_MS} pass on the front's clock: a slot that has so long to live has expired. */
  async passTime(): Promise<void> {
    const key = `witness ${randomBytes(4).toString('hex')}`;
    await this.lanes.beginFill(0, [key], 'witness', SHORT_MS + 5);
    await this.eventually('a slot expires', async () => (await this.lanes.read(0, key)) === undefined);
  }
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;

export function accepted(result: WriteResult): Accepted {
  assert.equal(result.kind, 'accepted', JSON.stringify(result));
  return result as Accepted;
}

export function recoveredAs(
  kind: 'created' | 'current' | 'behind',
  result: RecoverResult,
): Extract<RecoverResult, { header: LaneHeader }> {
  assert.equal(result.kind, kind, JSON.stringify(result));
  return result as Extract<RecoverResult, { header: LaneHeader }>;
}

export function failsWith(code: string): (error: unknown) => true {
  return (error) => {
    assert.equal((error as { code?: unknown }).code, code, String(error));
    return true;
  };
}

export function attachment(subject: FrontSubject, over: Partial<Attachment> = {}): Attachment {
  return {
    cache: CACHE,
    lanes: LANES,
    acks: ['buffered'],
    clock: subject.clock ?? systemClock,
    random: { fraction: Math.random, token: () => randomBytes(16).toString('base64url') },
    writeBehind: true,
    onReconnect: () => undefined,
    onWarning: (message) => assert.fail(message),
    ...over,
  };
}
