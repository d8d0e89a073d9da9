import { expect, test } from 'vitest';
import { COVERED, PROTOCOL, SAFEGUARDS } from './checks.ts';
import { search } from './spin.ts';

/** `npm run model` searches the larger scopes too. */
const checks = [...PROTOCOL, ...SAFEGUARDS, ...COVERED].filter(({ long }) => long !== true);

test.each(checks)('$name: $expected', async (check) => {
  const { outcome, violation, states, trail } = await search(check);
  expect(outcome, `${violation}\n${trail.join('\n')}`).toBe(check.expected);
  expect(states).toBeGreaterThan(check.expected === 'holds' ? 10_000 : 1);
});
