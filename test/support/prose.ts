/** A sentence of a page, with the line on which it begins, counted from 1. */
export interface Sentence {
  readonly line: number;
  readonly text: string;
  readonly words: number;
}

export const averageWordsMax = 16;
export const sentenceWordsMax = 40;

/** After these a dot is part of the word. */
const abbreviations = /^["'([*_]*(?:e\.g|i\.e|vs|cf|approx)\.$/i;
const closers = '["\'”’)\\]*_]*';
const ending = new RegExp(`[.!?…]${closers}$`);
/** A small letter goes on with the sentence before it. So what is in doubt makes a sentence longer, never shorter. */
const continuing = /^["'“‘([*_]*\p{Ll}/u;
const listItem = /^\s*(?:[-*+]|\d+[.)])\s+/;
/** A heading that stands at the beginning of its paragraph, such as "**Context.** The protocol …". */
const heading = /^\s*(?:[-*+]\s+|\d+[.)]\s+)?\*\*[^*]+[.:]\*\*\s/;

interface Line {
  readonly line: number;
  readonly text: string;
}

/** The sentences of a page of Markdown, without its code blocks, tables, headings, comments and link targets. */
export function sentencesOf(markdown: string): Sentence[] {
  return paragraphsOf(markdown).flatMap(sentencesOfParagraph);
}

/** What a page says too long, one line for each fault; none when it holds. */
export function proseFaults(name: string, markdown: string): string[] {
  const sentences = sentencesOf(markdown);
  const faults = sentences
    .filter(({ words }) => words > sentenceWordsMax)
    .map(({ line, words, text }) => `${name}:${line}: ${words} words, at most ${sentenceWordsMax}: ${text}`);
  const average = averageWords(sentences);
  if (average <= averageWordsMax) return faults;
  const longest = sentences.toSorted((a, b) => b.words - a.words).slice(0, 10);
  return [
    `${name}: ${average.toFixed(1)} words a sentence on average, at most ${averageWordsMax}. The longest:`,
    ...longest.map(({ line, words, text }) => `${name}:${line}: ${words} words: ${text}`),
    ...faults,
  ];
}

export function averageWords(sentences: readonly Sentence[]): number {
  if (sentences.length === 0) return 0;
  return sentences.reduce((sum, { words }) => sum + words, 0) / sentences.length;
}

/** Lines that are read without a break: a paragraph, or an item of a list. */
function paragraphsOf(markdown: string): Line[][] {
  const paragraphs: Line[][] = [];
  let open = false;
  let fence: string | undefined;
  for (const [at, raw] of withoutComments(markdown).split('\n').entries()) {
    const mark = /^\s*(?:>\s*)*(```+|~~~+)/.exec(raw)?.[1];
    if (mark !== undefined) {
      if (fence === undefined) fence = mark;
      else if (mark.startsWith(fence)) fence = undefined;
      open = false;
      continue;
    }
    const text = raw.replace(/^\s*(?:>\s*)+/, '');
    if (fence !== undefined || isApart(text)) {
      open = false;
      continue;
    }
    const begins = listItem.test(text);
    if (!open || begins) paragraphs.push([]);
    const line = begins || !open ? text.replace(heading, ' ').replace(listItem, ' ') : text;
    paragraphs.at(-1)?.push({ line: at + 1, text: line });
    open = true;
  }
  return paragraphs;
}

/** Blank, or a heading, a row of a table, a rule, or where the target of a link is defined. */
function isApart(text: string): boolean {
  return /^\s*(?:$|#{1,6}\s|\||(?:-{3,}|\*{3,}|={3,})\s*$|\[[^\]]+\]:\s)/.test(text);
}

function withoutComments(markdown: string): string {
  return markdown.replaceAll(/<!--.*?-->/gs, (comment) => comment.replaceAll(/[^\n]/g, ''));
}

function sentencesOfParagraph(lines: readonly Line[]): Sentence[] {
  const words = wordsOf(lines);
  const sentences: Sentence[] = [];
  let from = 0;
  let inCode = false;
  for (const [at, { text }] of words.entries()) {
    if ((text.match(/`+/g) ?? []).length % 2 === 1) inCode = !inCode;
    const next = words[at + 1]?.text;
    if (next !== undefined && (inCode || !endsSentence(text, next))) continue;
    const own = words.slice(from, at + 1);
    from = at + 1;
    const count = own.filter((word) => /[\p{L}\p{N}]/u.test(word.text)).length;
    if (count > 0)
      sentences.push({ line: own[0]?.line as number, text: own.map((word) => word.text).join(' '), words: count });
  }
  return sentences;
}

function endsSentence(word: string, next: string): boolean {
  return ending.test(word) && !abbreviations.test(word) && !continuing.test(next);
}

function wordsOf(lines: readonly Line[]): Line[] {
  // Targets go while the lines are one text, because a link may begin on one line and end on the next.
  const text = lines
    .map((line) => line.text)
    .join('\n')
    .replaceAll(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replaceAll(/\]\([^)\n]*\)/g, ']')
    .replaceAll(/<\/?[a-z][^>\n]*>/gi, (tag) => (tag.includes('://') ? 'link' : ''));
  return text.split('\n').flatMap((line, at) =>
    line
      .split(/\s+/)
      .filter((word) => word !== '')
      .map((word) => ({ line: lines[at]?.line as number, text: word })),
  );
}
