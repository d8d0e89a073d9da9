import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Rounds, Sample } from './measure.ts';
import { progress } from './report.ts';
import type { Settings, Stage } from './stage.ts';

/** A contestant of a case. `run` does what is measured, the rest is not timed. */
export interface Contestant<S = Sample> {
  /** Called once, before the first round, while the others open as well. */
  readonly open?: () => Promise<void>;
  /** Called before each round. */
  readonly before?: () => Promise<void>;
  readonly run: () => Promise<S>;
  readonly after?: () => Promise<void>;
  readonly close?: () => Promise<void>;
}

/** The contestants of a case, by name. Each is made in a process of its own, with the stage of that process. */
export type Contestants<S = Sample> = Readonly<Record<string, (stage: Stage) => Contestant<S>>>;

/** What a contestant's process is told to do next. */
export type Step = keyof Contestant;

/** What it answers; the value is the sample of a `run`. */
export type Reply = { readonly value: unknown } | { readonly error: unknown };

/** What it is to be, as the process is told when it starts. */
export interface Role {
  readonly settings: Settings;
  /** The module of the case, the name under which it exports the contestants, and which of them. */
  readonly module: string;
  readonly exported: string;
  readonly name: string;
}

/**
 * Runs contestants in alternating order, so that drift of the machine hits all alike, each in a process of its own, so
 * that what one leaves behind (its heap, and what the compiler has learnt of it) costs no other. The processes stay for
 * all rounds, and one works at a time. The first round warms up and is not counted.
 *
 * @param module The URL of the module that exports the contestants.
 * @param exported The contestants under the name of their export: `{ readers }`.
 */
export async function compete<S>(
  stage: Stage,
  module: string,
  exported: Readonly<Record<string, Contestants<S>>>,
): Promise<Rounds<S>> {
  const { quick, rounds, redisUrl, postgresUrl, against } = stage;
  const settings: Settings = { quick, rounds, redisUrl, postgresUrl, ...(against === undefined ? {} : { against }) };
  const contestants = Object.entries(exported).flatMap(([name, of]) =>
    Object.keys(of).map((one) => new ContestantProcess({ settings, module, exported: name, name: one })),
  );
  const results = new Map<string, S[]>(contestants.map(({ name }) => [name, []]));
  try {
    progress(`starting ${contestants.length} processes`);
    await Promise.all(contestants.map((contestant) => contestant.take('open')));
    for (let round = 0; round <= rounds; round++) {
      for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
        progress(`round ${round} of ${rounds}: ${contestant.name}`);
        await contestant.take('before');
        const sample = (await contestant.take('run')) as S;
        await contestant.take('after');
        if (round > 0) results.get(contestant.name)?.push(sample);
      }
    }
    await Promise.all(contestants.map((contestant) => contestant.take('close')));
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.end()));
  }
  return results;
}

class ContestantProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;

  constructor(role: Role) {
    this.name = role.name;
    this.#child = fork(new URL('./contestant.ts', import.meta.url), [JSON.stringify(role)], {
      execArgv: process.execArgv,
      serialization: 'advanced',
    });
    this.#exited = once(this.#child, 'exit');
  }

  /** One step at a time. Rejects with what went wrong in the process, or when it is gone. */
  async take(step: Step): Promise<unknown> {
    const died = this.#exited.then(([code, signal]): never => {
      throw new Error(`the process of "${this.name}" ended with ${String(signal ?? code)} at its step "${step}"`);
    });
    const replied = once(this.#child, 'message') as Promise<[Reply]>;
    // Where it cannot be sent the process is gone, which `died` tells.
    this.#child.send(step, () => undefined);
    const [reply] = await Promise.race([replied, died]);
    if ('error' in reply) throw new Error(`"${this.name}" failed at its step "${step}"`, { cause: reply.error });
    return reply.value;
  }

  /** The process ends by itself when nobody is left to tell it what to do. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited;
  }
}
