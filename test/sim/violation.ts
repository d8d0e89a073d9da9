/** Something happened that must not. The message begins with the number of the invariant; the seed replays it. */
export class Violation extends Error {
  override readonly name = 'Violation';

  constructor(invariant: number, message: string) {
    super(`invariant ${invariant}: ${message}`);
  }
}
