import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const folder = fileURLToPath(new URL('..', import.meta.url));

test('test/README.md has every folder of test/, and no other', () => {
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const map = readFileSync(`${folder}/README.md`, 'utf8');
  const listed = [...map.matchAll(/^\| `([\w-]+)\/` +\|/gm)].map((match) => match[1] as string);
  expect(listed.toSorted()).toEqual(folders.map(({ name }) => name).toSorted());
});
