import type { FlushEvent, MillraceError, Policy } from '../../index.ts';
import { formatCount, formatMs, plural } from '../format.ts';
import type { Terminal } from '../terminal.ts';
import type { DemoObserver, Places } from './demo.ts';
import type { DemoOptions } from './options.ts';
import type { PolicyResult } from './policy.ts';
import { summaryTable, verificationLines } from './summary.ts';
import type { Verification } from './verification.ts';

/** Up to here every write has a line. */
const WRITES_WITH_LINES_MAX = 50;
/** Flushes of one policy that have a line; more of them are summed up. */
const FLUSHES_WITH_LINES_MAX = 10;
const PROGRESS_INTERVAL_MS = 100;
/** Where nobody watches, progress is a line for each tenth. */
const PROGRESS_LINES = 10;

const ABOUT: Readonly<Record<Policy, string>> = {
  'write-through': 'acknowledged when the store and the front have it',
  'write-behind': 'acknowledged when the front has it; the store follows in batches',
  'cache-aside': 'acknowledged when the store has it; the front forgets it and is filled by the next read',
};

/** Tells what happens line by line, for a person at a terminal or for a log. */
export class DemoText implements DemoObserver {
  readonly #terminal: Terminal;
  readonly #options: DemoOptions;
  #written = 0;
  #rowsStored = 0;
  #flushes = 0;
  #shownAt = 0;
  readonly #warnings = new Set<string>();

  constructor(terminal: Terminal, options: DemoOptions) {
    this.#terminal = terminal;
    this.#options = options;
  }

  settingUp(what: string): void {
    if (this.#terminal.interactive) this.#terminal.progress(`${what} …`);
    else this.#terminal.line(`${what} …`);
  }

  ready({ front, store }: Places): void {
    const { colors } = this.#terminal;
    const { writes, inFlight, storeLatencyMs } = this.#options;
    this.#line(`${colors.bold('Millrace demo')}: the same ${plural(writes, 'write')} with each policy`);
    this.#line(`  front  ${front.title}`);
    this.#line(`  store  ${store.title}`);
    for (const note of [front.note, store.note]) if (note !== undefined) this.#line(colors.dim(`         ${note}`));
    this.#line(
      inFlight === 1 ? '  writes one after the other' : `  writes ${formatCount(inFlight)} at a time (--in-flight)`,
    );
    if (storeLatencyMs > 0)
      this.#line(`  every round trip to the store takes ${formatMs(storeLatencyMs)} longer (--store-latency)`);
  }

  policyBegan(policy: Policy): void {
    const { colors } = this.#terminal;
    this.#written = 0;
    this.#rowsStored = 0;
    this.#flushes = 0;
    this.#shownAt = performance.now();
    this.#line();
    this.#line(`${colors.bold(colors.cyan(policy))}  ${colors.dim(ABOUT[policy])}`);
  }

  wrote(policy: Policy, key: string, index: number, ms: number): void {
    this.#written += 1;
    const { writes } = this.#options;
    if (writes <= WRITES_WITH_LINES_MAX) {
      this.#line(`  ${String(index + 1).padStart(String(writes).length)}  ${key}  ${formatMs(ms).padStart(10)}`);
    } else if (this.#terminal.interactive) {
      this.#progress(policy);
    } else if (this.#written % Math.ceil(writes / PROGRESS_LINES) === 0) {
      this.#line(`  ${formatCount(this.#written)} of ${formatCount(writes)} written`);
    }
  }

  flushed(policy: Policy, event: FlushEvent): void {
    this.#flushes += 1;
    this.#rowsStored += event.rows;
    if (this.#flushes <= FLUSHES_WITH_LINES_MAX) {
      const { rows, statements, dead, durationMs, lagMs } = event;
      const refused = dead === 0 ? '' : `, ${plural(dead, 'row')} refused`;
      const what = `${plural(rows, 'row')} in ${plural(statements, 'statement')}${refused}`;
      const { colors } = this.#terminal;
      this.#line(
        `  ${colors.green('flush')}  ${what} in ${formatMs(durationMs)}; the oldest write waited ${formatMs(lagMs)}`,
      );
    } else {
      if (this.#flushes === FLUSHES_WITH_LINES_MAX + 1) this.#line(this.#terminal.colors.dim('  flush  … and so on'));
      this.#progress(policy);
    }
  }

  flushFailed(_: Policy, error: MillraceError, retryInMs: number): void {
    this.#line(this.#terminal.colors.yellow(`  flush failed (${error.code}), again in ${formatMs(retryInMs)}`));
  }

  warned(message: string): void {
    // Each of the three caches finds out for itself.
    if (this.#warnings.has(message)) return;
    this.#warnings.add(message);
    this.#line(this.#terminal.colors.yellow(`  warning: ${message}`));
  }

  acknowledged({
    policy,
    writes,
    totalMs,
    storedAtOnce,
  }: Pick<PolicyResult, 'policy' | 'writes' | 'totalMs' | 'storedAtOnce'>): void {
    this.#line(
      `  ${plural(writes, 'write')} acknowledged after ${formatMs(totalMs)}; ` +
        `the store has ${formatCount(storedAtOnce)} of ${plural(writes, 'record')}`,
    );
    if (policy === 'write-behind' && storedAtOnce < writes) this.#terminal.progress('  waiting for the flush …');
  }

  policyEnded({ policy, writes, storedAfterMs, flushes }: PolicyResult): void {
    if (policy !== 'write-behind') return;
    const { count, rows, statements } = flushes;
    this.#line(
      `  all ${plural(writes, 'record')} stored after ${formatMs(storedAfterMs)}: ` +
        `${plural(count, 'flush', 'flushes')}, ${plural(rows, 'row')} in ${plural(statements, 'statement')}`,
    );
  }

  interrupted(): void {
    const again = 'once more to stop at once';
    this.#line();
    this.#line(this.#terminal.colors.yellow(`interrupted: flushing and verifying what was acknowledged (${again})`));
  }

  verifying(done: number, all: number): void {
    if (this.#due()) this.#terminal.progress(`verifying ${formatCount(done)} of ${formatCount(all)} …`);
  }

  verified(results: readonly PolicyResult[], verification: Verification): void {
    const { colors } = this.#terminal;
    this.#line();
    if (results.length === 0) return this.#line('nothing was written');
    for (const [at, row] of summaryTable(results).entries()) this.#line(at === 0 ? colors.bold(row) : row);
    this.#line();
    for (const line of verificationLines(verification, colors)) this.#line(line);
  }

  cleanedUp(what: readonly string[]): void {
    this.#line(this.#terminal.colors.dim(`at the end: ${what.join('; ')}`));
    const { postgres, storeLatencyMs } = this.#options;
    if (postgres === undefined && storeLatencyMs === 0) {
      this.#line(
        this.#terminal.colors.dim(
          'next: --store-latency 50 for a database that takes its time, ' +
            'or servers of your own with --redis and --postgres',
        ),
      );
    }
  }

  #progress(policy: Policy): void {
    if (!this.#due()) return;
    const { writes } = this.#options;
    const stored =
      policy === 'write-behind'
        ? ` · ${formatCount(this.#rowsStored)} stored in ${plural(this.#flushes, 'flush', 'flushes')}`
        : '';
    this.#terminal.progress(`  ${formatCount(this.#written)} of ${formatCount(writes)} written${stored}`);
  }

  #due(): boolean {
    const now = performance.now();
    if (now - this.#shownAt < PROGRESS_INTERVAL_MS) return false;
    this.#shownAt = now;
    return true;
  }

  #line(text = ''): void {
    this.#terminal.line(text);
  }
}
