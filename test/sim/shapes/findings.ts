import { Violation } from '../violation.ts';

/** What the checks of a schedule report to: the first violation is kept, because whoever it is thrown at may take it for a fault of a server. */
export class Findings {
  first: Error | undefined;

  fail(invariant: number, message: string): never {
    this.first ??= new Violation(invariant, message);
    throw this.first;
  }
}
