import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandsIn, documents, headingsOf, linksIn, pathsIn, type Snippet, snippetsOf } from './documents.ts';
import { root } from './package.ts';
import { Workshop } from './workshop.ts';

/**
 * Holds the prose to the code. A block that begins with ```ts and imports something is a program, any other is a
 * fragment; both are typechecked against the built package. A program that is marked ```ts run is run as well, and
 * prints the block ```text output that follows it.
 */
const snippets = documents.flatMap(snippetsOf);
const programs = snippets.filter(({ runs }) => runs);

/** With arguments that make them short. */
const examples = [
  ['sessions.ts', ['--clicks', '20']],
  ['page-views.ts', ['--minutes', '3', '--minute-ms', '100']],
  ['telemetry.ts', ['--seconds', '1']],
  ['leaderboard.ts', ['--seconds', '1']],
  ['payments.ts', ['--payments', '4000']],
] as const;

describe('snippets', () => {
  let workshop: Workshop;

  beforeAll(async () => {
    workshop = await Workshop.open(snippets);
  });

  afterAll(() => workshop?.close());

  test('have the types of the built package', async () => {
    expect(await workshop.typeFaults()).toBe('');
  });

  test('are found', () => {
    expect(programs.length).toBeGreaterThan(3);
    expect(snippets.length).toBeGreaterThan(programs.length);
  });

  test.each(programs.map((program) => [where(program), program] as const))('%s runs', async (_, program) => {
    const printed = await workshop.run(program);
    expect(program.output === undefined ? undefined : printed.trim()).toBe(program.output?.trim());
  });
});

// An example verifies its rows by itself, and exits with 1 when something is not as it should be.
describe.each(examples)('the example %s', (file, args) => {
  test('verifies on embedded parts', async () => {
    expect(await Workshop.example(file, ...args)).toMatch(/^verified: /m);
  });

  test('verifies on servers', async () => {
    const [redis, postgres] = [process.env['MILLRACE_TEST_REDIS_URL'], process.env['MILLRACE_TEST_POSTGRES_URL']] as [
      string,
      string,
    ];
    expect(await Workshop.example(file, ...args, '--redis', redis, '--postgres', postgres)).toMatch(/^verified: /m);
  });
});

test('every example is run', () => {
  const files = readdirSync(join(root, 'examples')).filter((file) => file !== 'parts.ts');
  expect(files.toSorted()).toEqual(examples.map(([file]) => file).toSorted());
});

describe.each(documents.map((document) => [relative(root, document.file), document] as const))('%s', (_, document) => {
  test('links to what is there', () => {
    const broken = linksIn(document).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? document.file : resolve(dirname(document.file), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !headingsOf(readFileSync(target, 'utf8')).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('names files that are there', () => {
    expect(pathsIn(document).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

test('commands exist, with the options that are given', async () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const faults: string[] = [];
  const helps = new Map<string, string>();
  for (const { file, words } of documents.flatMap(commandsIn)) {
    const [program, first = '', second = ''] = words;
    if (program === 'npm') {
      if (first === 'run' && scripts[second] === undefined) faults.push(`${file}: npm run ${second}`);
      if (!['ci', 'run', 'test', 'install'].includes(first)) faults.push(`${file}: npm ${first}`);
      continue;
    }
    const command = first === 'dead' && /^[a-z]+$/.test(second) ? [first, second] : /^[a-z]/.test(first) ? [first] : [];
    const name = command.join(' ');
    if (!helps.has(name)) helps.set(name, await Workshop.help(command));
    const help = helps.get(name) as string;
    if (!help.startsWith(`Usage: millrace ${name}`.trimEnd())) faults.push(`${file}: millrace ${name}`);
    for (const option of words.filter((word) => word.startsWith('--'))) {
      if (!help.includes(`${option.split('=')[0]} `) && option !== '--help')
        faults.push(`${file}: millrace ${name} ${option}`);
    }
  }
  expect(faults).toEqual([]);
});

describe('docs/operations.md', () => {
  const text = textOf('docs/operations.md');
  const rows = (heading: string) =>
    [...section(text, heading).matchAll(/^\| `([\w-]+)` \|/gm)].map((match) => match[1] as string);

  test('explains every error code', () => {
    const source = readFileSync(join(root, 'src/errors.ts'), 'utf8');
    const codes = [...source.matchAll(/^ {2}\| '(MILLRACE_\w+)'/gm)].map((match) => match[1] as string);
    expect(codes.length).toBeGreaterThan(10);
    expect(rows('Error codes').sort()).toEqual(codes.sort());
  });

  test('explains every event', () => {
    const source =
      /interface CacheEvents \{(.*?)^\}/ms.exec(readFileSync(join(root, 'src/events.ts'), 'utf8'))?.[1] ?? '';
    const events = [...source.matchAll(/^ {2}'?([a-z-]+)'?: /gm)].map((match) => match[1] as string);
    expect(events.length).toBeGreaterThan(5);
    expect(rows('Events').sort()).toEqual(events.sort());
  });
});

describe('docs/options.md', () => {
  const text = textOf('docs/options.md');
  const listed = (heading: string) =>
    [...section(text, heading).matchAll(/^\| (`[^|]+`) \|/gm)]
      .flatMap((match) => [...(match[1] as string).matchAll(/`([\w.]+)`/g)].map((name) => name[1] as string))
      .sort();
  const source = (file: string) => readFileSync(join(root, file), 'utf8');
  const quoted = (list: string | undefined) =>
    [...(list ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1] as string).sort();

  test('has every option of a cache', () => {
    const known = quoted(/read\.known\(\[(.*?)\]\)/s.exec(source('src/options/cache.ts'))?.[1]);
    expect(known.length).toBeGreaterThan(10);
    expect(listed('createCache')).toEqual(known);
  });

  test('has every option of flushing', () => {
    const sections = [...source('src/options/settings.ts').matchAll(/section\('(\w+)', \[(.*?)\],?\s*\)/gs)];
    expect(sections.length).toBe(3);
    expect(listed('flush')).toEqual(
      sections.flatMap((match) => quoted(match[2]).map((name) => `${match[1]}.${name}`)).sort(),
    );
  });

  test('has every option of the fronts and the store', () => {
    const members = (file: string, name: string) =>
      [
        ...(new RegExp(`interface ${name} \\{(.*?)^\\}`, 'ms').exec(source(file))?.[1] ?? '').matchAll(
          /^ {2}readonly (\w+)/gm,
        ),
      ]
        .map((match) => match[1] as string)
        .sort();
    expect(listed('redisFront')).toEqual(members('src/fronts/redis/index.ts', 'RedisFrontOptions'));
    expect(listed('lmdbFront')).toEqual(members('src/fronts/lmdb/index.ts', 'LmdbFrontOptions'));
    expect(listed('One write')).toEqual(members('src/options/cache.ts', 'WriteOptions'));
  });

  test('has every option of counters, logs, leaderboards and stores on a table', () => {
    const known = (file: string, list: RegExp) => quoted(list.exec(source(file))?.[1]);
    const common = [
      ...known('src/stores/sql/options.ts', /COMMON = \[(.*?)\]/s),
      ...known('src/stores/postgres/options.ts', /super\(where, options, \[(.*?), \.\.\.own\]/),
    ];
    const own = (file: string, name: string) =>
      known(file, new RegExp(`PostgresOptionReader\\('${name}', options, \\[(.*?)\\]`, 's'));
    expect(listed('postgresStore')).toEqual(
      [...common, ...own('src/stores/postgres/options.ts', 'postgresStore')].sort(),
    );
    expect(listed('postgresCounters')).toEqual(own('src/stores/postgres/counters.ts', 'postgresCounters'));
    expect(listed('postgresLeaderboard')).toEqual(own('src/stores/postgres/leaderboard.ts', 'postgresLeaderboard'));
    expect(listed('postgresLog')).toEqual(own('src/stores/postgres/log.ts', 'postgresLog'));
    const cache = known('src/options/cache.ts', /read\.known\(\[(.*?)\]\)/s);
    for (const [heading, file] of [
      ['createCounters', 'src/options/counters.ts'],
      ['createLog', 'src/options/log.ts'],
      ['createLeaderboard', 'src/options/leaderboard.ts'],
    ] as const) {
      const options = known(file, /read\.known\(\[(.*?)\]\)/s);
      expect(listed(heading)).toEqual(options.filter((option) => !cache.includes(option) || option === 'store'));
    }
  });
});

describe('figures of the comparison', () => {
  interface Verdict {
    readonly measured: number;
    readonly met: boolean;
  }
  const { cases } = JSON.parse(readFileSync(join(root, 'bench/results/full.json'), 'utf8')) as {
    cases: { lines: string[]; verdicts: Verdict[] }[];
  };
  const rowsAfter = (file: string, text: string) => {
    const lines = textOf(file).split(text)[1]!.split('\n');
    const from = lines.findIndex((line) => line.startsWith('| -')) + 1;
    return lines.slice(
      from,
      lines.findIndex((line, i) => i > from && !line.startsWith('|')),
    );
  };

  test('are those of the published run in the README', () => {
    const printed = cases.flatMap(({ lines }) => lines).join('\n');
    const quoted = rowsAfter('README.md', 'Beside what a team would use instead').flatMap(
      (row) => row.match(/\d{1,3}(,\d{3})+|\d+(?= µs)|[\d.]+ %/g) ?? [],
    );
    expect(quoted.length).toBeGreaterThan(14);
    expect(
      quoted.filter((figure) => !new RegExp(`(?<![\\d,.])${figure.replace('.', '\\.')}(?![\\d,])`).test(printed)),
    ).toEqual([]);
  });

  test('are those of the published run in docs/performance.md, and so is what is met', () => {
    const verdicts = cases.flatMap((one) => one.verdicts);
    const rows = rowsAfter('docs/performance.md', '## Where it stands').map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
    const told = rows.map(([, measured = '', , met = '']) => {
      const figure = measured === 'none' ? '0' : (/[\d,.]+/.exec(measured)?.[0] ?? '').replaceAll(',', '');
      return { figure, met: !met.includes('not met') };
    });
    const published = verdicts.map(({ measured, met }, i) => ({
      figure: measured.toFixed(told[i]?.figure.split('.')[1]?.length ?? 0),
      met,
    }));
    expect(told).toEqual(published);
  });
});

test('no code is mentioned that does not exist', () => {
  const source = readFileSync(join(root, 'src/errors.ts'), 'utf8');
  const unknown = documents.flatMap(({ file, text }) =>
    [...text.matchAll(/MILLRACE_[A-Z_]+/g)]
      .map(([code]) => code)
      .filter((code) => !/^MILLRACE_(TEST|PROPERTY)_/.test(code) && !source.includes(`'${code}'`))
      .map((code) => `${file}: ${code}`),
  );
  expect(unknown).toEqual([]);
});

function where({ file, line }: Snippet): string {
  return `${relative(root, file)}:${line}`;
}

/** A document, its tables as they are without the blanks that align them. */
function textOf(file: string): string {
  const text = readFileSync(join(root, file), 'utf8');
  return text.replaceAll(/^\|.*$/gm, (row) => row.replaceAll(/ +(?= \|)/g, ''));
}

function section(text: string, heading: string): string {
  return new RegExp(`^## ${heading}\\n(.*?)(?=^## |$(?![\\s\\S]))`, 'ms').exec(text)?.[1] ?? '';
}
