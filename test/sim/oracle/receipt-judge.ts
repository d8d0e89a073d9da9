import type { Pos } from './executed.ts';

/** What the receipt of a write says became of it. */
export type Told = 'stored' | 'lost' | 'refused';

/** Holds what callers are told of their writes against what became of them. */
export interface ReceiptJudge {
  checkAcknowledged(process: string, position: Pos, key: string): void;
  checkFate(process: string, position: Pos, key: string, told: Told): void;
}
