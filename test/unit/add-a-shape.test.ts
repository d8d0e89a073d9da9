import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { shapeFiles } from '../../scripts/shape-files.ts';

/** A fifth shape is new files, and an entry in these; a seam that needs more of them is wrong. */
const FILES_MAX = 12;

const recipe = /^### A shape\n(.*?)^### /ms.exec(readFileSync('CONTRIBUTING.md', 'utf8'))?.[1] ?? '';
const listed = [...recipe.matchAll(/^\| `(src\/[^`]+)`/gm)].map((match) => match[1] as string);

test(`a shape is entered in at most ${FILES_MAX} files`, () => {
  const { product } = shapeFiles();
  expect(product).toContain('src/core/shape.ts');
  expect(product).toContain('src/fronts/redis/scripts.ts');
  expect(product.length).toBeLessThanOrEqual(FILES_MAX);
});

test('CONTRIBUTING lists them', () => {
  const { product, testing } = shapeFiles();
  expect(listed.toSorted()).toEqual([...product, ...testing].toSorted());
});
