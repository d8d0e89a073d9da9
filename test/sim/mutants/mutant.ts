/** A bug that is planted into the source when the simulator is built: it must be found. */
export interface Mutant {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What goes wrong because of it. */
  readonly why: string;
}
