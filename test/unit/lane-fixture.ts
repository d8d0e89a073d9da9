import assert from 'node:assert/strict';
import type { Accepted, Fence, Flight, LaneEnv, LaneHeader } from '../../src/core/lane.ts';
import { acknowledge, type CutResult, cut, readGeneration } from '../../src/core/lane-flush.ts';
import { recover } from '../../src/core/lane-recover.ts';
import { type WriteBatch, type WriteResult, write } from '../../src/core/lane-write.ts';
import { MemoryTable } from '../../src/fronts/memory/memory-table.ts';

export const ENV: LaneEnv = { runId: 'run', incarnation: 'first' };
export const T0 = 1_000_000;

export const fence = (over: Partial<Fence> = {}): Fence => ({ epoch: 1, generation: 0, seq: 0, digest: '', ...over });
export const recovery = (over: Partial<Fence> = {}, rest: object = {}) => ({
  lanes: 4,
  runId: 'run',
  incarnation: 'first',
  fence: fence(over),
  owner: 'me',
  leaseMs: 500,
  ...rest,
});

/** One lane in plain maps, recovered at epoch 1, at a time that stands still. */
export class Lane {
  readonly table = new MemoryTable('run', () => undefined);

  static recovered(): Lane {
    const lane = new Lane();
    assert.equal(recover(lane.table, recovery()).kind, 'created');
    return lane;
  }

  constructor() {
    this.table.nowMs = T0;
  }

  get header(): LaneHeader {
    const header = this.table.readHeader();
    if (header === undefined) throw new Error('the lane has no header');
    return header;
  }

  tryWrite(rows: Readonly<Record<string, string>>, over: Partial<WriteBatch> = {}): WriteResult {
    const keys = Object.keys(rows);
    const slots = Object.values(rows);
    return write(this.table, ENV, {
      accepted: keys.length,
      keys,
      slots,
      ttls: undefined,
      maxEntries: 100,
      maxBytes: 1_000,
      ...over,
    });
  }

  write(rows: Readonly<Record<string, string>>, over: Partial<WriteBatch> = {}): Accepted {
    const result = this.tryWrite(rows, over);
    assert.equal(result.kind, 'accepted');
    return result as Accepted;
  }

  tryCut(epoch = 1, digest = 'd'): CutResult {
    return cut(this.table, ENV, epoch, digest);
  }

  cut(digest = 'd'): Flight {
    const result = this.tryCut(1, digest);
    assert.equal(result.kind, 'cut');
    return (result as Extract<CutResult, { kind: 'cut' }>).flight;
  }

  acknowledge(over: Partial<Parameters<typeof acknowledge>[2]> = {}) {
    return acknowledge(this.table, this.header.runId, {
      epoch: 1,
      generation: this.header.generation,
      deadKeys: [],
      ttlMs: undefined,
      limit: 100,
      ...over,
    });
  }

  generation(limit = 2): [string, string | undefined][] {
    const rows: [string, string | undefined][] = [];
    let cursor = '';
    do {
      const page = readGeneration(
        this.table,
        this.header.runId,
        this.header.epoch,
        this.header.generation,
        cursor,
        limit,
      );
      if (page.kind === 'refused') throw new Error('refused');
      for (const { key, raw } of page.rows) rows.push([key, raw]);
      cursor = page.next;
    } while (cursor !== '');
    return rows;
  }

  slots(...keys: string[]): (string | undefined)[] {
    return keys.map((key) => this.table.readSlot(key));
  }
}
