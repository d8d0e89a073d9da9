import type { LaneEnv, LaneHeader } from '../../src/core/lane.ts';
import { MillraceError } from '../../src/errors.ts';
import type { SimTable } from './sim-table.ts';

/** How often a step is sent again whose lane somebody else has recovered. */
const ATTEMPTS_MAX = 4;

interface Result {
  readonly kind: string;
}

/** What a step did, and the lane's header if nobody has to recover it. */
export interface Stepped<T> {
  readonly result: T;
  readonly header: LaneHeader | undefined;
}

export type StepOf<T> = (table: SimTable, env: LaneEnv) => T;

interface Step {
  readonly name: string;
  readonly run: StepOf<Result>;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

/**
 * The steps of one lane, in the order of their calls, as the port promises. A step that was not executed because
 * somebody else has recovered the lane is sent again, once all that was sent is answered; what is called meanwhile
 * waits. A write that a later one has overtaken, or may have, is given up.
 */
export class SimSteps {
  /** The incarnation of the lane, as this process last saw it. */
  incarnation = '';
  readonly #call: (name: string, run: StepOf<Result>) => Promise<Stepped<Result>>;
  #underWay = 0;
  #again: Step[] = [];
  #held: Step[] = [];

  constructor(call: (name: string, run: StepOf<Result>) => Promise<Stepped<Result>>) {
    this.#call = call;
  }

  run<T extends Result>(name: string, run: StepOf<T>): Promise<T> {
    return new Promise((resolve, reject) =>
      this.#take({ name, run, resolve: resolve as Step['resolve'], reject, attempts: 1 }),
    );
  }

  #take(step: Step): void {
    if (this.#again.length + this.#held.length > 0) this.#held.push(step);
    else void this.#send(step);
  }

  async #send(step: Step): Promise<void> {
    this.#underWay++;
    try {
      const { result, header } = await this.#call(step.name, step.run);
      if (header !== undefined) this.incarnation = header.incarnation;
      if (result.kind === 'unrecovered' && header !== undefined && step.attempts++ < ATTEMPTS_MAX)
        this.#again.push(step);
      else {
        if (result.kind === 'accepted' && step.name === 'write') this.#giveUpOvertaken();
        step.resolve(result);
      }
    } catch (error) {
      if (step.name === 'write') this.#giveUpOvertaken();
      step.reject(error);
    }
    if (--this.#underWay === 0) this.#resume();
  }

  #giveUpOvertaken(): void {
    this.#again = this.#again.filter(({ name, reject }) => {
      if (name === 'write')
        reject(
          new MillraceError(
            'MILLRACE_FRONT_UNAVAILABLE',
            'a write was refused and a later one was not; it was not executed',
          ),
        );
      return name !== 'write';
    });
  }

  #resume(): void {
    const steps = [...this.#again, ...this.#held];
    this.#again = [];
    this.#held = [];
    for (const step of steps) this.#take(step);
  }
}
