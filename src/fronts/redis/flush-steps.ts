import type { Refused } from '../../core/lane.ts';
import type {
  Acknowledgement,
  AcknowledgeResult,
  ClaimResult,
  CutResult,
  GenerationRow,
} from '../../core/lane-flush.ts';
import type { AdoptResult, ConfirmResult, RecoverResult } from '../../core/lane-recover.ts';
import type { Shape } from '../../core/shape.ts';
import type { LaneFront } from '../../ports/front.ts';
import { refused } from './answers.ts';
import { mustHaveHeader, type Reply, unexplained, unrecovered } from './lane-steps.ts';

/** Arguments and answers of the steps with which a lane is flushed and recovered, as their scripts have them. */

export const claimed = (reply: Reply): ClaimResult =>
  reply[0] === 'claimed'
    ? { kind: 'claimed', held: reply[1] === 1, header: mustHaveHeader(reply) }
    : unrecovered(reply);

export function requested(reply: Reply): Awaited<ReturnType<LaneFront['requestFlush']>> {
  if (reply[0] !== 'requested') return unrecovered(reply);
  const header = mustHaveHeader(reply);
  return { kind: 'requested', seq: header.seq, header };
}

export function wasCut(reply: Reply): CutResult {
  switch (reply[0]) {
    case 'cut': {
      const { flight } = mustHaveHeader(reply);
      if (flight === undefined) throw unexplained(reply);
      return { kind: 'cut', flight };
    }
    case 'empty': {
      const { storedSeq, seq } = mustHaveHeader(reply);
      return { kind: 'empty', storedSeq, seq };
    }
    case 'refused':
      return refused(reply);
    case 'stopped':
      return { kind: 'stopped', reason: reply[1] as string };
    default:
      return unrecovered(reply);
  }
}

/** One answer of read-generation.lua; `rest` has the names that `next` asks for. */
export interface GenerationPart {
  readonly kind: 'part';
  readonly next: string;
  readonly rest: readonly string[];
  readonly rows: readonly GenerationRow[];
}

export function generationPart(reply: Reply): GenerationPart | Refused {
  if (reply[0] === 'refused') return refused(reply);
  const [, next, prefix, names, slots, rest] = reply as readonly [
    string,
    string,
    number,
    string[],
    (string | null)[],
    string[],
  ];
  return {
    kind: 'part',
    next,
    rest,
    rows: names.map((name, i) => ({ key: name.slice(prefix), raw: slots[i] ?? undefined })),
  };
}

export const acknowledgeArgs = ({ epoch, generation, ttlMs, limit, deadKeys }: Acknowledgement): string[] => [
  String(epoch),
  String(generation),
  ttlMs === undefined ? '' : String(ttlMs),
  String(limit),
  ...deadKeys,
];

export const acknowledged = (reply: Reply): AcknowledgeResult =>
  reply[0] === 'refused'
    ? refused(reply)
    : { kind: reply[0] === 'done' ? 'done' : 'more', header: mustHaveHeader(reply) };

export function recoverArgs(
  { fence, owner, leaseMs, tentative, forget }: Parameters<LaneFront['recover']>[1],
  lanes: number,
  incarnation: string,
  shape: Shape | undefined,
): string[] {
  return [
    String(lanes),
    incarnation,
    ...[fence.epoch, fence.generation, fence.seq].map(String),
    fence.digest,
    owner,
    String(leaseMs),
    tentative === true ? '1' : '',
    (fence.epochs ?? []).map((start) => `${start.epoch}:${start.seq}`).join(','),
    shape ?? '',
    forget === true ? '1' : '',
  ];
}

export function recovered(reply: Reply): RecoverResult {
  switch (reply[0]) {
    case 'created':
    case 'current':
    case 'behind':
      return { kind: reply[0], header: mustHaveHeader(reply), dropped: reply[2] as number };
    case 'lanes':
      return { kind: 'lanes', lanes: reply[1] as number };
    case 'refused':
      return refused(reply);
    default:
      return { kind: 'stopped', reason: reply[1] as string };
  }
}

export const confirmed = (reply: Reply): ConfirmResult =>
  reply[0] === 'confirmed' ? { kind: 'confirmed', header: mustHaveHeader(reply) } : refused(reply);

export function adopted(reply: Reply): AdoptResult {
  switch (reply[0]) {
    case 'lanes':
      return { kind: 'lanes', lanes: reply[1] as number };
    case 'pending':
      return { kind: 'pending', entries: reply[1] as number };
    default:
      return { kind: 'adopted', header: mustHaveHeader(reply) };
  }
}
