import { parseDuration } from '../core/duration.ts';
import { MillraceError } from '../errors.ts';

/** Reads the properties of one options object and collects faults; nested sections share the list. */
export class OptionReader {
  readonly #options: Record<string, unknown>;
  readonly #where: string;
  readonly #prefix: string;
  readonly #faults: string[];

  constructor(options: unknown, where: string, prefix = '', faults: string[] = []) {
    this.#faults = faults;
    this.#where = where;
    this.#prefix = prefix;
    if (typeof options !== 'object' || options === null) {
      this.fault(prefix === '' ? 'the options must be an object.' : `${prefix.slice(0, -1)} must be an object.`);
      options = {};
    }
    this.#options = options as Record<string, unknown>;
  }

  fault(message: string): void {
    this.#faults.push(message);
  }

  finish(): void {
    if (this.#faults.length === 0) return;
    const name = typeof this.#options['name'] === 'string' ? this.#options['name'] : undefined;
    const list =
      this.#faults.length === 1 ? ` ${this.#faults[0]}` : `\n${this.#faults.map((fault) => `  - ${fault}`).join('\n')}`;
    throw new MillraceError('MILLRACE_OPTIONS', `${this.#where}:${list}`, { cache: name });
  }

  known(names: readonly string[]): void {
    for (const name of Object.keys(this.#options)) {
      if (names.includes(name)) continue;
      const near = names.find(
        (known) => known.toLowerCase() === name.toLowerCase() || known.startsWith(name) || name.startsWith(known),
      );
      this.fault(
        `unknown option ${this.#prefix}${name}` +
          (near === undefined ? '' : `; did you mean ${this.#prefix}${near}?`) +
          ` Known: ${names.join(', ')}.`,
      );
    }
  }

  /** As it was given. */
  value(name: string): unknown {
    return this.#options[name];
  }

  section(name: string, names: readonly string[]): OptionReader {
    const section = new OptionReader(this.#options[name] ?? {}, this.#where, `${this.#prefix}${name}.`, this.#faults);
    section.known(names);
    return section;
  }

  name(): string {
    const name = this.#options['name'];
    if (typeof name === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(name)) return name;
    this.fault(`name must be 1 to 64 characters of A-Z a-z 0-9 _ . -, not ${show(name)}.`);
    return '';
  }

  oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const value = this.#options[name] ?? fallback;
    if (values.includes(value as T)) return value as T;
    this.fault(
      `${this.#prefix}${name} must be one of ${values.map((known) => `'${known}'`).join(', ')}, not ${show(value)}.`,
    );
    return fallback;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.#options[name] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    this.fault(`${this.#prefix}${name} must be a whole number from ${min} to ${max}, not ${show(value)}.`);
    return fallback;
  }

  fraction(name: string): number | undefined {
    const value = this.#options[name];
    if (value === undefined || (typeof value === 'number' && value > 0 && value < 1)) return value;
    this.fault(`${this.#prefix}${name} must be a number between 0 and 1, not ${show(value)}.`);
    return undefined;
  }

  duration(name: string, fallbackMs: number | undefined, minMs: number, maxMs: number): number | undefined {
    const value = this.#options[name];
    if (value === undefined) return fallbackMs;
    const ms = parseDuration(value);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return Math.max(1, Math.round(ms));
    this.fault(
      `${this.#prefix}${name} must be milliseconds or a string like '250ms', '5s', '10m', '1h', '2d' ` +
        `(${minMs} ms at least), not ${show(value)}.`,
    );
    return fallbackMs;
  }

  boolean(name: string): boolean {
    const value = this.#options[name] ?? false;
    if (typeof value === 'boolean') return value;
    this.fault(`${this.#prefix}${name} must be true or false, not ${show(value)}.`);
    return false;
  }
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
