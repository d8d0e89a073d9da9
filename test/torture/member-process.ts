import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Ledger, now } from './ledger.ts';
import type { MemberSpec } from './member-spec.ts';

/** A member as the arena holds it. */
export class MemberProcess {
  readonly spec: MemberSpec;
  /** Resolves when it is in the game, or gone. */
  readonly ready: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #killed = false;
  #complaints = '';

  /** `program` is the built `member.ts`. */
  constructor(program: string, spec: MemberSpec) {
    this.spec = spec;
    // Detached: an interrupt at the terminal is for the harness. The end of its input tells the member that the harness
    // is gone.
    this.#child = spawn(process.execPath, [program, JSON.stringify(spec)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#exited = once(this.#child, 'exit');
    this.ready = Promise.race([once(this.#child.stdout!, 'data'), this.#exited]);
    this.#child
      .stderr!.setEncoding('utf8')
      .on('data', (text: string) => (this.#complaints = (this.#complaints + text).slice(-4_000)));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it between two instructions. */
  async kill9(): Promise<void> {
    this.#killed = true;
    this.#child.kill('SIGKILL');
    await this.#exited;
    this.#note({ what: 'killed', t: now() });
  }

  /** Waits for its own end, which has to be a good one. */
  async ends(limitMs: number): Promise<void> {
    const limit = AbortSignal.timeout(limitMs);
    const late = once(limit, 'abort').then(() => 'late');
    if ((await Promise.race([this.#exited, late])) === 'late') {
      this.#note({ what: 'stuck', t: now(), why: `had not ended after ${limitMs} ms` });
      await this.kill9();
    } else if (this.#child.exitCode !== 0 && !this.#killed) {
      this.#note({
        what: 'stuck',
        t: now(),
        why: `ended by itself with ${this.#child.exitCode ?? this.#child.signalCode}: ${this.#complaints}`,
      });
      this.#note({ what: 'killed', t: now() });
    }
  }

  #note(line: Parameters<Ledger['write']>[0]): void {
    const ledger = new Ledger(this.spec.ledger);
    ledger.write(line);
    ledger.close();
  }
}
