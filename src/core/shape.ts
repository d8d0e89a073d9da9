/**
 * What a cache holds, and what a mutation does to a row.
 *
 * Shapes and kinds are texts in headers of lanes, in tables of the store and in options. This file alone reads those
 * texts. Everybody else asks {@link traitsOf} or {@link kindTraits} for the fact that makes the difference, or looks up
 * a table by {@link ShapeTraits.name}. In Lua the one file is `src/fronts/redis/lua/shape-text.lua`. The test
 * `test/unit/shape-texts.test.ts` holds the rest of the source to that.
 */

/**
 * The text of a shape: '' for documents, 'log' for events, 'counters' for whole numbers and 'counters.2' for decimals
 * with so many digits behind the point, 'scores' for a leaderboard with the highest score first and 'scores.asc' for
 * one with the lowest. Pinned when a lane is created: of another shape its contents mean nothing.
 */
export type Shape = '' | 'log' | 'counters' | `counters.${number}` | 'scores' | 'scores.asc';

export type ShapeName = 'documents' | 'counters' | 'log' | 'leaderboard';

/** The text that a store of another shape than documents says it `holds`. */
export type Holds = 'counters' | 'log' | 'scores';

export interface ShapeTraits {
  readonly name: ShapeName;
  /** As in "it holds …". */
  readonly noun: string;
  /** What its mutations are called, many of them. */
  readonly mutations: string;
  /** What its store must hold; undefined for documents. */
  readonly holds: Holds | undefined;
  /** Digits behind the point of its numbers. */
  readonly scale: number;
  /** Its values are sums, to which its mutations add. */
  readonly isSummed: boolean;
  /** Its values have ranks: they are on a board instead of in slots. */
  readonly isRanked: boolean;
  /** Of those with ranks: the lowest comes first. */
  readonly isLowestFirst: boolean;
  /** What is loaded from the store is added to, so a load must know what was invalidated meanwhile. */
  readonly countsInvalidations: boolean;
}

export const DOCUMENTS: Shape = '';
export const LOG: Shape = 'log';

/** Counters with so many digits behind the point. */
export const countersOf = (scale: number): Shape => (scale > 0 ? `counters.${scale}` : 'counters');

/** A leaderboard with the highest score first, or with the lowest. */
export const leaderboardOf = (isLowestFirst: boolean): Shape => (isLowestFirst ? 'scores.asc' : 'scores');

const known = new Map<Shape, ShapeTraits>();

/** What a shape's text says; of none given, what documents are. */
export function traitsOf(shape: Shape = DOCUMENTS): ShapeTraits {
  let traits = known.get(shape);
  if (traits === undefined) known.set(shape, (traits = parse(shape)));
  return traits;
}

function parse(shape: Shape): ShapeTraits {
  const [family, detail] = shape.split('.') as [Holds | '', string | undefined];
  const scale = family === 'counters' ? Number(detail ?? 0) : 0;
  const isLowestFirst = family === 'scores' && detail === 'asc';
  return {
    ...FAMILIES[family],
    noun:
      FAMILIES[family].noun + (scale > 0 ? ` with ${scale} decimals` : isLowestFirst ? ' with the lowest first' : ''),
    holds: family === '' ? undefined : family,
    scale,
    isLowestFirst,
  };
}

type Family = Pick<ShapeTraits, 'name' | 'noun' | 'mutations' | 'isSummed' | 'isRanked' | 'countsInvalidations'>;

const FAMILIES: Readonly<Record<Holds | '', Family>> = {
  '': {
    name: 'documents',
    noun: 'documents',
    mutations: 'writes',
    isSummed: false,
    isRanked: false,
    countsInvalidations: false,
  },
  counters: {
    name: 'counters',
    noun: 'counters',
    mutations: 'increments',
    isSummed: true,
    isRanked: false,
    countsInvalidations: true,
  },
  log: {
    name: 'log',
    noun: 'a log',
    mutations: 'events',
    isSummed: false,
    isRanked: false,
    countsInvalidations: false,
  },
  scores: {
    name: 'leaderboard',
    noun: 'a leaderboard',
    mutations: 'scores',
    isSummed: false,
    isRanked: true,
    countsInvalidations: false,
  },
};

/** The shape of a store that `holds` this, without what only the cache decides. */
export const shapeOf = (holds: Holds | undefined): Shape => holds ?? DOCUMENTS;

/** Why a lane that was found to have one shape takes nothing of another, or ''. */
export function misshapen(found: Shape, shape: Shape): string {
  return found === shape ? '' : `it holds ${traitsOf(found).noun}, not ${traitsOf(shape).noun}`;
}

/** What a mutation does to its row: writes it, removes it, adds to it, or is a row of its own. */
export type MutationKind = 'put' | 'delete' | 'delta' | 'append';

/** The kinds that a mutation names; it says whether it is a put or a delete by having a value or none. */
export type NamedKind = 'delta' | 'append';

export interface KindTraits {
  /** A later one of its key takes its place; otherwise each counts. */
  readonly isReplaced: boolean;
  readonly isDelete: boolean;
  readonly isDelta: boolean;
  /** Its place among the others matters: rows are not sorted by key. */
  readonly isOrdered: boolean;
}

const KINDS: Readonly<Record<MutationKind, KindTraits>> = {
  put: { isReplaced: true, isDelete: false, isDelta: false, isOrdered: false },
  delete: { isReplaced: true, isDelete: true, isDelta: false, isOrdered: false },
  delta: { isReplaced: false, isDelete: false, isDelta: true, isOrdered: false },
  append: { isReplaced: false, isDelete: false, isDelta: false, isOrdered: true },
};

export const kindTraits = (kind: MutationKind): KindTraits => KINDS[kind];

/** Kinds with a trait, in the order in which they are named. */
export const kindsWith = (trait: (traits: KindTraits) => boolean): readonly MutationKind[] =>
  (Object.keys(KINDS) as MutationKind[]).filter((kind) => trait(KINDS[kind]));

/** The kind of a mutation that names it only where it is no put or delete. */
export const kindOf = ({
  kind,
  json,
}: {
  readonly kind?: NamedKind;
  readonly json: string | undefined;
}): MutationKind => kind ?? (json === undefined ? 'delete' : 'put');

/** What {@link kindOf} made the kind of: to be spread into a mutation. */
export function kindField(kind: MutationKind): { readonly kind?: NamedKind } {
  return kind === 'delta' || kind === 'append' ? { kind } : {};
}
