import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './package.ts';

export interface Document {
  readonly file: string;
  readonly text: string;
}

export interface Snippet {
  readonly file: string;
  /** Of the first line of code, from 1. */
  readonly line: number;
  readonly code: string;
  /** Complete: it imports what it uses. */
  readonly isProgram: boolean;
  readonly runs: boolean;
  /** What a run prints, where the document says so. */
  readonly output: string | undefined;
}

const names = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'];
const pages = [...names, 'model/README.md', 'test/README.md'].map((name) => join(root, name));
const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.md'),
);

export const documents: readonly Document[] = [...pages, ...docs.map((name) => join(root, 'docs', name))]
  .sort()
  .map((file) => ({ file, text: readFileSync(file, 'utf8') }));

interface Block {
  readonly info: string;
  readonly line: number;
  readonly code: string;
}

function blocksOf({ text }: Document): Block[] {
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    info: match[1] as string,
    line: text.slice(0, match.index).split('\n').length + 1,
    code: match[2] as string,
  }));
}

export function snippetsOf(document: Document): Snippet[] {
  const blocks = blocksOf(document);
  return blocks.flatMap(({ info, line, code }, at) => {
    if (!/^ts( run)?$/.test(info)) return [];
    const next = blocks[at + 1];
    return [
      {
        file: document.file,
        line,
        code,
        isProgram: /^import /m.test(code),
        runs: info === 'ts run',
        output: next?.info === 'text output' ? next.code : undefined,
      },
    ];
  });
}

const withoutBlocks = (text: string): string => text.replaceAll(/^```[^\n]*\n.*?^```$/gms, '');

/** Targets of links within the repository. */
export function linksIn({ text }: Document): string[] {
  return [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] as string)
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** Anchors as the usual renderers make them from headings. */
export function headingsOf(text: string): string[] {
  return [...withoutBlocks(text).matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Files and folders of the repository that are named in backquotes; a name with a wildcard or a gap is a pattern. */
export function pathsIn({ text }: Document): string[] {
  return [...withoutBlocks(text).matchAll(/`((?:src|test|bench|docs|examples|scripts|docker)\/[\w./-]*)`/g)].map(
    (match) => match[1] as string,
  );
}

/** `millrace …` and `npm …` in backquotes, and in lines of shell blocks. */
export function commandsIn(document: Document): { file: string; words: string[] }[] {
  const inline = [...withoutBlocks(document.text).matchAll(/`((?:npx )?(?:millrace|npm) [^`]+)`/g)].map(
    (match) => match[1] as string,
  );
  const lines = blocksOf(document)
    .filter(({ info }) => info === 'sh')
    .flatMap(({ code }) => code.split('\n').flatMap((line) => line.replace(/\s#.*$/, '').split(/&&|\|/)));
  return [...inline.flatMap((text) => text.split('&&')), ...lines]
    .map((text) => text.trim().replace(/^npx /, '').split(/\s+/))
    .filter(([program]) => program === 'millrace' || program === 'npm')
    .map((words) => ({ file: document.file, words }));
}
