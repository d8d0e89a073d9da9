import type { Asked, CacheName, Line } from '../ledger.ts';

/**
 * How long a write whose outcome is not known may still take effect, ms: what was on its way is read or dropped by
 * then.
 */
export const SETTLE_MS = 300;

/** A write, from when it was asked for to when it can no longer take effect for the first time. */
export interface Write extends Asked {
  readonly member: string;
  readonly asked: number;
  /** When it was acknowledged. */
  acked?: number;
  /** Infinity where it is not known. */
  end: number;
  /** `receipt.stored()` resolved. */
  stored: boolean;
  /** Whoever asked for it was told that it is lost, by the call or by its receipt. */
  toldLost: boolean;
  lane: number;
  epoch: number;
  seq: number;
}

export interface Read {
  readonly member: string;
  readonly key: string;
  readonly id: string | null;
  readonly from: number;
  readonly t: number;
}

export interface TotalRead {
  readonly cache: 'counts' | 'scores';
  readonly member: string;
  readonly key: string;
  readonly total: bigint;
  readonly from: number;
  readonly t: number;
}

export interface Loss {
  readonly member: string;
  readonly t: number;
  readonly cache: CacheName;
  readonly lane: number;
  readonly count: number;
  readonly cause: string;
}

/** What the members of a cycle noted down. */
export interface History {
  readonly writes: ReadonlyMap<string, Write>;
  readonly reads: readonly Read[];
  readonly totals: readonly TotalRead[];
  /** Leaderboards as they were read after the drain. */
  readonly boards: readonly (readonly (readonly [member: string, score: string])[])[];
  readonly losses: readonly Loss[];
  readonly dead: readonly { readonly cache: CacheName; readonly key: string; readonly id: string }[];
  readonly stuck: readonly string[];
}

/**
 * `late`: the cycle's faults can hold back what was sent, so a write of unknown outcome may take effect at any time.
 */
export function historyOf(ledgers: ReadonlyMap<string, readonly Line[]>, late: boolean): History {
  const writes = new Map<string, Write>();
  const reads: Read[] = [];
  const totals: TotalRead[] = [];
  const boards: History['boards'][number][] = [];
  const losses: Loss[] = [];
  const dead: History['dead'][number][] = [];
  const stuck: string[] = [];
  for (const [member, lines] of ledgers) {
    const open = new Set<Write>();
    const fails = (write: Write, t: number): void => {
      write.end = late ? Number.POSITIVE_INFINITY : t + SETTLE_MS;
      open.delete(write);
    };
    for (const line of lines) {
      if (line.what === 'ask') {
        const write: Write = {
          ...line,
          member,
          asked: line.t,
          end: Number.POSITIVE_INFINITY,
          stored: false,
          toldLost: false,
          lane: -1,
          epoch: -1,
          seq: -1,
        };
        writes.set(line.id, write);
        open.add(write);
      } else if (line.what === 'ack') {
        const { lane, epoch, seq } = line;
        const write = Object.assign(writes.get(line.id)!, { acked: line.t, end: line.t, lane, epoch, seq });
        open.delete(write);
      } else if (line.what === 'fail') {
        const write = writes.get(line.id)!;
        write.toldLost ||= line.code === 'MILLRACE_LOST';
        fails(write, line.t);
      } else if (line.what === 'stored') {
        writes.get(line.id)!.stored = true;
      } else if (line.what === 'unstored') {
        writes.get(line.id)!.toldLost ||= line.code === 'MILLRACE_LOST';
      } else if (line.what === 'got') {
        reads.push({ ...line, member });
      } else if (line.what === 'total') {
        totals.push({ ...line, member, total: BigInt(line.total) });
      } else if (line.what === 'board') {
        boards.push(line.rows);
      } else if (line.what === 'loss') {
        losses.push({ ...line, member });
      } else if (line.what === 'dead') {
        dead.push(line);
      } else if (line.what === 'stuck') {
        stuck.push(`${member}: ${line.why}`);
      } else if (line.what === 'killed') {
        for (const write of open) fails(write, line.t);
      }
    }
  }
  return { writes, reads, totals, boards, losses, dead, stuck };
}

/** Whether `a` was over before `b` began: then nothing may show them the other way round. */
export const before = (a: Write, b: Write): boolean => a.end < b.asked;

export const show = (write: Write | undefined): string =>
  write === undefined ? 'nothing' : `${write.id} (${write.mutation} of ${write.key}, ${write.level})`;
