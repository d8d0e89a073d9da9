import type { BoardFront } from './board-front.ts';
import type { CounterFront } from './counter-front.ts';
import type { LogFront } from './log-front.ts';

/** The steps of a front that are of one shape each: a shape with steps of its own is entered here. */
export interface ShapeFronts extends CounterFront, LogFront, BoardFront {}
