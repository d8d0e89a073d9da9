/**
 * Which existing files of src a new shape has to be entered in: those whose code names things of more than one shape.
 * A file that names things of one shape alone is that shape's own, or its own concern.
 *
 *   node --import ./scripts/run-ts.mjs scripts/shape-files.ts      prints the list
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Shape {
  /** Names of files that are the shape's own. */
  readonly files: RegExp;
  /** What code calls its things. */
  readonly words: RegExp;
}

/** The shapes that were added to documents. */
const SHAPES: Readonly<Record<string, Shape>> = {
  counters: { files: /counter|increment|total|delta|sum/i, words: /counters?|increments?|totals?|deltas?/i },
  log: {
    files: /(^|[/-])log[.-]|append|entry-table/i,
    words: /\b(log|LOG|FLOG|Log|LogWays|Append\w*|appends?|readLog|EntryTable)\b/,
  },
  leaderboard: { files: /score|leaderboard|board|rank/i, words: /scores?|leaderboard|board|ranking/i },
};

const withoutComments = (file: string, text: string): string =>
  /\.(lua|sql)$/.test(file)
    ? text.replaceAll(/--.*$/gm, '')
    : text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');

/** Paths from the root, sorted: of the product, and of the suites and the store for tests that come with it. */
export function shapeFiles(): { readonly product: readonly string[]; readonly testing: readonly string[] } {
  const shapes = Object.values(SHAPES);
  const found = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => /\.(ts|lua|sql)$/.test(name) && !name.endsWith('.d.ts'))
    .filter((name) => !shapes.some(({ files }) => files.test(name)))
    .filter((name) => {
      const code = withoutComments(name, readFileSync(join(root, 'src', name), 'utf8'));
      return shapes.filter(({ words }) => words.test(code)).length > 1;
    })
    .map((name) => `src/${name}`)
    .sort();
  const isForTests = (file: string): boolean => file.startsWith('src/testing/');
  return { product: found.filter((file) => !isForTests(file)), testing: found.filter(isForTests) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { product, testing } = shapeFiles();
  console.log([`${product.length} files of the product:`, ...product, '', 'and for tests:', ...testing].join('\n'));
}
