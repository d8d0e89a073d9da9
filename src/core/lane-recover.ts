import {
  EPOCHS_KEPT,
  type EpochStart,
  entriesOf,
  type Fence,
  isUnconfirmed,
  type LaneHeader,
  type LaneTable,
  type Refused,
  type Stopped,
  unconfirmed,
} from './lane.ts';
import type { Shape } from './shape.ts';
import { partsOf } from './shape-tables.ts';

/** What a recovery is given of the cache, of the front's run, and of the fence. */
export interface RecoverRequest {
  readonly lanes: number;
  /** Shape of a lane that is created; default documents. */
  readonly shape?: Shape;
  readonly runId: string;
  /** A name nobody used: becomes the lane's incarnation where old slots must not be seen again. */
  readonly incarnation: string;
  /** The fence after its epoch was raised for this recovery, so nobody else can commit. */
  readonly fence: Fence;
  /** Who takes the lease with it; '' to recover without flushing. */
  readonly owner: string;
  readonly leaseMs: number;
  /**
   * The fence may be old by the time this step is executed: then a lane of another run, or one without a header, takes
   * nothing until {@link confirm}. A lane of the present run tells by its epoch.
   */
  readonly tentative?: boolean;
  /**
   * The store was restored to an earlier state: what is clean may be newer than it, and is forgotten under a new
   * incarnation.
   */
  readonly forget?: boolean;
}

/**
 * What a recovery found.
 * `created`: neither side knew the lane. `current`: the front is at the fence or ahead, everything is kept.
 * `behind`: the front lost its tail, was restored or was emptied; what it still had pending is in the store
 * already and was dropped (`dropped` entries), and its values are forgotten.
 */
export type RecoverResult =
  | { readonly kind: 'created' | 'current' | 'behind'; readonly header: LaneHeader; readonly dropped: number }
  | { readonly kind: 'lanes'; readonly lanes: number }
  | Refused
  | Stopped;

/** Brings the lane in line with the fence. Repeating it with the same fence does no harm. */
export function recover(table: LaneTable, recovery: RecoverRequest): RecoverResult {
  const { fence } = recovery;
  const header = table.readHeader();
  if (header === undefined) {
    clear(table);
    const created = fresh(recovery, table.nowMs);
    table.writeHeader(created);
    return { kind: fence.generation === 0 && fence.seq === 0 ? 'created' : 'behind', header: created, dropped: 0 };
  }
  if (header.lanes !== recovery.lanes) return { kind: 'lanes', lanes: header.lanes };
  if (fence.epoch < header.epoch) return { kind: 'refused', epoch: header.epoch };
  if (header.seq < fence.seq) {
    const dropped = entriesOf(header);
    clear(table);
    const behind = {
      ...fresh(recovery, table.nowMs),
      epochs: begin(mergeEpochs(header, fence.epochs), fence.epoch, fence.seq),
    };
    table.writeHeader(behind);
    return { kind: 'behind', header: behind, dropped };
  }
  // The same run, and the lane was recovered in it: nothing can have been lost since.
  const isKnown = header.runId === recovery.runId;
  const verdict = compare(header, fence);
  const stopped = verdict.stopped ?? '';
  const forgets = recovery.forget === true;
  const current: LaneHeader = {
    ...header,
    incarnation: forgets ? recovery.incarnation : header.incarnation,
    runId: isKnown ? header.runId : runIdOf(recovery),
    epoch: fence.epoch,
    epochs: isKnown ? header.epochs : begin(mergeEpochs(header, fence.epochs), fence.epoch, header.seq),
    flight: verdict.applied && header.flight !== undefined ? { ...header.flight, state: 'stored' } : header.flight,
    storedSeq: verdict.applied && header.flight !== undefined ? header.flight.cutSeq : header.storedSeq,
    owner: recovery.owner,
    leaseUntilMs: recovery.owner === '' ? 0 : table.nowMs + recovery.leaseMs,
    stopped,
  };
  if (verdict.applied && header.flight?.state === 'cut') table.dropFrozen();
  if (forgets) forgetClean(table, current.flight?.state !== 'cut');
  table.writeHeader(current);
  return stopped === '' ? { kind: 'current', header: current, dropped: 0 } : { kind: 'stopped', reason: stopped };
}

/** Forgets what the lane holds, of whatever shape. The header stays. */
function clear(table: LaneTable): void {
  for (const part of partsOf(table.shapes)) part.clear();
  table.clear();
}

/** Forgets what is neither pending nor, unless that is `stored`, in flight. */
function forgetClean(table: LaneTable, stored: boolean): void {
  table.forgetClean(stored);
  for (const part of partsOf(table.shapes)) part.forgetClean();
}

/** A lane that starts where the fence is. */
function fresh(recovery: RecoverRequest, nowMs: number): LaneHeader {
  const { fence } = recovery;
  return {
    lanes: recovery.lanes,
    shape: recovery.shape ?? '',
    runId: runIdOf(recovery),
    incarnation: recovery.incarnation,
    epoch: fence.epoch,
    epochs: begin(fence.epochs ?? [], fence.epoch, fence.seq),
    seq: fence.seq,
    generation: fence.generation,
    storedSeq: fence.seq,
    pendingEntries: 0,
    pendingBytes: 0,
    pendingTombstones: 0,
    pendingSinceMs: 0,
    flight: undefined,
    owner: recovery.owner,
    leaseUntilMs: recovery.owner === '' ? 0 : nowMs + recovery.leaseMs,
    invalidations: 0,
    flushSeq: 0,
    stopped: '',
  };
}

const runIdOf = ({ tentative, runId }: RecoverRequest): string => (tentative === true ? unconfirmed(runId) : runId);

/** Of epochs that began at the same seq or later the new one tells enough: what outlives it outlived them. */
function begin(epochs: readonly EpochStart[], epoch: number, seq: number): readonly EpochStart[] {
  return [...epochs.filter((start) => start.epoch !== epoch && start.seq < seq), { epoch, seq }].slice(-EPOCHS_KEPT);
}

/**
 * What the front and the store remember; a front that was reset knows less, and what was never confirmed is no epoch.
 */
function mergeEpochs({ runId, epochs }: LaneHeader, store: readonly EpochStart[] = []): readonly EpochStart[] {
  const known = new Map([...(isUnconfirmed(runId) ? [] : epochs), ...store].map((start) => [start.epoch, start]));
  return [...known.values()].sort((a, b) => a.epoch - b.epoch);
}

export type ConfirmResult = { readonly kind: 'confirmed'; readonly header: LaneHeader } | Refused;

/**
 * Opens a lane that was recovered tentatively in this run, once the store has said that the epoch is still the last.
 */
export function confirm(table: LaneTable, runId: string, epoch: number): ConfirmResult {
  const header = table.readHeader();
  const isHere = header?.runId === runId || header?.runId === unconfirmed(runId);
  if (header === undefined || header.epoch !== epoch || !isHere) return { kind: 'refused', epoch: header?.epoch ?? 0 };
  const confirmed = { ...header, runId };
  table.writeHeader(confirmed);
  return { kind: 'confirmed', header: confirmed };
}

/** Reads a front that is not behind against the fence: is its flight applied, or is something unexplained? */
function compare(header: LaneHeader, fence: Fence): { applied: boolean; stopped?: string } {
  const { flight } = header;
  const storedGeneration = flight?.state === 'cut' ? flight.generation - 1 : header.generation;
  if (fence.generation < storedGeneration) {
    return {
      applied: false,
      stopped:
        `the store lost generations ${fence.generation + 1} to ${storedGeneration} that it had acknowledged: ` +
        'it was restored or failed over without its last transactions',
    };
  }
  if (fence.generation === storedGeneration) {
    if (fence.seq === header.storedSeq) return { applied: false };
    return {
      applied: false,
      stopped:
        `generation ${fence.generation} ends at seq ${fence.seq} in the store ` +
        `but at ${header.storedSeq} in the front`,
    };
  }
  if (flight?.state === 'cut' && fence.generation === flight.generation) {
    if (fence.digest === flight.digest && fence.seq === flight.cutSeq) return { applied: true };
    return {
      applied: false,
      stopped: `generation ${flight.generation} in the store is not the one that the front cut`,
    };
  }
  const found = `the store has generation ${fence.generation}`;
  return { applied: false, stopped: `${found}, which the front at generation ${header.generation} never cut` };
}

export interface Adoption {
  readonly lanes: number;
  readonly runId: string;
  readonly incarnation: string;
}

/** `pending`: the lane holds writes of a write-behind cache that must be flushed first. */
export type AdoptResult =
  | { readonly kind: 'adopted'; readonly header: LaneHeader }
  | { readonly kind: 'pending'; readonly entries: number }
  | { readonly kind: 'lanes'; readonly lanes: number };

/**
 * Opens a lane of a cache without write-behind. After a restart of the server its values may be older than the
 * store's, and no fence could tell, so they are forgotten.
 */
export function adopt(table: LaneTable, adoption: Adoption): AdoptResult {
  const header = table.readHeader();
  if (header !== undefined) {
    if (header.lanes !== adoption.lanes) return { kind: 'lanes', lanes: header.lanes };
    const entries = entriesOf(header);
    if (entries > 0) return { kind: 'pending', entries };
    if (header.runId === adoption.runId) return { kind: 'adopted', header };
  }
  clear(table);
  const adopted = fresh(
    { ...adoption, fence: header ? fenceOf(header) : NO_FENCE, owner: '', leaseMs: 0 },
    table.nowMs,
  );
  table.writeHeader(adopted);
  return { kind: 'adopted', header: adopted };
}

/** The fence of a lane that no store has heard of. */
export const NO_FENCE: Fence = { epoch: 0, generation: 0, seq: 0, digest: '' };

const fenceOf = (header: LaneHeader): Fence => ({
  epoch: header.epoch,
  generation: header.generation,
  seq: header.seq,
  digest: '',
});
