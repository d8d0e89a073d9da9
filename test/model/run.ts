/**
 * Searches all states of the model of the lane protocol.
 *
 *   npm run model [-- --only 'without the fence'] [--trail]
 *
 * `--trail` prints the run that ends in each violation. Exits non-zero unless every check ends as it is expected to.
 */
import { parseArgs } from 'node:util';
import { COVERED, PROTOCOL, SAFEGUARDS } from './checks.ts';
import { search } from './spin.ts';

const { values } = parseArgs({ options: { only: { type: 'string' }, trail: { type: 'boolean', default: false } } });
const groups = {
  'the protocol': PROTOCOL,
  'a safeguard taken out': SAFEGUARDS,
  'covered by another safeguard': COVERED,
};
let surprises = 0;
for (const [title, checks] of Object.entries(groups)) {
  const chosen = checks.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) continue;
  console.log(`\n${title.padEnd(48)}${'states'.padStart(12)}${'depth'.padStart(7)}${'time'.padStart(9)}  verdict`);
  for (const check of chosen) {
    const { outcome, violation, states, depth, seconds, trail } = await search(check);
    const isExpected = outcome === check.expected;
    if (!isExpected) surprises++;
    const verdict = outcome === 'holds' ? 'holds' : `violated, ${violation}`;
    const size = `${states.toLocaleString('en').padStart(12)}${`${depth}`.padStart(7)}`;
    const took = `${seconds.toFixed(1)} s`.padStart(9);
    console.log(`${check.name.padEnd(48)}${size}${took}  ${isExpected ? '' : 'UNEXPECTED: '}${verdict}`);
    if (values.trail || (!isExpected && trail.length > 0)) for (const line of trail) console.log(`    ${line}`);
  }
}
console.log(surprises === 0 ? '\nas expected' : `\n${surprises} unexpected`);
process.exitCode = surprises === 0 ? 0 : 1;
