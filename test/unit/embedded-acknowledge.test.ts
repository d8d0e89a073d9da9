import { expect, test } from 'vitest';
import { embeddedFront } from '../../src/fronts/embedded/lane-front.ts';
import type { EmbeddedLanes } from '../../src/fronts/embedded/lanes.ts';
import { MillraceError, type MillraceErrorCode } from '../../src/index.ts';
import type { Attachment, LaneFront } from '../../src/ports/front.ts';

const ACK = { epoch: 1, generation: 1, deadKeys: [], ttlMs: undefined, limit: 500 };

/** A front with room for steps of so many keys, and how large the steps were that it was asked for. */
function fixture(
  room: number,
  code: MillraceErrorCode = 'MILLRACE_FRONT_UNAVAILABLE',
): { front: LaneFront; sizes: number[] } {
  const sizes: number[] = [];
  const step = async (_lane: number, keys: number): Promise<unknown> => {
    sizes.push(keys);
    if (keys > room) throw new MillraceError(code, 'no room');
    return { kind: 'more' };
  };
  return { front: embeddedFront({ step } as unknown as EmbeddedLanes, { cache: 'c' } as Attachment), sizes };
}

test('an acknowledgement for which there is no room is tried in smaller steps, down to one key', async () => {
  const { front, sizes } = fixture(20);
  expect(await front.acknowledge(0, ACK)).toEqual({ kind: 'more' });
  expect(sizes).toEqual([500, 20]);

  const full = fixture(0);
  await expect(full.front.acknowledge(0, ACK)).rejects.toThrow('no room');
  expect(full.sizes).toEqual([500, 20, 1]);
});

test('an acknowledgement that fails for another reason is not', async () => {
  const { front, sizes } = fixture(0, 'MILLRACE_INTERNAL');
  await expect(front.acknowledge(0, ACK)).rejects.toThrow('no room');
  expect(sizes).toEqual([500]);
});
