import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError, type Environment } from '../../../contexts/base/options.ts';
import type { AgentKeysCreate } from '../../client/hub-api.ts';
import { DurableLog, recordsOf } from './durable-log.ts';
import { lock } from './lock.ts';

/** A new key's secret, as a line of the file or of the command's standard input. */
export interface SecretRecord {
  tenant: string;
  cluster: string;
  clusterId: string;
  key: string;
  keyId: string;
  secret: string;
}

/** Keys that are about to be made: written down before the hub is asked, so that no crash hides that they were. */
export interface Intent {
  /** The `idempotency-key` of the request. */
  request: string;
  tenant: string;
  cluster: string;
  clusterId: string;
  body: AgentKeysCreate;
}

export interface SecretFlags {
  secretsOut?: string;
  secretsCommand?: string;
}

/**
 * Where secrets go, and which may have been made and not kept. The hub tells a secret once. So what is asked for is
 * noted beside the file (`<file>.pending`) and on the disk before the request is sent, and crossed out when the secret
 * is kept. What a crash leaves there, the next run looks after (resume.ts). One process at a time has the notes.
 */
export class Secrets implements AsyncDisposable {
  /** For people: where they go. */
  readonly where: string;
  /** Noted by an earlier run, and not crossed out. */
  readonly left: readonly Intent[];
  readonly #keep: (records: readonly SecretRecord[]) => Promise<void>;
  readonly #notes: DurableLog;
  readonly #stack: AsyncDisposableStack;
  readonly #open: Set<string>;
  readonly #file: string | undefined;

  private constructor(parts: {
    where: string;
    notes: DurableLog;
    keep: Secrets['keep'];
    file: string | undefined;
    stack: AsyncDisposableStack;
  }) {
    const intents = new Map<string, Intent>();
    for (const record of recordsOf(readFileSync(parts.notes.path, 'utf8'))) {
      if (typeof record.done === 'string') intents.delete(record.done);
      else if (typeof record.request === 'string') intents.set(record.request, record as unknown as Intent);
    }
    this.where = parts.where;
    this.left = [...intents.values()];
    this.#open = new Set(intents.keys());
    this.#keep = parts.keep;
    this.#notes = parts.notes;
    this.#stack = parts.stack;
    this.#file = parts.file;
  }

  /** Undefined where neither flag is given. @throws ConfigurationError where secrets could not be kept. */
  static async open(
    { secretsOut, secretsCommand }: SecretFlags,
    hubUrl: string,
    environment: Environment,
  ): Promise<Secrets | undefined> {
    if (secretsOut !== undefined && secretsCommand !== undefined)
      throw new ConfigurationError(['--secrets-out and --secrets-command are two ways: give one of them']);
    if (secretsOut === undefined && secretsCommand === undefined) return undefined;
    await using stack = new AsyncDisposableStack();
    if (secretsOut !== undefined) mustBeFile(secretsOut);
    const notesPath = secretsOut === undefined ? notesOf(hubUrl, environment) : `${secretsOut}.pending`;
    stack.use(lock(`${notesPath}.lock`));
    let keep: Secrets['keep'];
    if (secretsOut === undefined) keep = (records) => handOver(secretsCommand!, records);
    else {
      mustHoldRecords(secretsOut);
      const file = stack.use(await DurableLog.open(secretsOut));
      keep = (records) => file.appendAll(records);
    }
    const notes = stack.use(await DurableLog.open(notesPath));
    const where = secretsOut ?? `the command ${JSON.stringify(secretsCommand)}`;
    return new Secrets({ where, notes, keep, file: secretsOut, stack: stack.move() });
  }

  async note(intent: Intent): Promise<void> {
    this.#open.add(intent.request);
    await this.#notes.append(intent);
  }

  /** Requests whose keys may have been made, and whose secrets are nowhere. */
  get unsure(): number {
    return this.#open.size;
  }

  /** Resolves once they are where they belong. */
  keep(records: readonly SecretRecord[]): Promise<void> {
    return this.#keep(records);
  }

  async crossOut({ request }: Pick<Intent, 'request'>): Promise<void> {
    await this.#notes.append({ done: request });
    this.#open.delete(request);
  }

  /** The keys whose secrets the file holds. Of a command nobody knows what it kept. */
  kept(): ReadonlySet<string> {
    if (this.#file === undefined) return new Set();
    const ids = recordsOf(readFileSync(this.#file, 'utf8')).map(({ keyId }) => String(keyId));
    return new Set(ids);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { path } = this.#notes;
    if (this.#open.size === 0) rmSync(path, { force: true });
    await this.#stack.disposeAsync();
  }
}

/** Runs the command, which is given the records as lines of JSON; only when it ends well are they kept. */
function handOver(command: string, records: readonly SecretRecord[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // What it prints is not the result of this command; a secret it echoes is its own doing, and still no result.
    const child = spawn(command, { shell: true, stdio: ['pipe', 2, 2] });
    const failed = (how: string) =>
      reject(
        new ConfigurationError([
          `--secrets-command ${how}; the secrets of ${namesOf(records)} were not kept`,
        ]),
      );
    child.once('error', (error) => failed(`could not be run: ${error.message}`));
    child.once('close', (code, signal) => (code === 0 ? resolve() : failed(`ended with ${signal ?? code}`)));
    child.stdin!.once('error', () => {}); // it may end without reading; its exit code tells
    child.stdin!.end(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  });
}

function namesOf(records: readonly SecretRecord[]): string {
  return records.map(({ tenant, cluster, key }) => `${tenant}/${cluster}/${key}`).join(', ');
}

/** Where the notes are that belong to no file: one of each hub. */
function notesOf(hubUrl: string, environment: Environment): string {
  const base = environment.XDG_STATE_HOME || (environment.HOME && join(environment.HOME, '.local', 'state'));
  if (!base)
    throw new ConfigurationError(['HOME or XDG_STATE_HOME is required: what is under way is noted below it']);
  const directory = join(base, 'spokecast');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return join(directory, `apply-${hash('sha256', hubUrl, 'hex').slice(0, 16)}.pending`);
}

/** Before anything is written beside it: neither a terminal nor a pipe keeps anything, and reading one may not end. */
function mustBeFile(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there && !there.isFile())
    throw new ConfigurationError([
      `--secrets-out ${path} is no file; --secrets-command gives secrets to a program`,
    ]);
}

/** Appending secrets to what is something else would be a loss of its own. */
function mustHoldRecords(path: string): void {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new ConfigurationError([`--secrets-out ${path}: ${(error as Error).message}`]);
  }
  const [first = ''] = text.split('\n');
  if (first === '' || typeof recordsOf(first)[0]?.secret === 'string') return;
  throw new ConfigurationError([
    `--secrets-out ${path} holds something else than secrets of agent keys: name another file`,
  ]);
}
