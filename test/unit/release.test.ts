import { describe, expect, test } from 'vitest';
import { refuseVersion, released, unreleased, withVersion } from '../../scripts/release/text.ts';

const changelog = '# Changelog\n\n## Unreleased\n\n- A new thing.\n\n## 0.1.0 (2026-01-02)\n\n- The first.\n';

describe('a version', () => {
  test.each([
    ['0.1.0', '0.1.1'],
    ['0.1.9', '0.2.0'],
    ['0.9.9', '1.0.0'],
    ['1.2.9', '1.2.10'],
  ])('%s can be followed by %s', (present, next) => {
    expect(refuseVersion(present, next)).toBeUndefined();
  });

  test.each([
    ['0.2.0', '0.2.0'],
    ['0.2.0', '0.1.9'],
    ['1.0.0', '0.9.9'],
    ['1.2.10', '1.2.9'],
  ])('%s cannot be followed by %s', (present, next) => {
    expect(refuseVersion(present, next)).toBe(`${next} is not higher than ${present}`);
  });

  test.each(['v0.2.0', '0.2', '0.2.0-beta', '00.2.0', 'next', ''])('is not "%s"', (next) => {
    expect(refuseVersion('0.1.0', next)).toContain('is no version');
  });
});

describe('the changelog', () => {
  test('tells what is unreleased, to the next version', () => {
    expect(unreleased(changelog)).toBe('- A new thing.');
  });

  test('tells it to the end, before the first version', () => {
    expect(unreleased('## Unreleased\n\nThe first version.\n')).toBe('The first version.');
  });

  test('may have nothing, or no such section', () => {
    expect(unreleased('## Unreleased\n\n## 0.1.0\n\n- The first.')).toBe('');
    expect(unreleased('## 0.1.0\n\n- The first.')).toBeUndefined();
  });

  test('has the version and its date after a release, and nothing that is unreleased', () => {
    const after = released(changelog, '0.2.0', '2026-03-04');
    expect(after).toBe(
      '# Changelog\n\n## Unreleased\n\nNothing yet.\n\n## 0.2.0 (2026-03-04)\n\n- A new thing.\n\n' +
        '## 0.1.0 (2026-01-02)\n\n- The first.\n',
    );
    expect(unreleased(after)).toBe('');
  });
});

describe('a manifest', () => {
  test('gets the version where it names its own, and nowhere else', () => {
    const lock = '{"version": "0.1.0", "": {"version": "0.1.0"}, "other": {"version": "0.1.0"}}';
    expect(withVersion(lock, '0.1.0', '0.2.0', 2)).toBe(
      '{"version": "0.2.0", "": {"version": "0.2.0"}, "other": {"version": "0.1.0"}}',
    );
  });

  test('that does not name it is not changed', () => {
    expect(() => withVersion('{}', '0.1.0', '0.2.0', 1)).toThrow('is there 0 times instead of 1');
  });
});
