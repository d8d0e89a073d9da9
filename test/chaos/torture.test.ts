import { expect, test } from 'vitest';
import { KINDS, refusal } from '../torture/faults/index.ts';
import { complaintOf, rowOf } from '../torture/report.ts';
import { torture } from '../torture/torture.ts';

const CYCLES = 60;
const TEST_MS = 1_200_000;

test(
  `${CYCLES} cycles of faults lose, repeat, reorder, revive and misread nothing that was promised`,
  async () => {
    const kinds = KINDS.filter((kind) => refusal(kind) === undefined);
    const reports = await torture({ cycles: CYCLES, seed: 1, kinds });
    expect(reports.filter(({ violations }) => violations.length > 0).flatMap((report) => complaintOf(report))).toEqual(
      [],
    );
    expect(rowOf('all', reports).acknowledged).toBeGreaterThan(CYCLES * 20);
  },
  TEST_MS,
);

test(
  'the harness finds what a write-behind written by hand loses',
  async () => {
    const [kill] = KINDS;
    const [report] = await torture({ cycles: 1, seed: 1, kinds: [kill!], subject: 'naive' });
    const lost = report!.violations
      .filter(({ offence }) => offence === 'lost')
      .map(({ what }) => / \((\w+) of /.exec(what)?.[1]);
    expect(new Set(lost)).toEqual(new Set(['put', 'delta', 'append', 'score']));
  },
  TEST_MS,
);
