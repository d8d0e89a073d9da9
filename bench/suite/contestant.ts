// The process of one contestant: opens clients of its own, then does what it is told, and answers.
import type { Contestant, Contestants, Reply, Role, Step } from './compete.ts';
import { openStage, type Stage } from './stage.ts';

const { settings, module, exported, name } = JSON.parse(process.argv[2] as string) as Role;
let stage: Stage;
let contestant: Contestant<unknown>;

async function take(step: Step): Promise<unknown> {
  if (step === 'open') {
    stage = await openStage(settings);
    const make = ((await import(module)) as Record<string, Contestants<unknown>>)[exported]?.[name];
    if (make === undefined) throw new Error(`${module} exports no "${exported}" with "${name}"`);
    contestant = make(stage);
  }
  const value = await contestant[step]?.();
  if (step === 'close') await stage.close();
  return value;
}

process.on('message', (step: Step) => {
  void take(step)
    .then(
      (value): Reply => ({ value }),
      (error: unknown): Reply => ({ error }),
    )
    .then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
