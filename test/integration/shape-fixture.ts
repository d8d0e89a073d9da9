import { afterAll, beforeAll } from 'vitest';
import type { Front } from '../../src/ports/front.ts';
import { frontPlaces } from '../support/fronts.ts';
import { Schema } from './postgres-fixture.ts';

/** The schema of a test file, and a table in it for each test. */
export interface ShapeTables {
  readonly schema: Schema;
  /** Makes a table; its name serves as the cache's as well. */
  table(columns?: string): Promise<string>;
}

/** For the whole file that calls it. */
export function shapeTables(prefix: string, columns: string): ShapeTables {
  let schema: Schema;
  let made = 0;
  beforeAll(async () => {
    schema = await Schema.create();
  });
  afterAll(() => schema[Symbol.asyncDispose]());
  return {
    get schema() {
      return schema;
    },
    async table(given = columns) {
      const name = `${prefix}_${made++}`;
      await schema.pool.query(`create table ${name} (${given})`);
      return name;
    },
  };
}

/** Runs a test with what opens caches on one place of fronts of this kind, and closes them all. */
export async function withFronts<
  C extends { close(options: { readonly timeout: '2s' }): Promise<unknown> },
  O extends object,
  T,
>(
  kind: keyof typeof frontPlaces,
  create: (front: Front, options: Partial<O>) => C,
  run: (open: (options?: Partial<O>) => C) => Promise<T>,
): Promise<T> {
  await using place = await frontPlaces[kind]();
  const opened: C[] = [];
  try {
    return await run((options = {}) => {
      const cache = create(place.front(), options);
      opened.push(cache);
      return cache;
    });
  } finally {
    await Promise.all(opened.map((cache) => cache.close({ timeout: '2s' })));
  }
}
