import type { Prng } from '../../sim/prng.ts';
import type { Level } from '../ledger.ts';
import type { MemberSpec } from '../member-spec.ts';
import type { Subject } from '../subject.ts';
import type { Scribe } from './scribe.ts';

/** What a writer works with. */
export interface WriterParts {
  readonly spec: MemberSpec;
  readonly subject: Subject;
  readonly scribe: Scribe;
  readonly random: Prng;
  /** Until what was asked for and not answered is over. */
  rest(): Promise<void>;
}

/** Does the next thing with one cache. */
export type Writer = () => Promise<void>;

/** Mostly one that is quick: a write that waits for the store leaves little for faults to find under way. */
export function pickLevel(levels: readonly Level[], random: Prng): Level {
  const quick = levels.filter((level) => level !== 'stored');
  return quick.length === 0 || random.chance(0.2) ? 'stored' : random.pick(quick);
}
