import type { Front, LaneFront } from '../../src/ports/front.ts';
import { Journal } from '../sim/journal.ts';
import { Oracle } from '../sim/oracle/oracle.ts';
import { Prng } from '../sim/prng.ts';
import { Scheduler } from '../sim/scheduler.ts';
import { SimConnection } from '../sim/sim-front.ts';
import { SimProcess } from '../sim/sim-process.ts';
import { SimServer } from '../sim/sim-server.ts';
import type { Surroundings } from '../sim/surroundings.ts';
import type { FrontPlace } from './fronts.ts';

/** Simulated ms that a call may take. */
const CALL_MS = 10_000;

/** What the simulator runs the engine on, beside the real fronts. */
export function simulatedPlace(): FrontPlace {
  const front = simulatedFront();
  return { front: () => front, [Symbol.asyncDispose]: async () => {} };
}

/** The front of the simulator, each cache on a server of its own, whose time passes while somebody waits for it. */
function simulatedFront(): Front {
  return {
    kind: 'simulated',
    capabilities: { acks: ['buffered'], defaultAck: 'buffered', durable: false, shared: true },
    attach: async (attachment) => {
      const prng = new Prng(1);
      const scheduler = new Scheduler(prng);
      const journal = new Journal(() => scheduler.nowMs, 0);
      const oracle = new Oracle(attachment.lanes, Number.POSITIVE_INFINITY, () => scheduler.steps);
      const setup: Surroundings['setup'] = {
        policy: 'write-behind',
        lanes: attachment.lanes,
        ttlMs: undefined,
        maxEntries: Number.POSITIVE_INFINITY,
        onFull: 'wait',
        poisonChance: 0,
        attempts: 1,
        workers: 1,
        keysPerStep: Number.POSITIVE_INFINITY,
        lateMsMax: 0,
      };
      const world: Surroundings = {
        prng,
        scheduler,
        journal,
        setup,
        oracle,
        ending: false,
        reached: () => undefined,
        expect: () => undefined,
        token: () => '',
        value: () => undefined,
      };
      const server = new SimServer(attachment.lanes, scheduler, prng, journal, {
        stepped: () => undefined,
        rewound: () => undefined,
      });
      const connection = new SimConnection(world, server, new SimProcess('the only one', scheduler), attachment.lanes);
      return awaited(await connection.attach(attachment), scheduler);
    },
  };
}

/** The same lanes, but a call lets simulated time pass until it is answered, between two tasks of the event loop. */
function awaited(lanes: LaneFront, scheduler: Scheduler): LaneFront {
  return new Proxy(lanes, {
    get(target, name) {
      const method = Reflect.get(target, name) as ((...args: unknown[]) => Promise<unknown>) | undefined;
      if (method === undefined) return undefined;
      return (...args: unknown[]) =>
        new Promise((resolve) => {
          setImmediate(() => {
            const answer = method(...args);
            const state = { isAnswered: false };
            const answered = (): void => void (state.isAnswered = true);
            answer.then(answered, answered);
            scheduler.until(() => state.isAnswered, CALL_MS);
            resolve(answer);
          });
        });
    },
  });
}
