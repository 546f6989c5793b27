import { describe, test } from 'vitest';
import { findRequirement, type Requirement, requirements } from './programs.ts';

/**
 * `describe` for suites that need a program. Without it the suite is skipped under a name that says how to get
 * it; under `CI=true` that is a failure, because there everything must run.
 */
export function describeWith(requirement: Requirement, name: string, fn: () => void): void {
  if (findRequirement(requirement)) {
    describe(name, fn);
    return;
  }
  const { install } = requirements[requirement];
  if (process.env.CI === 'true') {
    test(`${name} (needs ${requirement})`, () => {
      throw new Error(`${requirement} is not installed: ${install}`);
    });
    return;
  }
  describe.skip(`${name} (needs ${requirement}: ${install})`, fn);
}
