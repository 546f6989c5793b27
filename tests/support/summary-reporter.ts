import type { Reporter, TestCase, TestModule, TestSpecification, Vitest } from 'vitest/node';
import { lawShortfalls } from './laws.ts';

/**
 * The last words of a run: what was skipped, by name; which laws were watched too little (whole runs only, which
 * then fail); and one plain line for people and machines:
 *
 *     tests: 123 passed, 0 failed, 2 skipped
 */
export class SummaryReporter implements Reporter {
  #vitest!: Vitest;
  #isWholeRun = false;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  /** A run is whole when every test was asked for: no file, name, project or shard was picked. */
  async onTestRunStart(specifications: readonly TestSpecification[]): Promise<void> {
    const { config } = this.#vitest;
    const filters = [config.testNamePattern, config.shard, config.project?.length || undefined];
    const everything = await this.#vitest.globTestSpecifications();
    this.#isWholeRun =
      filters.every((filter) => filter === undefined) && specifications.length === everything.length;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: string) => tests.filter((test) => test.result().state === state);
    const skipped = inState('skipped');
    const executed = [...inState('passed'), ...inState('failed')];
    const brokenModules = modules.filter((module) => module.errors().length > 0).length;
    const shortfalls = this.#isWholeRun ? lawShortfalls(executed.map((test) => test.fullName)) : [];

    const failed = inState('failed').length + brokenModules + unhandledErrors.length + shortfalls.length;
    if (shortfalls.length > 0) process.exitCode = 1;
    for (const name of new Set(skipped.map(skippedAs))) this.#print(`skipped: ${name}`);
    for (const shortfall of shortfalls) this.#print(`failed: ${shortfall}`);
    this.#print(`tests: ${inState('passed').length} passed, ${failed} failed, ${skipped.length} skipped`);
  }

  #print(line: string): void {
    this.#vitest.logger.log(line);
  }
}

/** The outermost suite that a skipped test belongs to, or the test itself. */
function skippedAs(test: TestCase): string {
  let outermost: { name: string } = test;
  for (let at = test.parent; at.type === 'suite'; at = at.parent) outermost = at;
  return `${test.module.relativeModuleId} ${outermost.name}`;
}
