/**
 * What tests use instead of servers, and the suites that fronts and stores pass.
 *
 * @module millrace/testing
 */
export { type FrontConformance, type FrontSubject, testFront } from './front-conformance.ts';
export { type CommittedBatch, MemoryStore, type MemoryStoreHooks } from './memory-store.ts';
export { type StoreConformance, type StoreSubject, testStore } from './store-conformance.ts';
export { type ShapeStoreConformance, type ShapeStoreSubject, testShapeStore } from './store-shapes.ts';
export { VirtualClock } from './virtual-clock.ts';
