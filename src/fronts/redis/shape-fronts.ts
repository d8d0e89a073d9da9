import type { ShapeFronts } from '../../ports/shapes.ts';
import { boardFront } from './board-front.ts';
import { counterFront } from './counter-front.ts';
import { logFront } from './log-front.ts';
import type { StepRunner } from './step-runner.ts';

/** The steps that are of one shape each. */
export const shapeFronts = (steps: StepRunner): ShapeFronts => ({
  ...counterFront(steps),
  ...logFront(steps),
  ...boardFront(steps),
});
