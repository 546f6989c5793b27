import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { catalogue } from '../../infra/bin/api/catalogue.ts';
import { commandOf, handMade, shapes } from '../../infra/bin/api/commands.ts';
import { commandList } from '../../infra/bin/command-list.ts';
import { kebab } from '../../infra/bin/hub-client.ts';
import { createProgram } from '../../infra/bin/program.ts';
import { systemTerminal } from '../../infra/bin/terminal.ts';

const cli = { environment: {}, terminal: systemTerminal, clock: systemClock, exit: () => {} };
const program = await createProgram(cli, 'all');

const find = (words: string): Command | undefined =>
  words
    .split(' ')
    .reduce<Command | undefined>(
      (command, word) => command?.commands.find((one) => one.name() === word || one.aliases().includes(word)),
      program,
    );

/** Every command that runs something, by its words. */
const everyCommand = (command: Command, words: readonly string[] = []): [string, Command][] => [
  ...(command.commands.length === 0 ? [[words.join(' '), command] as [string, Command]] : []),
  ...command.commands.flatMap((one) => everyCommand(one, [...words, one.name()])),
];

test('every operation of the API has a command, and no command is for one that is gone', () => {
  expect(catalogue.length).toBeGreaterThan(40);
  expect(catalogue.filter(({ id }) => !(id in commandOf)).map(({ id }) => id)).toEqual([]);
  const known = new Set(catalogue.map(({ id }) => id));
  expect(
    [...Object.keys(commandOf), ...handMade, ...Object.keys(shapes)].filter((id) => !known.has(id)),
  ).toEqual([]);
  for (const [id, words] of Object.entries(commandOf))
    expect(find(words), `${id}: spokecast ${words}`).toBeDefined();
});

test.each(
  catalogue.filter(({ id }) => !handMade.has(id as keyof typeof commandOf)).map((entry) => [entry.id, entry]),
)('%s takes everything that the API takes', (id, { pathFields, queryFields, bodyFields = [] }) => {
  const command = find(commandOf[id as keyof typeof commandOf])!;
  expect(command.registeredArguments.map((one) => one.name())).toEqual(
    pathFields.map(({ name }) => kebab(name)),
  );
  const flags = new Set(command.options.map(({ long }) => long));
  const wanted = [...queryFields, ...bodyFields].map(({ name }) => name);
  // Waiting is a fence's business, pages that of --limit and --all.
  const left = wanted.filter(
    (name) => !['wait', 'timeoutMs', 'cursor'].includes(name) && !flags.has(`--${kebab(name)}`),
  );
  expect(left).toEqual([]);
});

describe('every command', () => {
  test.each(everyCommand(program))(
    '%s says what it does, and what its arguments and flags are',
    (_, command) => {
      expect(command.description()).toMatch(/^[a-z]/);
      const names = command.options.map(({ long }) => long);
      expect(new Set(names).size).toBe(names.length);
    },
  );

  test('takes --json where it asks a hub, and --yes where it asks a person', () => {
    for (const [words, command] of everyCommand(program)) {
      const flags = command.options.map(({ long }) => long);
      if (flags.includes('--key-file') && words !== 'login') expect(flags, words).toContain('--json');
      if (/ (delete|remove|approve)$/.test(words) && !words.startsWith('profiles'))
        expect(flags, words).toContain('--yes');
    }
  });
});

test('a command at the top loads nothing of the others', async () => {
  const one = await createProgram(cli, 'tenants');
  const loaded = one.commands
    .filter((command) => command.commands.length > 0)
    .map((command) => command.name());
  expect(loaded).toEqual(['tenants']);
  expect(one.commands).toHaveLength(commandList.length);
});
