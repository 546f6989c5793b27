import { z } from 'zod';

/**
 * A service's configuration as one table: from it come parsing (all mistakes at once), `--help`, the generated
 * page docs/reference/options.md, and a printed form that hides secrets.
 */
export interface Option<T> {
  /** The environment variable. */
  env: string;
  /** Checks and converts what stands in the environment: a string. */
  schema: z.ZodType<T, string>;
  /** As it would stand in the environment; `undefined` makes the option required unless `optional`. */
  default?: string;
  /** Absent is allowed and yields `undefined` (the schema's type must allow it). */
  optional?: true;
  /** A sentence: what it does, its unit, its bounds. */
  doc: string;
  /** Never printed. */
  secret?: true;
}

// biome-ignore lint/suspicious/noExplicitAny: the table holds options of every type; `OptionValues` gives each its own
export type OptionTable = Record<string, Option<any>>;

export type OptionValues<Table extends OptionTable> = {
  [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never;
};

export type Environment = Record<string, string | undefined>;

/** Every mistake of a configuration, each naming its variable. `exitCode` 78 is `EX_CONFIG` of sysexits(3). */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
  readonly exitCode = 78;
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? '1 mistake' : `${problems.length} mistakes`;
    super(`the configuration has ${count}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Names an option's table entry with its type inferred. */
export function option<T>(entry: Option<T>): Option<T> {
  return entry;
}

/**
 * Reads every option of `table` from `environment`. An empty value counts as absent.
 * @throws ConfigurationError naming every mistake at once, and every `SPOKECAST_` variable no table knows
 * (`known` are the names other tables use), because a misspelt option is otherwise a silent default.
 */
export function parseOptions<Table extends OptionTable>(
  table: Table,
  environment: Environment,
  known: readonly string[] = [],
): OptionValues<Table> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table)) {
    const given = environment[entry.env];
    const raw = given === undefined || given === '' ? entry.default : given;
    if (raw === undefined) {
      if (!entry.optional) problems.push(`${entry.env} is required: ${entry.doc}`);
      continue;
    }
    const parsed = entry.schema.safeParse(raw);
    if (parsed.success) values[name] = parsed.data;
    else {
      const why = parsed.error.issues.map((issue) => issue.message).join('; ');
      problems.push(`${entry.env}=${entry.secret ? '[secret]' : JSON.stringify(raw)}: ${why}`);
    }
  }
  const names = new Set([...Object.values(table).map((entry) => entry.env), ...known]);
  for (const name of Object.keys(environment)) {
    if (name.startsWith('SPOKECAST_') && !names.has(name))
      problems.push(`${name} is not an option of Spokecast; see --help`);
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return values as OptionValues<Table>;
}

/** The table as `--help` prints it, one option a paragraph. */
export function describeOptions(table: OptionTable): string {
  return Object.values(table)
    .map((entry) => {
      const rule =
        entry.default !== undefined ? `default ${entry.default}` : entry.optional ? 'optional' : 'required';
      return `  ${entry.env} (${rule}${entry.secret ? ', secret' : ''})\n      ${entry.doc}`;
    })
    .join('\n');
}

/** The values as they may be logged: secrets replaced. */
export function printableOptions<Table extends OptionTable>(
  table: Table,
  values: OptionValues<Table>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(table).map(([name, entry]) => [
      entry.env,
      entry.secret && values[name] !== undefined ? '[secret]' : values[name],
    ]),
  );
}

/** Schemas for what options commonly hold. */
export const value = {
  text: (what: string) => z.string().min(1, `must be ${what}`),
  integer: (least: number, most: number) =>
    z
      .string()
      .regex(/^-?\d+$/, 'must be a whole number')
      .transform(Number)
      .refine((n) => n >= least && n <= most, `must be from ${least} to ${most}`),
  flag: () => z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true'),
  oneOf: <const Names extends readonly [string, ...string[]]>(names: Names) =>
    z.enum(names, `must be one of ${names.join(', ')}`),
  url: (protocols: readonly string[]) =>
    z.string().refine(
      (text) => {
        const url = URL.parse(text);
        return url !== null && protocols.includes(url.protocol.replace(':', ''));
      },
      `must be a URL that starts with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}`,
    ),
  /** Of Postgres. Several hosts would be tried in turn without a pause, all the time that none of them answers. */
  databaseUrl: () =>
    value
      .url(['postgres', 'postgresql'])
      .refine(
        (text) => !URL.parse(text)?.host.includes(','),
        'must name one host, an address that leads to the primary (docs/operations.md, "A failover of Postgres")',
      ),
  matching: (pattern: RegExp, what: string) => z.string().regex(pattern, `must be ${what}`),
};
