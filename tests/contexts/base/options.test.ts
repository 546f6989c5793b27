import { describe, expect, test } from 'vitest';
import {
  ConfigurationError,
  describeOptions,
  option,
  parseOptions,
  printableOptions,
  value,
} from '../../../contexts/base/options.ts';

const table = {
  port: option({
    env: 'SPOKECAST_PORT',
    schema: value.integer(0, 65_535),
    default: '4000',
    doc: 'The port.',
  }),
  url: option({ env: 'DATABASE_URL', schema: value.url(['postgres']), doc: 'The database.', secret: true }),
  redis: option({
    env: 'REDIS_URL',
    schema: value.url(['redis', 'rediss']),
    optional: true,
    doc: 'Redis.',
    secret: true,
  }),
  fresh: option({ env: 'SPOKECAST_FRESH', schema: value.flag(), default: 'false', doc: 'Starts over.' }),
  level: option({
    env: 'SPOKECAST_LEVEL',
    schema: value.oneOf(['info', 'debug']),
    default: 'info',
    doc: 'How much.',
  }),
  region: option({
    env: 'SPOKECAST_REGION',
    schema: value.matching(/^[a-z-]+\d$/, 'a region such as eu-west-1'),
    default: 'eu-west-1',
    doc: 'Where.',
  }),
};
const good = { DATABASE_URL: 'postgres://user:hunter2@localhost/db' };

const problemsOf = (environment: Record<string, string>, known?: string[]): readonly string[] => {
  try {
    parseOptions(table, environment, known);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
};

describe('options', () => {
  test('defaults stand in, values are converted, others are left alone', () => {
    expect(
      parseOptions(table, { ...good, SPOKECAST_PORT: '80', SPOKECAST_FRESH: 'true', PATH: '/bin' }),
    ).toEqual({
      port: 80,
      url: good.DATABASE_URL,
      fresh: true,
      level: 'info',
      region: 'eu-west-1',
    });
  });

  test('an empty value counts as absent', () => {
    expect(parseOptions(table, { ...good, SPOKECAST_PORT: '', REDIS_URL: '' })).toMatchObject({ port: 4000 });
    expect(problemsOf({ DATABASE_URL: '' })).toHaveLength(1);
  });

  test('all mistakes are named at once, and a misspelt name is one', () => {
    const problems = problemsOf({
      SPOKECAST_PORT: '65536',
      SPOKECAST_FRESH: 'yes',
      SPOKECAST_LEVEL: 'loud',
      SPOKECAST_REGION: 'EU',
      SPOKECAST_PROT: '4000',
      REDIS_URL: 'http://localhost',
    });
    for (const name of [
      'SPOKECAST_PORT=',
      'DATABASE_URL is required',
      'REDIS_URL=',
      'SPOKECAST_FRESH=',
      'SPOKECAST_LEVEL=',
      'SPOKECAST_REGION=',
      'SPOKECAST_PROT is not an option',
    ]) {
      expect(
        problems.filter((problem) => problem.startsWith(name)),
        name,
      ).toHaveLength(1);
    }
    expect(problems).toHaveLength(7);
  });

  test('names that other tables know are no mistake', () => {
    expect(problemsOf({ ...good, SPOKECAST_OTHER: 'x' }, ['SPOKECAST_OTHER'])).toEqual([]);
    expect(problemsOf({ ...good, SPOKECAST_OTHER: 'x' })).toHaveLength(1);
  });

  test('the error counts its mistakes and exits as sysexits says', () => {
    expect(new ConfigurationError(['a', 'b'])).toMatchObject({
      exitCode: 78,
      message: 'the configuration has 2 mistakes:\n  - a\n  - b',
    });
    expect(new ConfigurationError(['a']).message).toContain('1 mistake:');
  });

  test('[law 10] secrets stand neither in a mistake nor in what is printed', () => {
    const problems = problemsOf({ DATABASE_URL: 'mysql://user:hunter2@localhost', REDIS_URL: 'hunter2' });
    expect(problems.join()).not.toContain('hunter2');
    expect(problems.join()).toContain('[secret]');
    const printed = printableOptions(table, parseOptions(table, good));
    expect(JSON.stringify(printed)).not.toContain('hunter2');
    expect(printed).toMatchObject({ DATABASE_URL: '[secret]', REDIS_URL: undefined, SPOKECAST_PORT: 4000 });
  });

  test.each([['1e3'], ['0x10'], ['1.5'], [' 1'], ['-1'], ['NaN'], ['65536']])('%j is no port', (text) => {
    expect(problemsOf({ ...good, SPOKECAST_PORT: text })).toHaveLength(1);
  });

  test('the help says of each what it is, its default, and whether it must be given', () => {
    expect(describeOptions(table)).toContain('  SPOKECAST_PORT (default 4000)\n      The port.');
    expect(describeOptions(table)).toContain('DATABASE_URL (required, secret)');
    expect(describeOptions(table)).toContain('REDIS_URL (optional, secret)');
  });
});
