/** What one shape has in a lane's row, as the step that is under way has it. */
export interface RowPart<R> {
  read(): R;
  change(change: Partial<R>): void;
  /** The name of a set that nobody has used. */
  newSet(): string;
}
