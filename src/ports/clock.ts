/** Time as an argument: the engine never reads a clock or sets a timer of its own. */
export interface Clock {
  /** Wall-clock milliseconds since the epoch; may jump. For stamps that leave the process. */
  now(): number;
  /** Milliseconds that never go back, with a fraction; for durations and deadlines. */
  monotonic(): number;
  /**
   * Calls `task` once after `ms` milliseconds (0 or more). Only with `keepAlive` does the process stay alive for it:
   * where somebody waits, or something is yet to be stored.
   */
  after(ms: number, task: () => void, keepAlive?: boolean): Timer;
  /** Calls `task` when the work that is already queued has run: where writes of one turn are collected. */
  soon(task: () => void): void;
  /**
   * Calls `task` when this turn of the event loop, with all that its promises set off, has run to its end, and before
   * anything comes in. Without it, `soon` is taken.
   */
  turnEnd?(task: () => void): void;
}

/** A call that is to come. */
export interface Timer {
  /** The call does not come any more. A second time, or after the call, it does nothing. */
  cancel(): void;
}
