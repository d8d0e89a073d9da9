export { MemoryStore, type CommittedBatch, type MemoryStoreHooks } from './memory-store.ts';
export { VirtualClock } from './virtual-clock.ts';
export { testFront, type FrontConformance, type FrontSubject } from './front-conformance.ts';
export { testStore, type StoreConformance, type StoreSubject } from './store-conformance.ts';
export { testShapeStore, type ShapeStoreConformance, type ShapeStoreSubject } from './store-shapes.ts';
