import type { Refused, Stopped, Unrecovered } from '../../core/lane.ts';
import { misshapen, type Shape } from '../../core/shape.ts';
import { headerOf, type Reply, unexplained } from './lane-steps.ts';

/** Arguments and answers that steps of several shapes have in common. */

/** A page of what is in flight, as all scripts that read one take it. */
export const pageArgs = (epoch: number, generation: number, cursor: string, limit: number): string[] => [
  String(epoch),
  String(generation),
  cursor === '' ? '0' : cursor,
  String(Math.max(1, limit)),
];

export const refused = (reply: Reply): Refused => ({ kind: 'refused', epoch: reply[1] as number });

/** So many flags, of which those with these numbers are set. */
export function flagged(count: number, set: readonly number[]): boolean[] {
  const flags = Array.from({ length: count }, () => false);
  for (const i of set) flags[i] = true;
  return flags;
}

export function refusal(reply: Reply, shape: Shape): Unrecovered | Stopped {
  switch (reply[0]) {
    case 'unrecovered':
      return { kind: 'unrecovered', header: headerOf(reply) };
    case 'stopped':
      return { kind: 'stopped', reason: reply[1] as string };
    case 'misshapen':
      return { kind: 'stopped', reason: misshapen(reply[1] as Shape, shape) };
    default:
      throw unexplained(reply);
  }
}
