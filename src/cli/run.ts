import type { Command } from 'commander';
import { EXIT, failureOf, failureText } from './failure.ts';
import { openTerminal, SILENT, type Terminal } from './terminal.ts';

export interface CommandContext {
  /** Silent with `--json`. */
  readonly terminal: Terminal;
  /** Aborted by the first interrupt; the second ends the process. */
  readonly signal: AbortSignal;
  /** Prints the document that `--json` asked for; undefined without it. */
  readonly json: ((document: unknown) => void) | undefined;
}

interface CommonFlags {
  readonly json?: boolean;
  readonly color?: boolean;
  readonly verbose?: boolean;
}

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: 143 } as const;

/** Runs a command's action and sets the exit code: what it returns, or that of what it throws. */
export async function runCommand(
  command: Command,
  action: (context: CommandContext) => Promise<number>,
): Promise<void> {
  const { json, color, verbose } = command.optsWithGlobals<CommonFlags>();
  const interrupt = new AbortController();
  let interruptedExit: number = EXIT.interrupted;
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (interrupt.signal.aborted) process.exit(exitCode);
      interruptedExit = exitCode;
      interrupt.abort();
    });
  }
  const print = (document: unknown) => process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  try {
    const exitCode = await action({
      terminal: json === true ? SILENT : openTerminal(process.stdout, { color: color !== false }),
      signal: interrupt.signal,
      json: json === true ? print : undefined,
    });
    process.exitCode = exitCode === EXIT.interrupted ? interruptedExit : exitCode;
  } catch (error) {
    const { exitCode, message, code } = failureOf(error);
    if (json === true) print({ ok: false, error: { code: code ?? null, message } });
    process.stderr.write(`${failureText(error, verbose === true)}\n`);
    process.exitCode = interrupt.signal.aborted ? interruptedExit : exitCode;
  }
}
