import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { collect } from '../cli.ts';
import { kebab } from '../hub-client.ts';
import type { Terminal } from '../terminal.ts';
import type { Field } from './catalogue.ts';

/** Fields of the API as flags: `tenantId` is `--tenant-id`. */
export function addFlags(command: Command, fields: readonly Field[]): void {
  for (const field of fields) command.addOption(flagOf(field));
}

function flagOf(field: Field): Option {
  const { name, type, choices, description, nullable, required } = field;
  const what = { text: 'text', number: 'number', boolean: 'true|false', list: 'text', json: 'json' }[type];
  const notes = [
    required ? 'required' : '',
    type === 'json' ? 'as JSON, or @path of a file that holds it' : '',
    type === 'list' ? 'may be repeated' : '',
    nullable ? '`none` for null' : type === 'list' ? '`none` for an empty list' : '',
  ].filter(Boolean);
  const words = description.replace(/\.$/, '').replaceAll('\n', ' ');
  const text = [words, notes.length > 0 ? `(${notes.join('; ')})` : ''].filter(Boolean).join(' ');
  const option = new Option(`--${kebab(name)} <${what}>`, text);
  if (choices) option.choices([...choices, ...(nullable ? ['none'] : [])]);
  if (type === 'list') option.argParser(collect);
  return option;
}

/** The values of these fields, as the API wants them, of those that were given. @throws where one does not parse. */
export function valuesOf(
  fields: readonly Field[],
  flags: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    fields
      .filter(({ name }) => flags[name] !== undefined)
      .map((field) => [field.name, parsed(field, flags[field.name] as string | readonly string[])]),
  );
}

function parsed(field: Field, given: string | readonly string[]): unknown {
  const { type, nullable, name } = field;
  const isNone = given === 'none' || (given.length === 1 && given[0] === 'none');
  if (nullable && isNone) return null;
  if (typeof given !== 'string') return isNone ? [] : given;
  switch (type) {
    case 'number': {
      const number = Number(given);
      if (given.trim() === '' || Number.isNaN(number)) throw mistake(name, 'must be a number');
      return number;
    }
    case 'boolean':
      if (given !== 'true' && given !== 'false') throw mistake(name, 'must be true or false');
      return given === 'true';
    case 'json':
      return jsonOf(name, given);
    default:
      return given;
  }
}

function jsonOf(name: string, given: string): unknown {
  try {
    return JSON.parse(given.startsWith('@') ? readFileSync(given.slice(1), 'utf8') : given);
  } catch (error) {
    throw mistake(name, (error as Error).message);
  }
}

function mistake(name: string, reason: string): InvalidArgumentError {
  return new InvalidArgumentError(`--${kebab(name)}: ${reason}`);
}

/** A body from a file, or from standard input where the path is `-`. @throws where that is no JSON object. */
export async function bodyFile(path: string, terminal: Terminal): Promise<Record<string, unknown>> {
  let body: unknown;
  try {
    body = JSON.parse(path === '-' ? await terminal.readInput() : readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InvalidArgumentError(`--from ${path}: ${(error as Error).message}`);
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body))
    return body as Record<string, unknown>;
  throw new InvalidArgumentError(`--from ${path}: it must hold one JSON object`);
}
