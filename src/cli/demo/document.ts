import type { DemoResult } from './demo.ts';
import { perSecond } from './measure.ts';
import type { DemoOptions } from './options.ts';
import { speedUpOf } from './summary.ts';

/** What `millrace demo --json` prints. Durations are milliseconds; what could not be measured is null. */
export function demoDocument(result: DemoResult, options: DemoOptions, durationMs: number): Record<string, unknown> {
  const { front, store, policies, verification, interrupted } = result;
  const { writes, inFlight, storeLatencyMs, flushDelay, batchSize, seed } = options;
  return {
    ok: verification.ok && !interrupted,
    interrupted,
    front,
    store,
    options: { writes, inFlight, storeLatencyMs, flushDelay: flushDelay ?? null, batchSize: batchSize ?? null, seed },
    policies: policies.map((policy) => ({
      policy: policy.policy,
      writes: policy.writes,
      latencyMs: policy.latency ?? null,
      totalMs: policy.totalMs,
      writesPerSecond: perSecond(policy.writes, policy.totalMs) ?? null,
      speedUp: speedUpOf(policy, policies) ?? null,
      storedAtAcknowledgement: policy.storedAtOnce,
      storedAfterMs: policy.storedAfterMs,
      flushes: policy.flushes,
      firstReadMs: policy.firstRead ?? null,
    })),
    verification: {
      ok: verification.ok,
      expected: verification.policies.reduce((sum, { expected }) => sum + expected, 0),
      records: verification.policies.reduce((sum, { store }) => sum + store.present, 0),
      recordsEqual: verification.policies.reduce((sum, { store }) => sum + store.equal, 0),
      entries: verification.policies.reduce((sum, { front }) => sum + front.present, 0),
      entriesEqual: verification.policies.reduce((sum, { front }) => sum + front.equal, 0),
      recordsInTable: verification.recordsInTable,
      policies: verification.policies.map(({ policy, expected, store, front }) => ({
        policy,
        expected,
        records: store.present,
        recordsEqual: store.equal,
        entries: front.present,
        entriesEqual: front.equal,
      })),
      faultCount: verification.faultCount,
      faults: verification.faults,
    },
    durationMs,
  };
}
