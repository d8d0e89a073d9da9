import { describe, test } from 'vitest';
import { type FrontSubject, testFront } from '../../src/testing/front-conformance.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { frontPlaces } from '../support/fronts.ts';

const open = async (kind: keyof typeof frontPlaces, own: Pick<FrontSubject, 'clock'> = {}): Promise<FrontSubject> => {
  const place = await frontPlaces[kind]();
  return {
    front: place.front(),
    another: () => place.front(),
    close: () => Promise.resolve(place[Symbol.asyncDispose]()),
    ...own,
  };
};

describe('memory', () => {
  testFront({
    test,
    capabilities: { acks: ['buffered'], defaultAck: 'buffered', durable: false, shared: false },
    open: () => open('memory', { clock: new VirtualClock() }),
  });
});

describe('LMDB', () => {
  testFront({
    test,
    capabilities: { acks: ['buffered', 'fsynced'], defaultAck: 'fsynced', durable: true, shared: true },
    open: () => open('lmdb'),
  });
});

for (const driver of ['redis', 'ioredis'] as const) {
  describe(`Redis with ${driver === 'redis' ? 'node-redis' : driver}`, () => {
    testFront({
      test,
      capabilities: {
        acks: ['buffered', 'fsynced', 'replicated'],
        defaultAck: 'buffered',
        durable: true,
        shared: true,
      },
      // The tests' server has neither an append-only file nor replicas.
      acks: ['buffered'],
      open: () => open(driver),
    });
  });
}
