import { type LaneEnv } from '../../src/core/lane.ts';
import { fillTotals, increment, readDeltas } from '../../src/core/lane-deltas.ts';
import { acknowledge, claim, cut, readGeneration, release, requestFlush } from '../../src/core/lane-flush.ts';
import { append, readLog } from '../../src/core/lane-log.ts';
import { adopt, confirm, recover } from '../../src/core/lane-recover.ts';
import { doubtScores, fillScores, readFlightScores, readScores, writeScores } from '../../src/core/lane-scores.ts';
import { beginFill, beginIntent, beginRefresh, endFill, finishIntent, invalidate } from '../../src/core/lane-slots.ts';
import { write } from '../../src/core/lane-write.ts';
import { traitsOf } from '../../src/core/shape.ts';
import { partsOf } from '../../src/core/shape-tables.ts';
import { MillraceError } from '../../src/errors.ts';
import { type Attachment, type Front, type LaneFront, UNRECOVERED } from '../../src/ports/front.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimServer } from './sim-server.ts';
import { SimSteps, type StepOf } from './sim-steps.ts';
import type { SimTable } from './sim-table.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * One process's way to the server of the front. Calls are executed in order and answered in order, as on one TCP
 * connection, until it breaks: then no answer comes any more, although what the server had received is perhaps still
 * executed, later than the caller gave up. Nothing is executed twice: the drivers are told not to send anything again.
 * Two connections know nothing of each other's order.
 */
export class SimConnection implements Front {
  readonly kind = 'simulated';
  readonly capabilities = {
    acks: ['buffered', 'fsynced'] as const,
    defaultAck: 'buffered' as const,
    durable: true,
    shared: true,
  };
  readonly #world: Surroundings;
  readonly #server: SimServer;
  readonly #process: SimProcess;
  #attachment: Attachment | undefined;
  /** How often a call may have failed for want of a connection. */
  breaks = 0;
  /** Rises when the connection breaks. */
  #generation = 0;
  #lastRequestMs = 0;
  /** Requests that have not arrived. */
  #onTheWay = 0;
  #lastReplyMs = 0;
  /** What is to arrive at either end, in order: the scheduler gives events of the same moment in any. */
  readonly #requests: (() => void)[] = [];
  readonly #replies: (() => void)[] = [];
  #closed = false;
  /** Whether what is being executed comes after its connection broke. */
  #isLate = false;
  /** Who waits for an answer. */
  readonly #outstanding = new Set<() => void>();
  readonly #steps: readonly SimSteps[];

  constructor(world: Surroundings, server: SimServer, process: SimProcess, lanes: number) {
    this.#world = world;
    this.#server = server;
    this.#process = process;
    this.#steps = Array.from(
      { length: lanes },
      (_, lane) =>
        new SimSteps((name, step) =>
          this.#call(lane, name, (table, env) => ({
            result: step(table, env),
            header: server.isCurrent(lane) ? table.header : undefined,
          })),
        ),
    );
  }

  cut(): void {
    this.#server.strays += this.#onTheWay;
    this.#onTheWay = 0;
    this.#generation++;
    this.breaks++;
    for (const giveUp of this.#outstanding) this.#process.deliver(giveUp);
    this.#outstanding.clear();
    const attachment = this.#attachment;
    const { scheduler, prng } = this.#world;
    if (attachment !== undefined)
      scheduler.after(prng.between(1, 30), () => this.#process.deliver(attachment.onReconnect));
  }

  async attach(attachment: Attachment): Promise<LaneFront> {
    // A cache whose first attempt failed attaches once more.
    this.#attachment = attachment;
    this.#closed = false;
    this.#server.connections.add(this);
    return this.#lanes(attachment);
  }

  #call<T>(lane: number, name: string, step: (table: SimTable, env: LaneEnv) => T): Promise<T> {
    const { scheduler, prng } = this.#world;
    const server = this.#server;
    const generation = this.#generation;
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new MillraceError('MILLRACE_CLOSED', 'the cache is closed', { lane }));
      const giveUp = (): void =>
        reject(
          new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'the connection was lost; the outcome is not known', {
            lane,
          }),
        );
      this.#outstanding.add(giveUp);
      const latency = (): number => (prng.chance(0.02) ? prng.between(5, 60) : prng.between(0, 3));
      this.#lastRequestMs = Math.max(this.#lastRequestMs, scheduler.nowMs + latency());
      const { incarnation } = this.#steps[lane] as SimSteps;
      const execute = (): T | undefined => {
        if (server.down) return undefined;
        const result = server.execute(lane, name, step, incarnation, this.#process.name);
        this.#world.reached(name, result, this.#process);
        return result;
      };
      this.#onTheWay++;
      this.#requests.push(() => {
        if (generation !== this.#generation) {
          // What was in the server's receive buffer when the connection broke may still be executed.
          if (!prng.chance(0.3)) {
            server.strays--;
            return;
          }
          scheduler.after(prng.between(0, this.#world.setup.lateMsMax), () => {
            server.strays--;
            this.#isLate = true;
            execute();
            this.#isLate = false;
          });
          return;
        }
        this.#onTheWay--;
        if (server.down) {
          this.breaks++;
          this.#outstanding.delete(giveUp);
          this.#process.deliver(giveUp);
          return;
        }
        const result = execute() as T;
        this.#lastReplyMs = Math.max(this.#lastReplyMs, scheduler.nowMs + latency());
        this.#replies.push(() => {
          if (generation !== this.#generation) return;
          this.#outstanding.delete(giveUp);
          this.#process.deliver(() => resolve(result));
        });
        scheduler.after(this.#lastReplyMs - scheduler.nowMs, () => this.#replies.shift()?.());
      });
      scheduler.after(this.#lastRequestMs - scheduler.nowMs, () => this.#requests.shift()?.());
    });
  }

  /** A step that is sent again when somebody else has recovered its lane; `unrecovered` comes out when nobody has. */
  #step<T extends { readonly kind: string }>(lane: number, name: string, step: StepOf<T>): Promise<T> {
    return (this.#steps[lane] as SimSteps).run(name, step);
  }

  #lanes({ lanes, random, shape = '' }: Attachment): LaneFront {
    const server = this.#server;
    const { keysPerStep } = this.#world.setup;
    const read = (lane: number, key: string): ReturnType<LaneFront['read']> =>
      this.#call(lane, 'read', (table) => (server.isCurrent(lane) ? table.readSlot(key) : UNRECOVERED));
    return {
      read,
      readMany: async (keyLanes, keys) => {
        const slots = await Promise.all(keys.map((key, i) => read(keyLanes[i] as number, key)));
        return slots.includes(UNRECOVERED) ? UNRECOVERED : (slots as (string | undefined)[]);
      },
      readWithTtl: (lane, key) =>
        this.#call(lane, 'read', (table) => {
          if (!server.isCurrent(lane)) return UNRECOVERED;
          return { raw: table.readSlot(key), ttlMs: ttlOf(table, key) };
        }),
      write: (lane, batch) =>
        this.#step(lane, 'write', (table, env) => {
          const result = write(table, env, batch);
          if (result.kind === 'accepted')
            this.#world.oracle.executed(lane, batch, result.epoch, result.seq, this.#isLate);
          return result;
        }),
      increment: (lane, batch) =>
        this.#step(lane, 'increment', (table, env) => {
          const result = increment(table, env, batch);
          if (result.kind === 'accepted')
            this.#world.shapes?.incremented(lane, batch, result.epoch, result.seq, this.#process.name);
          return result;
        }),
      fillTotals: (lane, loaded) => this.#step(lane, 'fillTotals', (table, env) => fillTotals(table, env, loaded)),
      append: (lane, batch) =>
        this.#step(lane, 'append', (table, env) => {
          const result = append(table, env, batch);
          if (result.kind === 'accepted')
            this.#world.shapes?.appended(lane, batch, result.epoch, result.seq, this.#isLate);
          return result;
        }),
      writeScores: (lane, batch) =>
        this.#step(lane, 'writeScores', (table, env) => {
          const result = writeScores(table, env, batch);
          if (result.kind === 'accepted')
            this.#world.shapes?.scored(batch, result, table, this.#process.name, this.#isLate);
          return result;
        }),
      fillScores: (lane, loaded) => this.#step(lane, 'fillScores', (table, env) => fillScores(table, env, loaded)),
      readScores: (lane, shape, query) =>
        this.#step(lane, 'readScores', (table, env) => readScores(table, env, shape, query)),
      beginFill: (lane, keys, token, tokenMs) =>
        this.#step(lane, 'beginFill', (table, env) => beginFill(table, env, keys, token, tokenMs)),
      beginRefresh: (lane, keys, token) =>
        this.#step(lane, 'beginRefresh', (table, env) => beginRefresh(table, env, keys, token)),
      endFill: (lane, keys, token, loaded, ttlMs) =>
        this.#step(lane, 'endFill', (table, env) => endFill(table, env, keys, token, loaded, ttlMs)),
      beginIntent: (lane, keys, token, intentMs) =>
        this.#step(lane, 'beginIntent', (table, env) => beginIntent(table, env, keys, token, intentMs)),
      finishIntent: (lane, keys, token, committed, ttlMs) =>
        this.#step(lane, 'finishIntent', (table, env) => finishIntent(table, env, keys, token, committed, ttlMs)),
      invalidate: (lane, keys) =>
        this.#step(lane, 'invalidate', (table, env) => {
          const result = (traitsOf(shape).isRanked ? doubtScores : invalidate)(table, env, keys);
          if (result.kind !== 'done') return result;
          for (const key of keys)
            if (!table.hasPending(key) && !table.hasFlight(key)) this.#world.oracle.reads.told(key);
          this.#world.shapes?.invalidated(keys);
          return result;
        }),
      claim: (lane, owner, leaseMs) => this.#step(lane, 'claim', (table, env) => claim(table, env, owner, leaseMs)),
      release: (lane, owner) => this.#call(lane, 'release', (table) => release(table, owner)),
      requestFlush: (lane) => this.#step(lane, 'requestFlush', (table, env) => requestFlush(table, env)),
      cut: (lane, epoch, digest) => this.#step(lane, 'cut', (table, env) => cut(table, env, epoch, digest)),
      readGeneration: (lane, epoch, generation, cursor, limit) =>
        this.#call(lane, 'readGeneration', (table) =>
          readGeneration(table, server.runId, epoch, generation, cursor, Math.min(limit, keysPerStep)),
        ),
      readDeltas: (lane, epoch, generation, cursor, limit) =>
        this.#call(lane, 'readDeltas', (table) =>
          readDeltas(table, server.runId, epoch, generation, cursor, Math.min(limit, keysPerStep)),
        ),
      // A page with fewer events than were asked for is the last.
      readLog: (lane, epoch, generation, from, limit) =>
        this.#call(lane, 'readLog', (table) => readLog(table, server.runId, epoch, generation, from, limit)),
      readFlightScores: (lane, epoch, generation, cursor, limit) =>
        this.#call(lane, 'readFlightScores', (table) =>
          readFlightScores(table, server.runId, epoch, generation, cursor, Math.min(limit, keysPerStep)),
        ),
      acknowledge: (lane, ack) =>
        this.#call(lane, 'acknowledge', (table) =>
          acknowledge(table, server.runId, { ...ack, limit: Math.min(ack.limit, keysPerStep) }),
        ),
      header: async (lane) => {
        const { header, current } = await this.#call(lane, 'header', (table) => ({
          header: table.header,
          current: server.isCurrent(lane),
        }));
        if (current && header !== undefined) (this.#steps[lane] as SimSteps).incarnation = header.incarnation;
        return { header, current };
      },
      recover: (lane, recovery) =>
        this.#step(lane, 'recover', (table) =>
          recover(table, { ...recovery, lanes, shape, runId: server.runId, incarnation: random.token() }),
        ),
      confirm: (lane, epoch) => this.#step(lane, 'confirm', (table) => confirm(table, server.runId, epoch)),
      swept: (lane) => this.#call(lane, 'swept', () => undefined),
      adopt: (lane) =>
        this.#step(lane, 'adopt', (table) => adopt(table, { lanes, runId: server.runId, incarnation: random.token() })),
      sync: (_level, lane) => this.#call(lane, 'sync', () => server.sync()),
      inspect: (lane, key) =>
        this.#call(lane, 'inspect', (table) => ({
          raw: traitsOf(shape).isRanked ? table.shapes.scores.readWeight(key)?.toString() : table.readSlot(key),
          ttlMs: ttlOf(table, key),
          pending: table.hasPending(key) || partsOf(table.shapes).some((part) => part.hasPending(key)),
          inFlight: table.hasFlight(key) || partsOf(table.shapes).some((part) => part.hasFlight(key)),
          header: table.header,
        })),
      close: async () => {
        this.#closed = true;
        this.breaks++;
        server.connections.delete(this);
      },
    };
  }
}

function ttlOf(table: SimTable, key: string): number | undefined {
  const expiry = table.readExpiry(key);
  return expiry === undefined ? undefined : expiry - table.nowMs;
}
