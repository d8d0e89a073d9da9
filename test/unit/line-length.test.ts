import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const CHARACTERS_MAX = 120;
const root = fileURLToPath(new URL('../..', import.meta.url));

const code = /\.(ts|mjs|cjs|lua|sql|sh|ya?ml|pml)$|^\.ci\//;
const prose = /\.md$/;

/** Lines of code that are longer, as `file:line`. */
function longLines(file: string, text: string): string[] {
  const lines = prose.test(file) ? proseOf(text) : text.split('\n');
  return lines.flatMap((line, i) => ([...line].length > CHARACTERS_MAX ? [`${file}:${i + 1}`] : []));
}

/** The same lines, empty where they cannot be wrapped: tables, blocks of code; and without where links lead. */
function proseOf(text: string): string[] {
  let isCode = false;
  return text.split('\n').map((line) => {
    const isFence = /^\s*```/.test(line);
    if (isFence) isCode = !isCode;
    return isCode || isFence || /^\s*\|/.test(line) ? '' : line.replaceAll(/\]\([^)]*\)/g, ']');
  });
}

describe(`a line longer than ${CHARACTERS_MAX} characters`, () => {
  const long = 'x'.repeat(CHARACTERS_MAX + 1);

  test('is found in code, whatever it is', () => {
    expect(longLines('a.ts', `short\n${long}\n| ${long} |`)).toEqual(['a.ts:2', 'a.ts:3']);
  });

  test('is found in prose', () => {
    expect(longLines('a.md', `${long}\n- ${long}`)).toEqual(['a.md:1', 'a.md:2']);
  });

  test('may be a row of a table, code in a block, or long for a link', () => {
    const link = `[here](${long})`;
    expect(longLines('a.md', `| ${long} |\n\n\`\`\`sh\n${long}\n\`\`\`\n\n${link}`)).toEqual([]);
  });

  test('is counted in characters, not in bytes', () => {
    expect(longLines('a.ts', 'µ'.repeat(CHARACTERS_MAX))).toEqual([]);
  });
});

test('no line is longer', () => {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root });
  const files = listed
    .toString()
    .split('\n')
    .filter((file) => (code.test(file) || prose.test(file)) && existsSync(join(root, file)));
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap((file) => longLines(file, readFileSync(join(root, file), 'utf8')))).toEqual([]);
});
