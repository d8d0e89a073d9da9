import { test } from 'vitest';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { testStore } from '../../src/testing/store-conformance.ts';

/** The store for tests keeps the contract of stores itself, letters and all. */
const badValue = '{"text":"refused"}';

testStore({
  test,
  capabilities: { transactions: true, deadLetters: true },
  open: () =>
    Promise.resolve({
      store: new MemoryStore({ refuse: ({ json }) => (json === badValue ? '23514' : undefined) }),
      value: (text: string) => JSON.stringify({ text }),
      badValue,
      anyJson: true,
      close: () => Promise.resolve(),
    }),
});
