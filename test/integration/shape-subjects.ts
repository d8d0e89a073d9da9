import {
  type BackpressureOptions,
  type Cache,
  createCache,
  createCounters,
  createLeaderboard,
  createLog,
  type FlushOptions,
  type Front,
  type Leaderboard,
} from '../../src/index.ts';
import type { MemoryStore } from '../../src/testing/memory-store.ts';

/** What every shape has, and is opened with here. */
export type Opened = Pick<Cache<unknown>, 'pause' | 'resume' | 'flush' | 'stats' | 'close' | 'ready'>;
export interface Opening {
  readonly name: string;
  readonly front: Front;
  readonly store: MemoryStore;
  readonly lanes: number;
  readonly flush: FlushOptions;
  readonly backpressure: BackpressureOptions;
}

interface Signalled {
  readonly signal: AbortSignal;
}

/** One way to write to a cache of some shape. */
export interface Subject {
  readonly what: string;
  readonly holds: MemoryStore['holds'];
  /** A leaderboard has one lane. */
  readonly lanes: readonly number[];
  /** Bytes with which a write of a name with three characters counts while it waits for room. */
  readonly waitingBytes: number;
  /** A later write of the same name needs no room while the first is pending. */
  readonly coalesces: boolean;
  /** Opens a cache; what it gives writes one thing under a name. Without options it takes the way of most writes. */
  open(opening: Opening): { cache: Opened; write(name: string, ...options: [Signalled?]): Promise<unknown> };
  /** The names that are stored, in the order of the table; each as often as its write took effect. */
  stored(store: MemoryStore): readonly string[];
}

interface Named {
  readonly name: string;
  readonly filler: string;
}

/** Of 1,024 bytes as JSON text, where the name has three characters. */
const VALUE_BYTES = 1_024;
const valueOf = (name: string): Named => ({ name, filler: 'x'.repeat(VALUE_BYTES - 26) });
/** Of an increment or a score: the name and a constant. */
const CHANGE_BYTES = 3 + 24;

const repeated = ({ rows }: MemoryStore): string[] =>
  [...rows].flatMap(([name, count]) => Array.from({ length: Number(count) }, () => name));
const eventsOf = ({ events }: MemoryStore): string[] => events.map((event) => (event as Named).name);

const documents = { holds: undefined, lanes: [1, 4], waitingBytes: VALUE_BYTES, coalesces: true } as const;
const counters = { holds: 'counters', lanes: [1, 4], waitingBytes: CHANGE_BYTES, coalesces: true } as const;
const log = { holds: 'log', lanes: [1, 4], waitingBytes: VALUE_BYTES, coalesces: false, stored: eventsOf } as const;
const board = { holds: 'scores', lanes: [1], waitingBytes: CHANGE_BYTES, coalesces: true, stored: repeated } as const;

function boardOf(opening: Opening): Leaderboard {
  const { lanes: _, ...options } = opening;
  return createLeaderboard(options);
}

/** Events of one key keep their order: there are four, so that the events of a key are several. */
export const keyOf = (name: string): string => `key ${Number(name.slice(1)) % 4}`;

export const subjects: readonly Subject[] = [
  {
    ...documents,
    what: 'documents',
    open(opening) {
      const cache = createCache<Named>(opening);
      return { cache, write: (name, ...options) => cache.set(name, valueOf(name), ...options) };
    },
    stored: ({ versions }) => [...versions].flatMap(([name, all]) => all.map(() => name)),
  },
  {
    ...counters,
    what: 'counters, add',
    open(opening) {
      const cache = createCounters(opening);
      return { cache, write: (name, ...options) => cache.add(name, 1, ...options) };
    },
    stored: repeated,
  },
  {
    ...counters,
    what: 'counters, increment',
    open(opening) {
      const cache = createCounters(opening);
      return { cache, write: (name, ...options) => cache.increment(name, 1, ...options) };
    },
    stored: repeated,
  },
  {
    ...log,
    what: 'a log',
    open(opening) {
      const cache = createLog<Named>(opening);
      return { cache, write: (name, ...options) => cache.append(valueOf(name), ...options) };
    },
  },
  {
    ...log,
    what: 'a log with keys',
    open(opening) {
      const cache = createLog<Named>({ ...opening, key: ({ name }) => keyOf(name) });
      return { cache, write: (name, ...options) => cache.append(valueOf(name), ...options) };
    },
  },
  {
    ...board,
    what: 'a leaderboard, add',
    open(opening) {
      const cache = boardOf(opening);
      return { cache, write: (name, ...options) => cache.add(name, 1, ...options) };
    },
  },
  {
    ...board,
    what: 'a leaderboard, set',
    open(opening) {
      const cache = boardOf(opening);
      return { cache, write: (name, ...options) => cache.set(name, 1, ...options) };
    },
  },
];
