import { expect, test } from 'vitest';
import { judgeFence } from '../../src/core/fence.ts';
import { fence } from './lane-fixture.ts';

const next = { epoch: 3, generation: 5, cutSeq: 50, digest: 'ours' };

test.each([
  ['the generation before, same epoch', fence({ epoch: 3, generation: 4, seq: 40 }), undefined],
  ['the generation itself', fence({ epoch: 3, generation: 5, seq: 50, digest: 'ours' }), 'applied'],
  [
    'the generation itself, and another worker has the lane',
    fence({ epoch: 4, generation: 5, seq: 50, digest: 'ours' }),
    'applied',
  ],
  ['another cut of the same number', fence({ epoch: 3, generation: 5, seq: 50, digest: 'theirs' }), 'diverged'],
  ['the same name at another seq', fence({ epoch: 3, generation: 5, seq: 49, digest: 'ours' }), 'diverged'],
  ['the generation before, a higher epoch', fence({ epoch: 4, generation: 4, seq: 40 }), 'superseded'],
  ['a later generation, a higher epoch', fence({ epoch: 4, generation: 6, seq: 60 }), 'superseded'],
  ['the generation before, a lower epoch', fence({ epoch: 2, generation: 4, seq: 40 }), 'diverged'],
  ['an older generation', fence({ epoch: 3, generation: 3, seq: 30 }), 'diverged'],
  ['no fence', undefined, 'diverged'],
])('%s', (_, found, verdict) => expect(judgeFence(next, found)).toBe(verdict));
