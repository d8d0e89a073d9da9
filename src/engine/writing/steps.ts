import type { AckLevel } from '../../core/acks.ts';
import type { Accepted, Full, Stopped, Unrecovered } from '../../core/lane.ts';
import type { MillraceError } from '../../errors.ts';
import type { Admitted } from '../lanes/admission.ts';
import type { PendingReceipt } from '../lanes/receipt.ts';

/** What a mutation came to, where that is told: a total, or a weight. */
export type Told = bigint | number | undefined;

/** One mutation that was asked for, until it is answered. */
export interface Asked {
  readonly key: string;
  readonly bytes: number;
  readonly ack: AckLevel;
  /** Until when it may wait for room, monotonic ms; set when it begins to wait. */
  waitsUntil?: number;
  resolve(receipt: PendingReceipt, told: Told): void;
  reject(error: unknown): void;
}

/** Where each mutation of an accepted batch stands, and the total that it made. */
export interface Placed extends Accepted {
  /** How many took a seq, where not all did. */
  readonly accepted?: number;
  readonly places: readonly Place[];
}

export interface Place {
  readonly key: string;
  readonly seq: number;
  readonly told: Told;
  /** Refused by itself. */
  readonly error?: MillraceError | undefined;
}

/** `wait`: nothing was taken in, and nothing is before `ready`. If that fails, `needing` are told; the others are sent without them. */
export interface Wait<A> {
  readonly kind: 'wait';
  readonly needing: readonly A[];
  readonly ready: Promise<void>;
}

/** `again`: nothing was taken in. `rejected` are answered; of the rest, `later` wait until `ready`, and the others go at once. */
export interface Again<A> {
  readonly kind: 'again';
  readonly rejected: readonly { readonly asked: A; readonly error: MillraceError }[];
  readonly later: readonly A[];
  readonly ready: Promise<void>;
}

export type StepResult<A> = Placed | Again<A> | Wait<A> | Full | Unrecovered | Stopped;

/** What a shape makes of the mutations that wait for a lane. */
export interface Steps<A extends Asked> {
  /** How many steps of a lane may be under way; one where their order matters. */
  readonly inFlightMax: number;
  /** How many mutations go in one step. */
  readonly sizeMax: number;
  /** Entries that these take at the most. */
  entriesOf(batch: readonly A[]): number;
  send(lane: number, batch: readonly A[], bytes: number, allowance: Admitted): Promise<StepResult<A>>;
}
