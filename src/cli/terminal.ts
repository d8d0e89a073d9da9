import picocolors from 'picocolors';

export type Colors = ReturnType<typeof picocolors.createColors>;

/** Where a command's report goes. */
export interface Terminal {
  readonly colors: Colors;
  /** Whether someone is looking: what is in progress is then shown in place. */
  readonly interactive: boolean;
  line(text?: string): void;
  /** Shows `text` until the next line or progress takes its place; nothing unless `interactive`. */
  progress(text: string): void;
}

export interface TerminalOptions {
  /** False when `--no-color` was given. */
  readonly color: boolean;
}

const CLEAR_LINE = '\r\u001b[2K';

export function openTerminal(stream: NodeJS.WriteStream, options: TerminalOptions): Terminal {
  const interactive = stream.isTTY === true && process.env['TERM'] !== 'dumb';
  const colored = interactive && options.color && !process.env['NO_COLOR'];
  let inProgress = false;
  const clear = () => {
    if (inProgress) stream.write(CLEAR_LINE);
    inProgress = false;
  };
  return {
    colors: picocolors.createColors(colored),
    interactive,
    line(text = '') {
      clear();
      stream.write(`${text}\n`);
    },
    progress(text) {
      if (!interactive) return;
      clear();
      // A line that wraps cannot be taken back.
      stream.write([...text].slice(0, (stream.columns || 80) - 1).join(''));
      inProgress = true;
    },
  };
}

/** For `--json`: one document and nothing else. */
export const SILENT: Terminal = {
  colors: picocolors.createColors(false),
  interactive: false,
  line: () => undefined,
  progress: () => undefined,
};
