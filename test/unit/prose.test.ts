import { relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { documents } from '../dist/documents.ts';
import { root } from '../dist/package.ts';
import { averageWords, averageWordsMax, proseFaults, sentencesOf, sentenceWordsMax } from '../support/prose.ts';

/**
 * Holds the pages to short sentences: 16 words on average, never more than 40.
 */
const texts = new Map(documents.map(({ file, text }) => [relative(root, file), text]));
const pages = [...texts.keys()];
const textOf = (page: string) => texts.get(page) ?? '';

test('every page is found', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'docs/performance.md']));
  expect(pages.filter((page) => page.startsWith('docs/adr/')).length).toBeGreaterThan(30);
  expect(pages.flatMap((page) => sentencesOf(textOf(page))).length).toBeGreaterThan(1_000);
});

test.each(pages)('%s has short sentences', (page) => {
  expect(proseFaults(page, textOf(page))).toEqual([]);
});

describe('sentences', () => {
  const told = (markdown: string) => sentencesOf(markdown).map(({ text }) => text);

  test.each([
    ['a dot, a question and an exclamation end one', 'One. Two? Three! Four', 4],
    ['abbreviations do not', 'Some levels, e.g. Fsynced, i.e. On the disk, cf. Levels, are higher.', 1],
    ['decimals and names of files do not', 'A share of 0.5 is set in lane.ts or README.md by 1.2.3 of it.', 1],
    ['a semicolon and a colon do not', 'One thing; Another thing: The third.', 1],
    ['a small letter goes on', 'It waits (why? because it must) and goes... somewhere.', 1],
    ['brackets, quotes and emphasis close before the next', '(It is.) *It was.* "It will be." So it goes.', 4],
    ['a sentence may begin with code', 'It ends. `close` does that.', 2],
    ['code has no ends', 'The text `a. B? C! D` is code.', 1],
    ['code over two lines has none', 'The text `a.\nB` is code.', 1],
    ['a sentence goes on in the next line', 'It begins here\nand ends here.', 1],
    ['a paragraph ends one', 'Without a dot\n\nAnother', 2],
    ['an item ends one', 'A list:\n\n- one\n- two, which goes on\n  in its next line\n- three. And four.\n1. five', 6],
    ['a quotation is read like any text', '> One\n> goes on.\n>\n> Two.', 2],
  ])('%s', (_, markdown, count) => {
    expect(told(markdown)).toHaveLength(count);
  });

  test.each([
    ['code blocks', '```ts\nconst a = 1. B;\n```'],
    ['code blocks in lists', '   ````md\n```\nNot here.\n```\n   ````'],
    ['tables', '| One | Two |\n| --- | --- |\n| Three words here. | Four. |'],
    ['headings', '# One\n\n### Two and three.'],
    ['comments', '<!-- One.\nTwo. -->'],
    ['definitions of links', '[one]: https://example.com/two'],
    ['pictures', '![One two three.](four.svg)'],
    ['rules', '---'],
  ])('%s have none', (_, markdown) => {
    expect(sentencesOf(`${markdown}\n`)).toEqual([]);
    expect(told(`Before.\n\n${markdown}\n\nAfter.`)).toEqual(['Before.', 'After.']);
  });

  test('a heading at the beginning of a paragraph is no sentence', () => {
    expect(told('**Context.** The lane is shut.')).toEqual(['The lane is shut.']);
    expect(told('- **Lost:** it is gone.')).toEqual(['it is gone.']);
  });

  test('words have a letter or a digit, and targets of links have none', () => {
    const [sentence] = sentencesOf('Read [the two\npages](docs/one two.md) – at 5 % – of `npm run sim -- --seed`.');
    expect(sentence).toMatchObject({ line: 1, words: 11 });
  });

  test('lines are those of the page', () => {
    const markdown = '# Title\n\n| a |\n\nOne\ntwo. Three.\n\n- four\n  five. Six';
    expect(sentencesOf(markdown).map(({ line, text }) => [line, text])).toEqual([
      [5, 'One two.'],
      [6, 'Three.'],
      [8, 'four five.'],
      [9, 'Six'],
    ]);
  });
});

describe('faults', () => {
  const sentence = (words: number) => `${'word '.repeat(words).trim()}.`;
  const short = `${sentence(1)} `.replace('w', 'W').repeat(100);

  test('a sentence that is too long is told with its line', () => {
    const long = sentence(sentenceWordsMax + 1);
    expect(proseFaults('page.md', `${short}\n\n${sentence(sentenceWordsMax)}`)).toEqual([]);
    expect(proseFaults('page.md', `${short}\n\n${long}`)).toEqual([`page.md:3: 41 words, at most 40: ${long}`]);
  });

  test('so is an average that is too high', () => {
    const [first, second] = [sentence(averageWordsMax), sentence(averageWordsMax + 1)];
    expect(proseFaults('page.md', first)).toEqual([]);
    expect(proseFaults('page.md', `${first}\n\n${second}`)).toEqual([
      'page.md: 16.5 words a sentence on average, at most 16. The longest:',
      `page.md:3: 17 words: ${second}`,
      `page.md:1: 16 words: ${first}`,
    ]);
  });

  test('a page without sentences has no average', () => {
    expect(averageWords([])).toBe(0);
    expect(proseFaults('page.md', '# Title')).toEqual([]);
  });
});
