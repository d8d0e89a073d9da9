export { MemoryStore, type CommittedBatch, type MemoryStoreHooks } from './memory-store.ts';
export { VirtualClock } from './virtual-clock.ts';
export { testStore, type StoreConformance, type StoreSubject } from './store-conformance.ts';
