import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { v7 as uuidv7 } from 'uuid';
import { systemRandom } from '../../../contexts/base/random.ts';
import { type Answer, filled, type OperationId, operations, queryText } from '../../client/hub-api.ts';
import { asksHub, type Cli, collect, confirm, type HubCommandFlags, readCount, readSeconds } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { HubClient, HubRequestError, kebab } from '../hub-client.ts';
import { writePrivate } from '../profiles.ts';
import { type CatalogueEntry, operation } from './catalogue.ts';
import { commandOf, handMade, type Shape, shapes } from './commands.ts';
import { addFlags, bodyFile, valuesOf } from './fields.ts';
import { showItems, showThing } from './show.ts';

/** Adds the commands of a group that are made from the catalogue. */
export function addApiCommands(group: Command, cli: Cli, otherWays: OtherWays = {}): void {
  for (const [id, words] of Object.entries(commandOf) as [OperationId, string][]) {
    const [of, name] = words.split(' ');
    if (of === group.name() && name !== undefined && !handMade.has(id))
      addApiCommand(group, name, id, { ...cli, otherWay: otherWays[id] });
  }
}

/** How a command is done without the hub, where that is wanted. Says whether it was. */
export type OtherWays = Partial<Record<OperationId, OtherWay>>;
type OtherWay = (flags: Readonly<Record<string, unknown>>) => Promise<'done' | 'ask-the-hub'>;

type Flags = HubCommandFlags & {
  limit?: number;
  all?: boolean;
  from?: string;
  region?: readonly string[];
  wait?: boolean | number;
  yes?: boolean;
  secretFile?: string;
  idempotencyKey?: string;
  ifMatch?: string;
};

const pageFields = new Set(['limit', 'cursor', 'wait', 'timeoutMs']);

function addApiCommand(
  group: Command,
  name: string,
  id: OperationId,
  cli: Cli & { otherWay: OtherWay | undefined },
): void {
  const entry = operation(id);
  const shape = shapes[id] ?? {};
  const command = asksHub(group.command(name).description(sentence(entry.summary)));
  for (const field of entry.pathFields) command.argument(`<${kebab(field.name)}>`, field.description);
  const own = entry.queryFields.filter((field) => !pageFields.has(field.name));
  addFlags(command, own);
  addFlags(command, entry.bodyFields ?? []);
  if (shape.placesInRegions)
    command.option(
      '--region <id>',
      'place it in this region, without overrides, instead of --placements; may be repeated',
      collect,
    );
  if (entry.bodyFields)
    command.option(
      '--from <path>',
      'take the body from a JSON file, or - for standard input; flags go before it',
    );
  if (isList(entry)) {
    command.option('--limit <count>', 'show so many at the most', readCount, 50);
    command.option('--all', 'show all');
  }
  if (entry.method !== 'GET') addChangeFlags(command, entry.method);
  if (shape.destroys) command.option('--yes', 'do not ask');
  if (shape.secret)
    command.option(
      '--secret-file <path>',
      'write the secret to this file, of mode 600, instead of printing it',
    );
  command.action(async (...given: unknown[]) => {
    const flags = command.opts<Flags>();
    if ((await cli.otherWay?.(flags as Readonly<Record<string, unknown>>)) === 'done') return;
    const values = given.slice(0, entry.pathFields.length) as string[];
    const path = Object.fromEntries(entry.pathFields.map((field, index) => [field.name, values[index]!]));
    await run({ id, entry, shape, flags, path, query: valuesOf(own, command.opts()) }, cli);
  });
}

/** What every command takes that changes something. */
export function addChangeFlags(command: Command, method: CatalogueEntry['method']): void {
  command.option(
    '--wait [seconds]',
    'wait until every gateway goes by it, 60 seconds at the most (exit code 75 after that)',
    readSeconds,
  );
  if (method === 'POST')
    command.addOption(
      new Option(
        '--idempotency-key <key>',
        'repeat an earlier request safely: the same key does nothing twice',
      ),
    );
  else command.option('--if-match <etag>', 'only if it still is what was read');
}

interface Run {
  id: OperationId;
  entry: CatalogueEntry;
  shape: Shape;
  flags: Flags;
  path: Record<string, string>;
  query: Record<string, unknown>;
}

async function run({ id, entry, shape, flags, path, query }: Run, cli: Cli): Promise<void> {
  const { terminal } = cli;
  const hub = HubClient.from(cli.environment, flags);
  if (isList(entry)) {
    const at = filled(entry.path, path);
    const { items, more } = await pages(
      hub,
      at,
      query,
      flags.all ? Number.POSITIVE_INFINITY : (flags.limit ?? 50),
    );
    if (flags.json) terminal.print(JSON.stringify({ items, more }));
    else showItems(terminal, entry.answer!, items);
    if (more) terminal.say(`there are more: --all shows all, --limit <count> more`);
    return;
  }
  const body = entry.bodyFields ? await bodyOf(entry, shape, flags, cli) : undefined;
  if (flags.secretFile !== undefined) mustBeWritable(flags.secretFile);
  const ifMatch = flags.ifMatch ?? (await seen(hub, { shape, flags, path }, cli));
  const answer = await change(hub, entry, filled(operations[id].path, path) + queryText(query), {
    body,
    ...{ ifMatch, idempotencyKey: flags.idempotencyKey },
  });
  if (shape.secret) showSecret(answer.body as Created, shape.secret, flags, cli);
  else if (flags.json) terminal.print(JSON.stringify(answer.body ?? { ...path, done: true }));
  else if (answer.body === undefined) terminal.say('done');
  else showThing(terminal, answer.body as object);
  await settle(hub, answer, flags, cli);
}

/** Sends a change. One that got no answer says how to repeat it without doing it twice. */
export async function change(
  hub: HubClient,
  { method }: Pick<CatalogueEntry, 'method'>,
  path: string,
  parts: { body?: unknown; ifMatch?: string | undefined; idempotencyKey?: string | undefined },
): Promise<Answer<unknown>> {
  const { body, ifMatch } = parts;
  const key = parts.idempotencyKey ?? uuidv7({ random: systemRandom.bytes(16) });
  const headers = method === 'POST' ? { 'idempotency-key': key } : { 'if-match': ifMatch };
  try {
    return await hub.request(method, path, { body, headers });
  } catch (error) {
    const isOpen = error instanceof HubRequestError && error.exitCode === exitCodes.unreachable;
    if (!isOpen || method !== 'POST') throw error;
    throw new HubRequestError(
      `${error.message}\nWhether it was done is unknown. The same command with --idempotency-key ${key} does it once`,
      error.exitCode,
      { status: error.status!, code: error.code! },
    );
  }
}

/** Waits for the change to be everywhere, where that is wanted. */
export async function settle(
  hub: HubClient,
  { fence }: Pick<Answer<unknown>, 'fence'>,
  flags: Flags,
  cli: Cli,
): Promise<void> {
  if (flags.wait === undefined || flags.wait === false || fence === null) return;
  const seconds = flags.wait === true ? 60 : flags.wait;
  const { waitForFence } = await import('../wait.ts');
  const { terminal, clock } = cli;
  const exitCode = await waitForFence({
    ...{ hub, fence, timeoutMs: seconds * 1000, json: false, clock },
    print: terminal.say, // what was made is the result; how far it has come is said about it
    say: terminal.say,
  });
  if (exitCode === exitCodes.notYet) terminal.say(`it goes on: spokecast wait ${fence}`);
  if (exitCode !== exitCodes.done) cli.exit(exitCode);
}

async function pages(hub: HubClient, path: string, query: object, count: number) {
  const items: object[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(200, count - items.length);
    const answer = await hub.get<{ items: object[]; nextCursor: string | null }>(
      path + queryText({ ...query, limit, cursor }),
    );
    if (!Array.isArray(answer?.items))
      throw new HubRequestError(
        `what answers at ${hub.url} is no hub: it gives no list. Is SPOKECAST_HUB_URL right? A gateway or an upstream has other ports`,
        exitCodes.unreachable,
      );
    items.push(...answer.items);
    cursor = answer.nextCursor ?? undefined;
  } while (cursor !== undefined && items.length < count);
  return { items, more: cursor !== undefined };
}

async function bodyOf(
  entry: CatalogueEntry,
  shape: Shape,
  flags: Flags,
  cli: Cli,
): Promise<object | undefined> {
  const base = flags.from === undefined ? {} : await bodyFile(flags.from, cli.terminal);
  const placed =
    shape.placesInRegions && flags.region ? { placements: flags.region.map((region) => ({ region })) } : {};
  const body: Record<string, unknown> = {
    ...base,
    ...placed,
    ...valuesOf(entry.bodyFields!, flags as Readonly<Record<string, unknown>>),
  };
  const absent = entry.bodyFields!.filter(({ name, required }) => required && body[name] === undefined);
  if (absent.length === 0) return body;
  const names = absent.map(({ name }) => (name === 'placements' ? '--region' : `--${kebab(name)}`));
  throw new InvalidArgumentError(
    `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} required; --help says more`,
  );
}

/** Shows a person what is about to be lost. What was shown is what goes: its ETag is given on. */
async function seen(
  hub: HubClient,
  { shape, flags, path }: Pick<Run, 'shape' | 'flags' | 'path'>,
  { terminal }: Cli,
): Promise<string | undefined> {
  if (!shape.destroys || flags.yes) return undefined;
  const { read, loses } = shape.destroys;
  const { body, etag } = await hub.request<Record<string, unknown>>(
    'GET',
    filled(operations[read].path, path),
  );
  await confirm(terminal, loses(body), flags.yes);
  return etag ?? undefined;
}

interface Created {
  id: string;
  name?: string;
  secret?: string;
}

/** The secret alone to standard output, so that it can be piped, and everything else beside it. */
function showSecret(made: Created, what: string, flags: Flags, { terminal }: Cli): void {
  const { secret, ...rest } = made;
  if (secret === undefined) {
    terminal.say(
      `${made.id} was made by an earlier request with this key; its secret was shown then and is kept nowhere.`,
    );
    terminal.say('If it is lost, delete that one and create another.');
  } else if (flags.secretFile !== undefined) {
    keepSecret(flags.secretFile, made.id, secret, terminal);
  } else if (!flags.json) {
    terminal.say(`${made.id}: this is its secret, ${what}, shown this once and kept nowhere.`);
    terminal.print(secret);
  }
  if (flags.json) terminal.print(JSON.stringify(flags.secretFile === undefined ? made : rest));
}

function keepSecret(path: string, id: string, secret: string, terminal: Cli['terminal']): void {
  try {
    writePrivate(path, `${secret}\n`);
    terminal.say(`Made ${id}. Its secret is in ${path}, and nowhere else.`);
  } catch (error) {
    // It cannot be had again: rather on the screen than lost.
    terminal.say(
      `Made ${id}, but ${(error as Error).message}\nThis is its secret, shown this once and kept nowhere.`,
    );
    terminal.print(secret);
  }
}

/** Found out before the key is made. */
function mustBeWritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw new InvalidArgumentError(`--secret-file ${path}: ${(error as Error).message}`);
  }
}

function isList(entry: CatalogueEntry): boolean {
  return entry.queryFields.some(({ name }) => name === 'cursor');
}

/** Summaries of the API begin with a capital; descriptions of commands do not. */
function sentence(summary: string): string {
  return `${summary[0]!.toLowerCase()}${summary.slice(1)}`;
}
