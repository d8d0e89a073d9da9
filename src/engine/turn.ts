import type { EngineContext } from './context.ts';

/**
 * Calls `task` when the writes that are to go together have come: what comes in one round of the event loop, because the fewer
 * steps there are, the less each write costs. A lone one, with nothing under way, goes at the end of its turn.
 *
 * Only with a front that other processes share, which answers over a connection: one that answers within the turn would
 * keep the loop in it for ever.
 */
export function whenCollected({ clock, frontIsShared }: EngineContext, isQuiet: boolean, isLone: () => boolean, task: () => void): void {
  if (!isQuiet || !frontIsShared || clock.turnEnd === undefined) {
    clock.soon(task);
    return;
  }
  clock.turnEnd(() => {
    if (isLone()) task();
    else clock.soon(task);
  });
}
