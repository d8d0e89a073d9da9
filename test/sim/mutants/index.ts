import { CORE_MUTANTS } from './core.ts';
import { ENGINE_MUTANTS } from './engine.ts';
import type { Mutant } from './mutant.ts';
import { STORE_MUTANTS } from './store.ts';

export const MUTANTS: readonly Mutant[] = [...CORE_MUTANTS, ...ENGINE_MUTANTS, ...STORE_MUTANTS];
