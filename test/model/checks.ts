/** One search through all states of `model/lane.pml`, with its parameters and what must come of it. */
export interface Check {
  readonly name: string;
  /** Macros of the model: the scope of the search, and what is left out of the protocol. */
  readonly defines: readonly string[];
  readonly expected: 'holds' | 'violated';
  /** Searches for runs that never end, instead of states that must not be. */
  readonly progress?: boolean;
  /** Takes more than 10 s on an idle core: not part of the test command. */
  readonly long?: boolean;
}

const scope = (sizes: Readonly<Record<string, number>>): string[] =>
  Object.entries(sizes).map(([name, size]) => `${name}=${size}`);
/** Everything at once, in the size in which it can be searched in seconds. */
const small = { WRITES: 2 };

const holds = (name: string, sizes: Readonly<Record<string, number>>, more: Partial<Check> = {}): Check => ({
  name,
  defines: scope(sizes),
  expected: 'holds',
  ...more,
});
const without = (safeguard: string, macro: string, sizes: Readonly<Record<string, number>> = {}): Check => ({
  name: `without ${safeguard}`,
  defines: [macro, ...scope({ ...small, ...sizes })],
  expected: 'violated',
});

/** The protocol as it is. Unless told otherwise: a rewind, a zombie and a failure. */
export const PROTOCOL: readonly Check[] = [
  holds('2 writes', small),
  holds('2 writes, no failure: every run ends', { ...small, FAILURES: 0 }, { progress: true }),
  holds('2 writes, a worker dies for good', { ...small, FAILURES: 0, CRASHES: 1 }),
  holds('2 writes, the store ends a transaction', { ...small, FAILURES: 0, ABORTS: 1 }),
  holds('3 writes, no failure', { WRITES: 3, FAILURES: 0 }),
  holds('3 writes, no zombie', { WRITES: 3, ZOMBIES: 0 }),
  holds('3 writes, no rewind', { WRITES: 3, REWINDS: 0 }),
  holds('2 writes: every run ends', small, { progress: true, long: true }),
  holds('3 writes', { WRITES: 3 }, { long: true }),
  holds('2 writes, 2 zombies', { ...small, ZOMBIES: 2 }, { long: true }),
  holds('2 writes, 2 rewinds, no failure', { ...small, REWINDS: 2, FAILURES: 0 }, { long: true }),
];

/** The protocol with a safeguard taken out. The search ends at the first violation. */
export const SAFEGUARDS: readonly Check[] = [
  without('the fence', 'NO_FENCE'),
  without('the epoch in the fence', 'FENCE_WITHOUT_EPOCH'),
  without('the generation in the fence', 'FENCE_WITHOUT_GENERATION'),
  without('the run in a write', 'WRITE_WITHOUT_RUN'),
  without('the incarnation in a write', 'WRITE_WITHOUT_INCARNATION'),
  without('frozen values', 'NO_FREEZE'),
  without('a pending set of its own during a flush', 'CUT_WITHOUT_RENAME'),
  without('a seq for the cut', 'CUT_WITHOUT_SEQ'),
  without('the run in a page', 'PAGES_WITHOUT_RUN'),
  without('the commit before the acknowledgement', 'ACKNOWLEDGE_BEFORE_COMMIT'),
  without('the epoch in an acknowledgement', 'ACKNOWLEDGE_WITHOUT_EPOCH'),
  without('dropping what a front that is behind has', 'BEHIND_REPLAYS'),
  without('confirming a recovery', 'NO_CONFIRM', { ZOMBIES: 2, FAILURES: 0 }),
  without('the run in a confirmation', 'CONFIRM_WITHOUT_RUN'),
  without('the epoch in a receipt', 'RECEIPT_WITHOUT_EPOCH'),
  without('the list of epochs in the store', 'EPOCHS_NOT_RECORDED', { REWINDS: 2, ZOMBIES: 0, FAILURES: 0 }),
];

/** Safeguards that another one covers within the faults of the model: taking out one of them alone breaks nothing. */
export const COVERED: readonly Check[] = [
  holds('without the digest in a comparison', { NO_DIGEST: 1, ...small }),
  holds('without the generation in an acknowledgement', { ACKNOWLEDGE_WITHOUT_GENERATION: 1, ...small }),
];
