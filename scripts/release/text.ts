/** A released version: three numbers. */
const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/;
const UNRELEASED = '## Unreleased';
/** What stands under the heading when nothing is to be released. */
const NOTHING = 'Nothing yet.';

/** Why `next` cannot follow `present`; undefined when it can. */
export function refuseVersion(present: string, next: string): string | undefined {
  const [before, after] = [VERSION.exec(present), VERSION.exec(next)];
  if (after === null) return `"${next}" is no version: give three numbers, for example 0.2.0`;
  if (before === null) return `the version of package.json is "${present}", which is not three numbers`;
  for (let part = 1; part <= 3; part++) {
    const difference = Number(after[part]) - Number(before[part]);
    if (difference > 0) return undefined;
    if (difference < 0) break;
  }
  return `${next} is not higher than ${present}`;
}

/** What is under "Unreleased"; undefined without that heading, '' when there is nothing. */
export function unreleased(changelog: string): string | undefined {
  const from = changelog.split('\n').indexOf(UNRELEASED);
  if (from < 0) return undefined;
  const lines = changelog.split('\n').slice(from + 1);
  const to = lines.findIndex((line) => line.startsWith('## '));
  const content = lines
    .slice(0, to < 0 ? lines.length : to)
    .join('\n')
    .trim();
  return content === NOTHING ? '' : content;
}

/** The changelog with what was unreleased under the version and its date, and an empty "Unreleased" above. */
export function released(changelog: string, version: string, date: string): string {
  const lines = changelog.split('\n');
  const from = lines.indexOf(UNRELEASED);
  return [
    ...lines.slice(0, from),
    UNRELEASED,
    '',
    NOTHING,
    '',
    `## ${version} (${date})`,
    ...lines.slice(from + 1),
  ].join('\n');
}

/**
 * The text of package.json or package-lock.json with another version of the package itself, which both name near their
 * beginning; layout and everything else stay as they are.
 *
 * @param times How often the version is named: once in package.json, twice in package-lock.json.
 */
export function withVersion(text: string, present: string, next: string, times: number): string {
  let done = 0;
  const line = `"version": "${present}"`;
  const changed = text.replaceAll(line, (found) => (done++ < times ? `"version": "${next}"` : found));
  if (done < times) throw new Error(`${line} is there ${done} times instead of ${times}`);
  return changed;
}
