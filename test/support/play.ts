import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Act } from './actor.ts';

type Line = Record<string, unknown>;

/** A process that runs `actor.ts`. It ends with the test, whatever becomes of it. */
export class Actor implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #lines: Line[] = [];
  readonly #exit: Promise<unknown[]>;
  #wake: () => void = () => undefined;

  constructor(act: Act) {
    this.child = spawn(
      process.execPath,
      ['--import', './scripts/run-ts.mjs', 'test/support/actor.ts', JSON.stringify(act)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    this.#exit = once(this.child, 'exit');
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#lines.push(JSON.parse(line) as Line);
      this.#wake();
    });
    void this.#exit.then(() => this.#wake());
  }

  /** What it says under this name, when it does. Rejects when it ends before. */
  async says(name: string): Promise<Line> {
    for (;;) {
      const line = this.#lines.find((said) => name in said);
      if (line !== undefined) return line;
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`it ended without saying ${name}: ${JSON.stringify(this.#lines)}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Its exit code and signal, when it has ended by itself within `limitMs`; undefined when it has not. */
  async ended(limitMs: number): Promise<{ code: unknown; signal: unknown } | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), limitMs)));
    const exit = await Promise.race([this.#exit, late]);
    clearTimeout(timer);
    return exit === undefined ? undefined : { code: exit[0], signal: exit[1] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#exit;
  }
}
