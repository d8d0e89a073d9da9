import type { AckLevel } from '../../core/acks.ts';

/** How far an operation is to be acknowledged, and what gives it up. One object for all operations without options. */
export interface Level {
  readonly ack: AckLevel;
  readonly signal: AbortSignal | undefined;
}
