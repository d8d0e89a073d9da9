import { Application, Logger, LogLevel, ReflectionKind, TSConfigReader, TypeDocReader } from 'typedoc';
import { expect, test } from 'vitest';

/** The compiler reads all of src: seconds, and more where the machine does other things. */
const TIMEOUT_MS = 120_000;

class Told extends Logger {
  readonly messages: string[] = [];

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.messages.push(message);
  }
}

test('every export, and everything of it that users see, has a docstring', { timeout: TIMEOUT_MS }, async () => {
  const app = await Application.bootstrapWithPlugins({ options: 'typedoc.json', logLevel: LogLevel.Warn }, [
    new TypeDocReader(),
    new TSConfigReader(),
  ]);
  const told = new Told();
  app.logger = told;
  const project = await app.convert();
  if (project === undefined) throw new Error(told.messages.join('\n'));
  app.validate(project);
  expect(told.messages).toEqual([]);

  // And one that has none is found.
  const signatures = project.getReflectionsByKind(ReflectionKind.CallSignature);
  const createCache = signatures.find(({ name }) => name === 'createCache');
  delete createCache?.comment;
  app.validate(project);
  expect(told.messages).toEqual([expect.stringMatching(/^millrace\.createCache .* does not have any documentation$/)]);
});
