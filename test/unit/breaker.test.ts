import { describe, expect, test } from 'vitest';
import {
  attemptsMax,
  Breaker,
  type BreakerCall,
  type CallOutcome,
  FAILURES_TO_OPEN,
  PROBE_MS,
  RAMP_MS,
  RAMP_STEPS,
  transition,
} from '../../src/core/breaker.ts';

const MIN_MS = 100;
const MAX_MS = 30_000;

/** A breaker with a clock of its own and chance in the middle: a backoff is 0.55 of its span, a ramp lasts RAMP_MS. */
class Subject {
  readonly breaker = new Breaker();
  nowMs = 1_000;

  moment(fraction = 0.5) {
    return { nowMs: this.nowMs, fraction, minDelayMs: MIN_MS, maxDelayMs: MAX_MS };
  }

  admit(): string {
    return this.breaker.admit(this.moment()).kind;
  }

  enter(): BreakerCall {
    const admitted = this.breaker.admit(this.moment());
    if (admitted.kind !== 'go') throw new Error(`the breaker said ${admitted.kind}`);
    return admitted.call;
  }

  call(outcome: CallOutcome): void {
    this.breaker.settle(this.enter(), outcome, this.moment());
  }

  settle(call: BreakerCall, outcome: CallOutcome): void {
    this.breaker.settle(call, outcome, this.moment());
  }

  fail(times = FAILURES_TO_OPEN): void {
    for (let i = 0; i < times; i++) this.call('failed');
  }

  /** To when the state lets time change something. */
  pass(): void {
    this.nowMs = this.breaker.nextAtMs(this.nowMs);
  }

  get width(): number {
    return this.breaker.width(this.nowMs);
  }
}

describe('closed', () => {
  test('lets everything through, and time changes nothing', () => {
    const subject = new Subject();
    for (let i = 0; i < 1_000; i++) subject.enter();
    expect(subject.breaker.state).toBe('closed');
    expect(subject.width).toBe(Number.POSITIVE_INFINITY);
    expect(subject.breaker.nextAtMs(subject.nowMs)).toBe(Number.POSITIVE_INFINITY);
  });

  test('opens at the fifth failure in a row, and not for less', () => {
    const subject = new Subject();
    subject.fail(4);
    subject.call('answered');
    subject.fail(4);
    subject.call('unknown');
    expect(subject.breaker.failures).toBe(4);
    expect(subject.breaker.state).toBe('closed');
    subject.fail(1);
    expect(subject.breaker.state).toBe('open');
    expect(subject.breaker.failures).toBe(5);
  });

  test('says of a call whether it is a retry', () => {
    const subject = new Subject();
    expect(subject.enter().isRetry).toBe(false);
    subject.call('failed');
    expect(subject.enter().isRetry).toBe(true);
    subject.call('answered');
    expect(subject.enter().isRetry).toBe(false);
  });

  test('opens when the retry budget is spent, though never five calls fail in a row', () => {
    const subject = new Subject();
    subject.call('failed');
    let retries = 0;
    while (subject.breaker.admit(subject.moment()).kind === 'go') retries++;
    expect(retries).toBe(attemptsMax(0, MAX_MS));
    expect(subject.breaker.state).toBe('open');
  });
});

describe('open', () => {
  test('refuses until its time has come, then lets one through', () => {
    const subject = new Subject();
    subject.fail();
    expect(subject.breaker.nextAtMs(subject.nowMs)).toBe(subject.nowMs + MIN_MS * 0.55);
    expect([subject.admit(), subject.width]).toEqual(['refused', 0]);
    subject.pass();
    expect(subject.width).toBe(1);
    expect(subject.enter().isRetry).toBe(true);
    expect(subject.breaker.state).toBe('half-open');
    expect([subject.admit(), subject.width]).toEqual(['refused', 0]);
  });

  test('waits twice as long after each failed probe, at most the longest delay', () => {
    const subject = new Subject();
    subject.fail();
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      waits.push(subject.breaker.nextAtMs(subject.nowMs) - subject.nowMs);
      subject.pass();
      subject.call('failed');
    }
    expect(waits.map((ms) => Math.round(ms / 0.55))).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000,
    ]);
    expect(subject.breaker.failures).toBe(FAILURES_TO_OPEN + 12);
  });

  test('does not look at what began before it opened', () => {
    const subject = new Subject();
    const [early, other] = [subject.enter(), subject.enter()];
    subject.fail();
    subject.settle(early, 'answered');
    expect(subject.breaker.state).toBe('open');
    subject.settle(other, 'failed');
    expect(subject.breaker.failures).toBe(FAILURES_TO_OPEN);
  });

  test('waits for the budget, when the probes have used it up', () => {
    const subject = new Subject();
    subject.call('failed');
    while (subject.admit() === 'go');
    const spentAtMs = subject.nowMs;
    subject.pass();
    expect(subject.admit()).toBe('refused');
    // A tenth of the longest delay brings the next attempt.
    expect(subject.breaker.nextAtMs(subject.nowMs)).toBe(spentAtMs + MAX_MS / 10);
    subject.pass();
    expect(subject.admit()).toBe('go');
  });
});

describe('half-open', () => {
  const halfOpen = (): { subject: Subject; probe: BreakerCall } => {
    const subject = new Subject();
    subject.fail();
    subject.pass();
    return { subject, probe: subject.enter() };
  };

  test('a probe that is answered begins the ramp', () => {
    const { subject, probe } = halfOpen();
    subject.settle(probe, 'answered');
    expect([subject.breaker.state, subject.breaker.failures]).toEqual(['ramp', 0]);
  });

  test('a probe that told nothing of the store lets the next go at once', () => {
    const { subject, probe } = halfOpen();
    subject.settle(probe, 'unknown');
    expect([subject.breaker.state, subject.width]).toEqual(['open', 1]);
    subject.enter();
    // Its outcome is of no interest any more.
    subject.settle(probe, 'answered');
    expect(subject.breaker.state).toBe('half-open');
  });

  test('a probe without an answer is given up, and another one goes', () => {
    const { subject, probe } = halfOpen();
    subject.nowMs += PROBE_MS - 1;
    expect(subject.admit()).toBe('refused');
    subject.pass();
    expect(subject.admit()).toBe('refused');
    expect([subject.breaker.state, subject.breaker.failures]).toEqual(['open', FAILURES_TO_OPEN + 1]);
    subject.settle(probe, 'failed');
    subject.settle(probe, 'unknown');
    expect(subject.breaker.failures).toBe(FAILURES_TO_OPEN + 1);
    subject.pass();
    subject.enter();
    subject.settle(probe, 'answered');
    expect(subject.breaker.state).toBe('half-open');
  });

  test('a probe that is answered late begins the ramp, unless another has gone', () => {
    const { subject, probe } = halfOpen();
    subject.pass();
    subject.settle(probe, 'answered');
    expect(subject.breaker.state).toBe('ramp');
  });
});

describe('the ramp', () => {
  const ramp = (fraction = 0.5): Subject => {
    const subject = new Subject();
    subject.fail();
    subject.pass();
    subject.breaker.settle(subject.enter(), 'answered', subject.moment(fraction));
    return subject;
  };

  test('lets twice as many at once through at each step, and then all', () => {
    const subject = ramp();
    const beganAtMs = subject.nowMs;
    const widths: number[] = [];
    while (subject.breaker.state === 'ramp') {
      widths.push(subject.width);
      let entered = 0;
      while (subject.admit() === 'go') entered++;
      // Those of the steps before are still under way.
      expect(entered).toBe(widths.length === 1 ? 1 : subject.width / 2);
      subject.pass();
      subject.breaker.advance(subject.moment());
    }
    expect(widths).toEqual([1, 2, 4, 8, 16]);
    expect(subject.nowMs - beganAtMs).toBe(RAMP_MS);
    expect(subject.breaker.state).toBe('closed');
  });

  test('lets the next in when one is done, also when it was refused', () => {
    const subject = ramp();
    for (const outcome of ['answered', 'unknown', 'failed', 'answered'] as const) {
      const call = subject.enter();
      expect(subject.admit()).toBe('wait');
      subject.settle(call, outcome);
    }
    expect(subject.breaker.state).toBe('ramp');
  });

  test('has a length of its own in each process', () => {
    const firstSteps = [0, 0.5, 0.999].map((fraction) => {
      const { breaker, nowMs } = ramp(fraction);
      return breaker.nextAtMs(nowMs) - nowMs;
    });
    expect(firstSteps).toEqual([500, 1_000, 1_499]);
    for (const fraction of [0, 0.999]) {
      const subject = ramp(fraction);
      // Each step is in whole milliseconds.
      subject.nowMs += RAMP_MS * (0.5 + fraction) + RAMP_STEPS;
      subject.enter();
      expect(subject.breaker.state).toBe('closed');
    }
  });

  test('is over at the second failure in a row, and the backoff goes on where it was', () => {
    const subject = ramp();
    subject.call('failed');
    subject.call('answered');
    subject.call('failed');
    expect(subject.breaker.state).toBe('ramp');
    subject.call('failed');
    expect(subject.breaker.state).toBe('open');
    expect(subject.breaker.nextAtMs(subject.nowMs) - subject.nowMs).toBeCloseTo(2 * MIN_MS * 0.55);
  });

  test('that was survived makes the next outage begin at the shortest delay', () => {
    const subject = ramp();
    subject.nowMs += RAMP_MS;
    subject.fail();
    expect(subject.breaker.nextAtMs(subject.nowMs) - subject.nowMs).toBeCloseTo(MIN_MS * 0.55);
  });

  test('is over when the budget is spent', () => {
    const subject = ramp();
    subject.call('failed');
    // 'unknown' neither adds a failure nor ends the row.
    let retries = 0;
    for (
      let kind = subject.breaker.admit(subject.moment());
      kind.kind === 'go';
      kind = subject.breaker.admit(subject.moment())
    ) {
      retries++;
      subject.settle(kind.call, 'unknown');
    }
    expect(subject.breaker.state).toBe('open');
    expect(retries).toBeLessThanOrEqual(attemptsMax(0, MAX_MS));
  });
});

test('only the arrows of the chart can be gone', () => {
  expect(() => transition('closed', 'ramp')).toThrow('the breaker is closed and cannot become ramp');
  expect(() => transition('half-open', 'closed')).toThrow('cannot become closed');
  expect(() => transition('open', 'closed')).toThrow('cannot become closed');
  expect(transition('ramp', 'open')).toBe('open');
});

test('the bound grows by ten attempts with each longest delay', () => {
  expect(attemptsMax(0, MAX_MS)).toBe(20);
  expect(attemptsMax(MAX_MS, MAX_MS)).toBe(30);
  expect(attemptsMax(6 * 3_600_000, MAX_MS)).toBe(7_220);
});
