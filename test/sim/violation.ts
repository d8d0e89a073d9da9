/** Something happened that must not. The message begins with the number of the invariant; the seed replays it. */
export class Violation extends Error {
  override readonly name = 'Violation';

  constructor(invariant: number, message: string) {
    super(`invariant ${invariant}: ${message}`);
  }
}

/**
 * What the checks of a schedule report to: the first violation is kept, because whoever it is thrown at may take it for
 * a fault of a server.
 */
export class Findings {
  first: Violation | undefined;

  fail(invariant: number, message: string): never {
    this.first ??= new Violation(invariant, message);
    throw this.first;
  }
}
