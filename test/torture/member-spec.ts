import type { Level } from './ledger.ts';
import type { SubjectSpec } from './subject.ts';

/** What a member is and works with; travels to it as JSON. */
export interface MemberSpec extends SubjectSpec {
  readonly name: string;
  readonly role: 'writer' | 'worker' | 'drainer';
  readonly flushes: boolean;
  readonly seed: number;
  readonly ledger: string;
  readonly levels: readonly Level[];
  /** Whether writes can be lost that are reported. */
  readonly loses: boolean;
  /** How many members were started before it. */
  readonly index: number;
  /** Documents that only this member writes, and those that others write too. */
  readonly ownKeys: readonly string[];
  readonly sharedKeys: readonly string[];
}
