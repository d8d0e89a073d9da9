import type { Command } from 'commander';
import type { Finding } from '../index.ts';
import { type AnyCache, withCaches } from './config.ts';
import { EXIT, failureOf, redact } from './failure.ts';
import { plural } from './format.ts';
import { type CommandContext, runCommand } from './run.ts';
import type { Colors } from './terminal.ts';

interface Examined {
  readonly name: string;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

interface DoctorFlags {
  readonly config?: string;
  readonly strict?: boolean;
}

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('examines the settings of front and store on which the promises of each cache depend; changes nothing')
    .argument('[caches...]', 'default: all')
    .option('--strict', 'takes warnings for errors')
    .option('--config <file>', 'default: millrace.config.ts, .js or .mjs in the working directory')
    .option('--json', 'prints one JSON document and nothing else')
    .addHelpText(
      'after',
      '\nExit code: 0 no error was found (with --strict: no warning either), 1 one was found, 2 usage.',
    )
    .action((names: string[], flags: DoctorFlags, command: Command) =>
      runCommand(command, (context) =>
        withCaches(flags.config, names, (caches) => doctor(caches, flags.strict === true, context)),
      ),
    );
}

async function doctor(
  caches: readonly AnyCache[],
  strict: boolean,
  { terminal, json }: CommandContext,
): Promise<number> {
  const examined = await Promise.all(caches.map((cache) => examine(cache, strict)));
  const ok = examined.every((cache) => cache.ok);
  json?.({ ok, caches: examined });
  const { colors } = terminal;
  const marks = { ok: colors.green('ok     '), warning: colors.yellow('warning'), error: colors.red('error  ') };
  for (const { name, findings } of examined) {
    terminal.line(colors.bold(name));
    const width = Math.max(...findings.map(({ check }) => check.length));
    for (const finding of findings) {
      terminal.line(`  ${marks[finding.severity]}  ${finding.check.padEnd(width)}  ${finding.found}`);
      for (const line of advice(finding, colors)) terminal.line(`           ${line}`);
    }
  }
  const all = examined.flatMap(({ findings }) => findings);
  const count = (severity: Finding['severity']) => all.filter((finding) => finding.severity === severity).length;
  terminal.line(`${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}, ${count('ok')} fine`);
  return ok ? EXIT.ok : EXIT.failed;
}

async function examine(cache: AnyCache, strict: boolean): Promise<Examined> {
  const findings = await cache.examine().catch((error: unknown): Finding[] => {
    const { message, code } = failureOf(error);
    return [{ severity: 'error', check: 'cache', found: code === undefined ? message : `${message} (${code})` }];
  });
  const ok = findings.every(({ severity }) => severity === 'ok' || (severity === 'warning' && !strict));
  return { name: cache.name, ok, findings: findings.map(redacted) };
}

/** No finding has a URL by itself; what a driver said could. */
function redacted(finding: Finding): Finding {
  return Object.fromEntries(Object.entries(finding).map(([name, text]) => [name, redact(text)])) as unknown as Finding;
}

function advice({ means, change }: Finding, colors: Colors): string[] {
  const lines: string[] = [];
  if (means !== undefined) lines.push(...means.split('\n'));
  if (change !== undefined) lines.push(...`change: ${change}`.split('\n').map((line) => colors.dim(line)));
  return lines;
}
