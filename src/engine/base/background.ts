import { MillraceError } from '../../errors.ts';
import type { Surroundings } from './context.ts';

/** What nobody waits for: its faults are told as `error` events, until the cache closes. */
export class Background {
  readonly #context: Surroundings;
  #stopped = false;

  constructor(context: Surroundings) {
    this.#context = context;
  }

  run(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.report(error));
  }

  report(error: unknown): void {
    if (this.#stopped) return;
    const fault =
      error instanceof MillraceError
        ? error
        : new MillraceError('MILLRACE_INTERNAL', 'Something failed in the background.', {
            cache: this.#context.settings.name,
            cause: error,
          });
    this.#context.events.emit('error', { error: fault });
  }

  /** Tells nothing more. */
  stop(): void {
    this.#stopped = true;
  }
}
