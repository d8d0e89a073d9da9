import type { Findings } from '../violation.ts';
import { Versions } from './versions.ts';

/**
 * What a reader may be given: the values that a key had, and those that can be seen beside the newest for a while,
 * because the front has yet to hear of a refusal, of a row that was stored after all, or of a direct write.
 */
export class Reads {
  readonly #step: () => number;
  readonly #findings: Findings;
  /** What the store must hold. */
  readonly #stored: (key: string) => string | undefined;
  readonly #versions = new Versions();
  /** What the front may have of keys whose refused rows were stored after all, since a generation last had the key. */
  readonly #outdated = new Map<string, (string | undefined)[]>();
  /** Keys that can be seen with a value that was refused, and with which, until the front has forgotten it. */
  readonly #refused = new Map<string, string>();
  /** Keys of which the front may hold an old value, with the step at which a direct write failed half way. */
  readonly #tainted = new Map<string, number>();
  /**
   * Keys of which the front hides an old value behind the intent of a write that failed, as long as it keeps its state.
   */
  readonly #hidden = new Set<string>();
  /** How often the front's state was replaced. */
  rewinds = 0;

  constructor(step: () => number, stored: (key: string) => string | undefined, findings: Findings) {
    this.#step = step;
    this.#stored = stored;
    this.#findings = findings;
  }

  // Write-behind.

  /** The front has this value of the key now, and no other. */
  became(key: string, json: string | undefined): void {
    this.#versions.became(key, json, this.#step());
  }

  /** The newest value was refused: what was before it comes to light, here sooner and there later. */
  refused(key: string, json: string): void {
    this.#versions.also(key, this.#stored(key), this.#step());
    this.#refused.set(key, json);
  }

  /** A generation stored the key. */
  stored(key: string): void {
    this.#outdated.delete(key);
  }

  /** A refused row took the place of `before` after all. Until the front is told, it may serve what was before. */
  retried(key: string, json: string | undefined, before: string | undefined): void {
    this.#outdated.set(key, [...(this.#outdated.get(key) ?? []), before]);
    this.#versions.also(key, json, this.#step());
  }

  /** The front has forgotten a clean value: what was before a row that was stored after all is gone. */
  told(key: string): void {
    for (const json of this.#outdated.get(key) ?? [])
      if (json !== this.#stored(key)) this.#versions.ended(key, json, this.#step());
  }

  /** The front has this in the key's slot now; a value that was refused is gone when it is something else. */
  seen(key: string, raw: string | undefined): void {
    const json = this.#refused.get(key);
    if (json === undefined || raw === json) return;
    this.#refused.delete(key);
    // Unless it was tried again, and is stored.
    if (this.#stored(key) !== json) this.#versions.ended(key, json, this.#step());
  }

  /** Keys of which a refused value can still be seen, with that value. */
  get refusals(): ReadonlyMap<string, string> {
    return this.#refused;
  }

  // Write-through and cache-aside.

  /** What was before can be seen until the writer has told the front. */
  committedDirectly(key: string, json: string | undefined): void {
    this.#versions.also(key, json, this.#step());
  }

  /** A direct write that began at `fromStep` has succeeded: nobody sees any more what was before it. */
  settledDirectly(key: string, json: string | undefined, fromStep: number): void {
    this.#versions.succeeded(key, json, fromStep, this.#step());
    // One that was under way already has perhaps been overtaken by what failed.
    if ((this.#tainted.get(key) ?? 0) < fromStep) this.#tainted.delete(key);
  }

  /**
   * A direct write that began at `fromStep` failed, and the front was told to forget the key: if the store has the
   * write, nobody sees any more what was before it.
   */
  forgotDirectly(key: string, json: string | undefined, fromStep: number): void {
    // A delete cannot be told from another one.
    if (json === undefined) this.failedDirectly(key);
    // What was committed after its caller gave up came after that, perhaps.
    else if ((this.#tainted.get(key) ?? -1) >= fromStep) return;
    else if (this.#versions.since(key, fromStep).includes(json))
      this.#versions.succeeded(key, json, fromStep, this.#step());
  }

  /**
   * A direct write failed, or its process died: the front may serve what was before it until it expires or is written
   * again.
   */
  failedDirectly(key: string): void {
    this.#tainted.set(key, this.#step());
  }

  /**
   * A write-through failed, or its process died. Its intent hides what was before it, unless the front has lost that
   * since the write began, `rewinds` ago.
   */
  failedBehindIntent(key: string, rewinds: number): void {
    if (rewinds === this.rewinds) this.#hidden.add(key);
    else this.failedDirectly(key);
  }

  /**
   * A direct write of a process that had died was committed: it takes the place of what was written since, unless its
   * intent hides the key still.
   */
  orphaned(key: string): void {
    if (!this.#hidden.has(key)) this.failedDirectly(key);
  }

  // Faults of the front.

  /** The front's state is an earlier one: no intent hides anything any more. */
  rewound(): void {
    this.rewinds++;
    for (const key of this.#hidden) this.failedDirectly(key);
    this.#hidden.clear();
  }

  get keys(): Iterable<string> {
    return this.#versions.keys();
  }

  /** Of an earlier state: what the key should be, and what the front has of it, if that is a refused value. */
  reset(key: string, json: string | undefined, refused: string | undefined): void {
    this.#versions.became(key, json, this.#step());
    // What the front was told, it may have forgotten, until who takes the lane tells it again.
    const outdated = this.#outdated.get(key) ?? [];
    for (const before of outdated) this.#versions.also(key, before, this.#step());
    // One that was stored by a retry and replaced by another is no refused value any more.
    if (refused === undefined || refused === json || outdated.includes(refused)) return;
    this.#versions.also(key, refused, this.#step());
    this.#refused.set(key, refused);
  }

  // What is read.

  /** A read that began at `fromStep` gave `json` now: it must be a value that the key had meanwhile. */
  checkRead(process: string, key: string, json: string | undefined, fromStep: number): void {
    if (this.#tainted.has(key)) return;
    const possible = this.#versions.between(key, fromStep, this.#step());
    if (!possible.includes(json))
      this.#findings.fail(
        6,
        `${process} read ${json} for key ${key} since step ${fromStep}; it was ${possible.join(' or ')}`,
      );
  }

  checkHas(process: string, key: string, has: boolean, fromStep: number): void {
    if (this.#tainted.has(key)) return;
    const possible = this.#versions.between(key, fromStep, this.#step());
    if (!possible.some((json) => (json !== undefined) === has))
      this.#findings.fail(
        6,
        `${process} found ${has ? 'a' : 'no'} value for key ${key} since step ${fromStep}; ` +
          `it was ${possible.join(' or ')}`,
      );
  }

  /**
   * Nothing is written any more: what a read may give now. A refused value is there until its generation is cleaned,
   * and whoever was to do that may have died: a lease has to run out.
   */
  settled(key: string): readonly (string | undefined)[] {
    const refused = this.#refused.get(key);
    return refused === undefined ? [this.#stored(key)] : [this.#stored(key), refused];
  }

  /** A read gives what could be read now, or when it began. */
  checkSettled(key: string, json: string | undefined, before: readonly (string | undefined)[]): void {
    if (this.#tainted.has(key) || before.includes(json) || this.settled(key).includes(json)) return;
    this.#findings.fail(6, `at the end key ${key} is read as ${json}, and stored as ${this.#stored(key)}`);
  }
}
