import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/**
 * Nobody but the parsers reads the texts of a shape, of what a store holds, and of a mutation's kind: everybody else
 * asks for traits. So a text that is added or changed is a matter of one file.
 */
const TEXTS = new Set(['log', 'counters', 'scores', 'scores.asc', 'append', 'delta', 'put', 'delete']);
/** Names of what has such a text; '' is the shape of documents, which is compared with these only. */
const NAMES = new Set(['shape', 'holds', 'kind']);

/** Who may compare and split them, and why. */
const ALLOWED: Readonly<Record<string, string>> = {
  'src/core/shape.ts': 'the parser',
  'src/fronts/redis/lua/shape-text.lua': 'the parser in Lua, included where a script needs a trait',
};

/** Methods that take a text apart, or look for a part of it. */
const SPLITS = new Set([
  'startsWith',
  'endsWith',
  'includes',
  'indexOf',
  'split',
  'slice',
  'substring',
  'substr',
  'at',
  'charAt',
  'charCodeAt',
  'match',
  'matchAll',
  'replace',
  'search',
]);
const COMPARISONS = new Set([
  ts.SyntaxKind.EqualsEqualsToken,
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
]);

const isText = (node: ts.Node): boolean => ts.isStringLiteralLike(node) && TEXTS.has(node.text);
const isEmpty = (node: ts.Node): boolean => ts.isStringLiteralLike(node) && node.text === '';

/** Whether it is one of the names, alone, of an object, or by default something else. */
function isNamed(node: ts.Node): boolean {
  if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAsExpression(node))
    return isNamed(node.expression);
  if (ts.isBinaryExpression(node)) return isNamed(node.left);
  if (ts.isPropertyAccessExpression(node)) return NAMES.has(node.name.text);
  return ts.isIdentifier(node) && NAMES.has(node.text);
}

function reads(node: ts.Node): boolean {
  if (ts.isCaseClause(node)) {
    const { parent } = node.parent;
    return isText(node.expression) || (isEmpty(node.expression) && isNamed(parent.expression));
  }
  if (ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind)) {
    const { left, right } = node;
    return isText(left) || isText(right) || (isEmpty(left) && isNamed(right)) || (isEmpty(right) && isNamed(left));
  }
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  const { name, expression } = node.expression;
  if (SPLITS.has(name.text))
    return isNamed(expression) || (ts.isArrayLiteralExpression(expression) && expression.elements.some(isText));
  return (name.text === 'test' || name.text === 'exec') && node.arguments.some(isNamed);
}

/** Lines that compare or split such a text. */
function readingsInTypeScript(name: string, text: string): number[] {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const lines: number[] = [];
  const visit = (node: ts.Node): void => {
    if (reads(node)) lines.push(source.getLineAndCharacterOfPosition(node.getStart()).line + 1);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

const LITERAL = `['"](?:${[...TEXTS].map((text) => text.replace('.', '\\.')).join('|')})['"]`;
const NAMED = `\\b(?:${[...NAMES].join('|')})\\b`;
const IN_LUA = [
  `[=~]=\\s*${LITERAL}`,
  `${LITERAL}\\s*[=~]=`,
  `${NAMED}\\s*[=~]=\\s*(?:''|"")`,
  `(?:''|"")\\s*[=~]=\\s*(?:\\w+\\.)?${NAMED}`,
  `string\\.\\w+\\(\\s*(?:\\w+\\.)?${NAMED}`,
  `${NAMED}:\\w+\\(`,
].map((pattern) => new RegExp(pattern));

function readingsInLua(text: string): number[] {
  return text.split('\n').flatMap((line, at) => {
    const [code = ''] = line.split('--');
    return IN_LUA.some((pattern) => pattern.test(code)) ? [at + 1] : [];
  });
}

const readings = (name: string, text: string): number[] =>
  name.endsWith('.lua') ? readingsInLua(text) : readingsInTypeScript(name, text);

const ROOT = join(import.meta.dirname, '../..');
const FILES = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(ts|lua)$/.test(name))
  .map((name) => `src/${name.replaceAll('\\', '/')}`);
const readingsOf = (name: string): number[] => readings(name, readFileSync(join(ROOT, name), 'utf8'));
/** Every file is parsed: a second or two, and more while other tests run. */
const PARSING_MS_MAX = 60_000;

describe('the texts of shape, holds and kind', () => {
  it('are read by nobody but the parsers', { timeout: PARSING_MS_MAX }, () => {
    const found = FILES.filter((name) => !(name in ALLOWED))
      .map((name) => [name, readingsOf(name)] as const)
      .filter(([, lines]) => lines.length > 0);
    expect(Object.fromEntries(found)).toEqual({});
  });

  it.each(Object.keys(ALLOWED))('are read in %s', (name) => {
    expect(FILES).toContain(name);
    expect(readingsOf(name).length).toBeGreaterThan(0);
  });
});

describe('a reading of such a text is found', () => {
  it.each([
    "if (shape === 'log') return;",
    "const is = 'counters' !== holds;",
    "const is = header.shape == 'scores.asc';",
    "switch (traitsOf(shape).name) { case 'log': }",
    "switch (mutation.kind) { case 'append': case 'put': }",
    "const is = shaped === 'delete';",
    "const is = letter.kind === 'delta';",
    "const is = shape === '';",
    "const is = (attachment.shape ?? '') !== '';",
    "switch (shape) { case '': }",
    "const is = header.shape.startsWith('scores');",
    "const [family] = shape.split('.');",
    'const is = /^counters/.test(shape);',
    "const is = ['delta', 'append'].includes(word);",
  ])('in TypeScript: %s', (text) => {
    expect(readings('sample.ts', `// One\n${text}\n`)).toContain(2);
  });

  it.each([
    "if string.sub(h.shape, 1, 6) == 'scores' then",
    "if shape == 'log' then",
    "if 'counters' ~= h.shape then",
    "if h.shape == '' then",
    "if string.find(shape, 'asc') then",
    'if h.shape:sub(1, 3) == x then',
  ])('in Lua: %s', (text) => {
    expect(readings('sample.lua', `-- One\n${text}\n`)).toEqual([2]);
  });

  it.each([
    ['sample.ts', "if (result.kind === 'accepted') return;"],
    ['sample.ts', "switch (query.kind) { case 'range': case 'members': }"],
    ['sample.ts', 'const fault = found === shape;'],
    ['sample.ts', "const batch = { kind: 'append', shape: '' };"],
    ['sample.ts', "const is = raw === '' || store.holds === undefined;"],
    ['sample.lua', "if h.shape ~= ARGV[2] then return { 'misshapen', h.shape } end"],
    ['sample.lua', "redis.call('RPUSH', PREFIX .. 'log', entry) -- shape == 'log'"],
    ['sample.lua', "if reshape == '' then"],
  ])('and nothing else, in %s: %s', (name, text) => {
    expect(readings(name, text)).toEqual([]);
  });
});
