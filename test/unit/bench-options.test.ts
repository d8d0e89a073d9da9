import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseOptions } from '../../bench/options.ts';

const told: string[] = [];
vi.spyOn(process.stdout, 'write').mockImplementation((text) => told.push(String(text)) > 0);
vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(String(text)) > 0);

afterEach(() => void told.splice(0));

describe('the options of the bench', () => {
  test('ask for all cases by default', () => {
    expect(parseOptions([])).toMatchObject({ kind: 'cases', all: true, quick: false, rounds: 5, json: false });
    expect(parseOptions(['--quick'])).toMatchObject({ quick: true, rounds: 3 });
  });

  test('ask for some of them', () => {
    const wish = parseOptions(['--only', 'drain,lmdb', '--rounds', '7']);
    expect(wish).toMatchObject({ names: ['drain', 'lmdb'], all: false, rounds: 7 });
  });

  test('ask for pairs of builds', () => {
    const wish = parseOptions(['--against', '../old', '--json']);
    expect(wish).toMatchObject({ kind: 'paired', against: '../old', pairs: 20, json: true });
  });

  test('take rows by name, and by a part of it', () => {
    expect(parseOptions(['--against', '.', '--only', 'scores/lmdb'])).toMatchObject({ rows: ['scores/lmdb'] });
    expect(parseOptions(['--against', '.', '--only', 'drain,ioredis'])).toMatchObject({
      rows: ['writes-1/ioredis', 'writes-512/ioredis', 'drain/redis', 'drain/lmdb', 'drain/memory'],
    });
  });

  test('explain themselves', () => {
    expect(() => parseOptions(['--help'])).toThrow(expect.objectContaining({ exitCode: 0 }));
    const help = told.join('');
    for (const name of ['--against', '--pairs', 'accepted-writes', 'write-through/lmdb']) expect(help).toContain(name);
  });

  test.each([
    [['--fast'], "error: unknown option '--fast'"],
    [['drain'], 'error: too many arguments. Expected 0 arguments but got 1.'],
    [['--only', 'nothing'], 'error: there is no case "nothing": see --help'],
    [['--against', '.', '--only', 'latency'], 'error: there is no row "latency": see --help'],
    [['--pairs', '3'], 'error: --pairs needs --against'],
    [['--against', '.', '--quick'], 'error: --quick is not for --against: give fewer --pairs'],
    [['--against', '.', '--rounds', '3'], 'error: --rounds is not for --against: give --pairs'],
  ])('refuse %j in one line', (args, line) => {
    expect(() => parseOptions(args)).toThrow(expect.objectContaining({ exitCode: 1 }));
    expect(told.join('')).toBe(`${line}\n`);
  });

  test.each(['0', '-1', '2.5', 'many'])('refuse %s rounds', (rounds) => {
    expect(() => parseOptions([`--rounds=${rounds}`])).toThrow('whole number from 1 to 9999');
  });
});
