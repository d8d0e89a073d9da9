/** What each shape adds to the ports of front and store: a fifth one is entered here, and has files of its own. */
import type { BoardFront } from './board-front.ts';
import type { CounterFront } from './counter-front.ts';
import type { LogFront } from './log-front.ts';
import type { ScoresStore } from './scores-store.ts';
import type { TotalsStore } from './totals-store.ts';

/** The steps of a front that are of one shape each. */
export interface ShapeFronts extends CounterFront, LogFront, BoardFront {}

/** What caches of some shapes load from the store, beside rows by key; a store has what its shape needs. */
export interface ShapeLoads {
  /** Of counters. */
  readonly totals?: TotalsStore | undefined;
  /** Of a leaderboard. */
  readonly scores?: ScoresStore | undefined;
}

/** The names of {@link ShapeLoads}. */
export const SHAPE_LOADS = ['totals', 'scores'] as const satisfies readonly (keyof ShapeLoads)[];
