import { fillTotals, increment } from '../../src/core/lane-deltas.ts';
import { acknowledge, claim, cut, readDeltas, readGeneration, readLog, release, requestFlush } from '../../src/core/lane-flush.ts';
import { append } from '../../src/core/lane-log.ts';
import { confirm, recover } from '../../src/core/lane-recover.ts';
import { beginFill, beginIntent, beginRefresh, endFill, finishIntent, invalidate } from '../../src/core/lane-slots.ts';
import { write } from '../../src/core/lane-write.ts';
import type { LaneEnv } from '../../src/core/lane.ts';
import { MillraceError } from '../../src/errors.ts';
import { UNRECOVERED, type Attachment, type Front, type LaneFront } from '../../src/ports/front.ts';
import type { Oracle } from './oracle.ts';
import type { Prng } from './prng.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimProcess } from './sim-process.ts';
import { SimTable } from './sim-table.ts';

/** The steps that the server executes; a mutant replaces one of them. */
export const STEPS = { acknowledge, claim, cut, readGeneration, release, requestFlush, recover, confirm, beginFill, beginRefresh, endFill, write };
export type Steps = typeof STEPS;

/** A copy of the lanes' tables, with what of the history it holds. */
interface Snapshot {
  readonly tables: readonly SimTable[];
  readonly step: number;
}

const SNAPSHOTS_KEPT = 40;

/** The simulated server of a front: lanes in tables, a disk that may be behind, connections that break. */
export class SimServer {
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  readonly oracle: Oracle;
  readonly steps: Steps;
  tables: SimTable[];
  runId = 'run0';
  down = false;
  readonly connections = new Set<SimConnection>();
  #runs = 0;
  #step = 0;
  #durableStep = 0;
  #snapshots: Snapshot[] = [];
  /** Versions of the tables that the last snapshot has. */
  #copied: number[] = [];

  constructor(lanes: number, scheduler: Scheduler, prng: Prng, oracle: Oracle, steps: Steps) {
    this.scheduler = scheduler;
    this.prng = prng;
    this.oracle = oracle;
    this.steps = steps;
    this.tables = Array.from({ length: lanes }, () => new SimTable());
    this.#remember();
  }

  execute<T>(lane: number, step: (table: SimTable, env: LaneEnv) => T): T {
    const table = this.tables[lane] as SimTable;
    table.nowMs = 1_700_000_000_000 + this.scheduler.nowMs;
    const result = step(table, { runId: this.runId, incarnation: table.header?.incarnation ?? '' });
    this.#remember();
    this.oracle.checkTable(lane, table);
    return result;
  }

  #remember(): void {
    const last = this.#snapshots.at(-1);
    this.#step++;
    if (last !== undefined && this.tables.every((table, lane) => table.version === this.#copied[lane])) return;
    const tables = this.tables.map((table, lane) => (last !== undefined && table.version === this.#copied[lane] ? (last.tables[lane] as SimTable) : table.copy()));
    this.#copied = this.tables.map(({ version }) => version);
    this.#snapshots.push({ tables, step: this.#step });
    if (this.#snapshots.length > SNAPSHOTS_KEPT) this.#snapshots.shift();
  }

  /** What was executed before is on the disk. */
  sync(): void {
    this.#durableStep = this.#step;
  }

  /** Restarts, perhaps without what happened last and was not synced. */
  restart(loseTail: boolean): void {
    this.runId = `run${++this.#runs}`;
    const before = this.tables;
    if (loseTail) {
      const candidates = this.#snapshots.filter(({ step }) => step >= this.#durableStep);
      const back = this.prng.pick(candidates.length > 0 ? candidates : this.#snapshots.slice(-1));
      this.tables = back.tables.map((table) => table.copy());
    }
    this.#snapshots = [];
    this.#remember();
    this.#durableStep = this.#step;
    this.oracle.rewound(before, this.tables, this.scheduler.nowMs);
    for (const connection of this.connections) connection.cut();
  }

  flushAll(): void {
    const before = this.tables;
    this.tables = before.map(() => new SimTable());
    this.#snapshots = [];
    this.#remember();
    this.oracle.rewound(before, this.tables, this.scheduler.nowMs);
  }
}

/** One process's way to the server: calls are executed in order, answers come in order, until it is cut. */
export class SimConnection implements Front {
  readonly kind = 'simulated';
  readonly capabilities = { acks: ['buffered', 'fsynced'] as const, defaultAck: 'buffered' as const, durable: true, shared: true };
  readonly #server: SimServer;
  readonly #process: SimProcess;
  #attachment: Attachment | undefined;
  #generation = 0;
  #lastRequestMs = 0;
  #lastReplyMs = 0;

  constructor(server: SimServer, process: SimProcess) {
    this.#server = server;
    this.#process = process;
    server.connections.add(this);
  }

  /** Everything that is under way is lost: executed or not, no answer will come. */
  cut(): void {
    this.#generation++;
    const attachment = this.#attachment;
    if (attachment !== undefined) this.#server.scheduler.after(this.#server.prng.between(1, 30), () => this.#process.deliver(attachment.onReconnect));
  }

  async attach(attachment: Attachment): Promise<LaneFront> {
    this.#attachment = attachment;
    return this.#lanes(attachment);
  }

  #call<T>(lane: number, step: (table: SimTable, env: LaneEnv) => T): Promise<T> {
    const { scheduler, prng } = this.#server;
    const generation = this.#generation;
    return new Promise((resolve, reject) => {
      const fail = (): void => this.#process.deliver(() => reject(new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'the connection was lost; the outcome is not known', { lane })));
      const latency = (): number => (prng.chance(0.02) ? prng.between(5, 60) : prng.between(0, 3));
      this.#lastRequestMs = Math.max(this.#lastRequestMs, scheduler.nowMs + latency());
      scheduler.after(this.#lastRequestMs - scheduler.nowMs, () => {
        // What was in the server's receive buffer when the connection broke may still be executed.
        if (generation !== this.#generation && prng.chance(0.7)) return fail();
        if (this.#server.down) return fail();
        const result = this.#server.execute(lane, step);
        this.#lastReplyMs = Math.max(this.#lastReplyMs, scheduler.nowMs + latency());
        scheduler.after(this.#lastReplyMs - scheduler.nowMs, () => {
          if (generation !== this.#generation) fail();
          else this.#process.deliver(() => resolve(result));
        });
      });
    });
  }

  #lanes({ lanes, random }: Attachment): LaneFront {
    const server = this.#server;
    const { steps, oracle } = server;
    const current = (table: SimTable): boolean => table.header !== undefined && table.header.runId === server.runId;
    return {
      read: (lane, key) => this.#call(lane, (table) => (current(table) ? table.readSlot(key) : UNRECOVERED)),
      readMany: async (keyLanes, keys) => {
        const slots = await Promise.all(keys.map((key, i) => this.#call(keyLanes[i] as number, (table) => (current(table) ? table.readSlot(key) : UNRECOVERED))));
        return slots.includes(UNRECOVERED) ? UNRECOVERED : (slots as (string | undefined)[]);
      },
      readWithTtl: (lane, key) =>
        this.#call(lane, (table) => {
          if (!current(table)) return UNRECOVERED;
          const expiry = table.readExpiry(key);
          return { raw: table.readSlot(key), ttlMs: expiry === undefined ? undefined : expiry - table.nowMs };
        }),
      write: (lane, batch) =>
        this.#call(lane, (table, env) => {
          const result = steps.write(table, env, batch);
          if (result.kind === 'accepted') oracle.executed(lane, batch, result.epoch, result.seq, server.scheduler.nowMs);
          return result;
        }),
      increment: (lane, batch) => this.#call(lane, (table, env) => increment(table, env, batch)),
      fillTotals: (lane, loaded) => this.#call(lane, (table, env) => fillTotals(table, env, loaded)),
      append: (lane, batch) => this.#call(lane, (table, env) => append(table, env, batch)),
      beginFill: (lane, keys, token, tokenMs) => this.#call(lane, (table, env) => steps.beginFill(table, env, keys, token, tokenMs)),
      beginRefresh: (lane, keys, token) => this.#call(lane, (table, env) => steps.beginRefresh(table, env, keys, token)),
      endFill: (lane, keys, token, loaded, ttlMs) => this.#call(lane, (table, env) => steps.endFill(table, env, keys, token, loaded, ttlMs)),
      beginIntent: (lane, keys, token, intentMs) => this.#call(lane, (table, env) => beginIntent(table, env, keys, token, intentMs)),
      finishIntent: (lane, keys, token, committed, ttlMs) => this.#call(lane, (table, env) => finishIntent(table, env, keys, token, committed, ttlMs)),
      invalidate: (lane, keys) => this.#call(lane, (table, env) => invalidate(table, env, keys)),
      claim: (lane, owner, leaseMs) => this.#call(lane, (table, env) => steps.claim(table, env, owner, leaseMs)),
      release: (lane, owner) => this.#call(lane, (table) => steps.release(table, owner)),
      requestFlush: (lane) => this.#call(lane, (table, env) => steps.requestFlush(table, env)),
      cut: (lane, epoch, digest) => this.#call(lane, (table, env) => steps.cut(table, env, epoch, digest)),
      readGeneration: (lane, epoch, generation, cursor) => this.#call(lane, (table) => steps.readGeneration(table, server.runId, epoch, generation, cursor, 2)),
      readDeltas: (lane, epoch, generation, cursor) => this.#call(lane, (table) => readDeltas(table, server.runId, epoch, generation, cursor, 2)),
      readLog: (lane, epoch, generation, from) => this.#call(lane, (table) => readLog(table, server.runId, epoch, generation, from, 2)),
      acknowledge: (lane, ack) => this.#call(lane, (table) => steps.acknowledge(table, server.runId, { ...ack, limit: 2 })),
      header: (lane) => this.#call(lane, (table) => ({ header: table.header, current: current(table) })),
      recover: (lane, recovery) =>
        this.#call(lane, (table) => steps.recover(table, { ...recovery, lanes, runId: server.runId, incarnation: random.token() })),
      confirm: (lane, epoch) => this.#call(lane, (table) => steps.confirm(table, server.runId, epoch)),
      adopt: () => Promise.reject(new Error('not simulated')),
      sync: (_level, lane) => this.#call(lane, () => server.sync()),
      inspect: (lane, key) =>
        this.#call(lane, (table) => ({ raw: table.readSlot(key), ttlMs: undefined, pending: table.hasPending(key), inFlight: table.hasFlight(key), header: table.header })),
      close: async () => void server.connections.delete(this),
    };
  }
}
