import type { Policy } from '../../src/index.ts';
import type { CacheName, Level } from './ledger.ts';

export interface Doc {
  /** The write that made it. */
  readonly id: string;
  readonly pad: string;
  /** The table refuses such rows. */
  readonly bad?: true;
}

export interface Event {
  readonly id: string;
  /** Events of one key have an order. */
  readonly key: string;
  readonly bad?: true;
}

/** How to reach what is tortured, and how it is set up; travels to the members as JSON. */
export interface SubjectSpec {
  /** 'naive' is the write-behind that people write by hand, to see that the harness finds what is wrong with it. */
  readonly subject: 'millrace' | 'naive';
  readonly front:
    | { readonly kind: 'redis' | 'ioredis'; readonly at: string; readonly commandTimeoutMs: number }
    | { readonly kind: 'lmdb'; readonly at: string };
  readonly postgres: string;
  /** Has the tables `docs`, `counts`, `events` and `scores`. */
  readonly schema: string;
  /** Of the documents; the shapes are write-behind. */
  readonly policy: Exclude<Policy, 'cache-aside'>;
  readonly ttlMs: number;
  readonly maxDelayMs: number;
  readonly batchSize: number;
  readonly leaseMs: number;
}

/** Where an acknowledged write stands, and when it is stored. */
export interface Acknowledged {
  readonly lane?: number;
  readonly epoch?: number;
  readonly seq?: number;
  stored(): Promise<void>;
}

export interface SubjectEvents {
  loss(cache: CacheName, lane: number, count: number, cause: string): void;
  stopped(why: string): void;
  note(text: string): void;
}

/** What is tortured: a cache, counters, a log and a leaderboard as a user has them. */
export interface Subject {
  ready(): Promise<void>;
  set(key: string, doc: Doc, level: Level): Promise<Acknowledged>;
  delete(key: string, level: Level): Promise<Acknowledged>;
  get(key: string): Promise<Doc | undefined>;
  add(key: string, by: bigint, level: Level): Promise<Acknowledged>;
  /** Adds, and tells the total after that. */
  increment(key: string, by: bigint, level: Level): Promise<bigint>;
  total(key: string): Promise<bigint>;
  append(event: Event, level: Level): Promise<Acknowledged>;
  /** Adds to a member's score, and tells what that came to. */
  score(member: string, by: number, level: Level): Promise<Acknowledged & { readonly score: number }>;
  scoreOf(member: string): Promise<number>;
  /** All members, the best first. */
  board(): Promise<readonly { readonly member: string; readonly score: number }[]>;
  flush(signal: AbortSignal): Promise<void>;
  /** Entries that are acknowledged and not stored, as far as the front knows. */
  pending(): Promise<number>;
  deadLetters(): Promise<{ readonly cache: CacheName; readonly key: string; readonly id: string }[]>;
  close(): Promise<void>;
}
