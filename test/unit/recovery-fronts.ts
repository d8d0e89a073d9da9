import { Lane } from './lane-fixture.ts';

export function pending(): Lane {
  const lane = Lane.recovered();
  lane.write({ z: '1' });
  lane.cut('one');
  lane.acknowledge();
  lane.write({ a: '1' });
  return lane;
}

/** What a front can be in when it is recovered. Generation 1 ended at seq 2; where there is a second, it is 'two'. */
export const FRONTS = {
  empty: () => Lane.recovered(),
  pending,
  cut(): Lane {
    const lane = pending();
    lane.cut('two');
    lane.write({ a: '2', b: '2' });
    return lane;
  },
  stored(): Lane {
    const lane = pending();
    lane.write({ b: '1' });
    lane.cut('two');
    lane.acknowledge({ ttlMs: 9, limit: 1 });
    return lane;
  },
};
