/**
 * What happened in a schedule: how often each kind of thing, and, when somebody wants to look into it, in which order.
 */
export class Journal {
  readonly counts: Record<string, number> = {};
  /** The last lines, oldest first. */
  readonly lines: string[] = [];
  readonly #linesMax: number;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number, linesMax: number) {
    this.#nowMs = nowMs;
    this.#linesMax = linesMax;
  }

  count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  /** Writes a line, if anybody reads it. */
  note(text: () => string): void {
    if (this.#linesMax === 0) return;
    this.lines.push(`${Math.round(this.#nowMs())} ms  ${text()}`);
    if (this.lines.length > this.#linesMax) this.lines.shift();
  }
}

/** What a server answered, as far as one line goes. */
export function shown(result: unknown): string {
  if (typeof result !== 'object' || result === null) return String(result);
  if ('result' in result) return shown(result.result);
  return JSON.stringify(result, (name, value: unknown) =>
    name === 'header' || name === 'flight' ? undefined : typeof value === 'bigint' ? String(value) : value,
  );
}
