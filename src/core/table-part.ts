/**
 * The part of a lane's table that the mutations of one shape are in: what a flush and a recovery ask of each part,
 * whatever it holds. `pending` is what came since the last cut, `flight` what that cut took.
 */
export interface TablePart {
  /** Whether something has become of the key since the cut. A log has no keys, so it has none of them. */
  hasPending(key: string): boolean;
  hasFlight(key: string): boolean;
  /** Turns what is pending into the flight, in constant time. There is no flight before. */
  cut(): void;
  dropFlight(): void;
  /** Forgets what is neither pending nor in flight, where that is in this part. */
  forgetClean(): void;
  /** Forgets everything. */
  clear(): void;
}
