import { type Command, InvalidArgumentError } from 'commander';
import {
  asksHub,
  type Cli,
  collect,
  confirm,
  type HubCommandFlags,
  readSeconds,
  Unconfirmed,
} from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { HubClient } from '../hub-client.ts';
import { type Change, describeThing } from '../platform/change.ts';
import { type Desired, PlatformFileError, placeText, readDesired } from '../platform/desired.ts';
import { Interrupted, Interruption } from '../platform/interruption.ts';
import { type Meaning, meaningOf } from '../platform/meaning.ts';
import { Patience } from '../platform/patience.ts';
import { planChanges } from '../platform/plan.ts';
import { planText } from '../platform/plan-text.ts';
import { resume } from '../platform/resume.ts';
import { ChangeFailed, Runner } from '../platform/runner.ts';
import { platformSchema } from '../platform/schema.ts';
import { type SecretFlags, Secrets } from '../platform/secrets.ts';
import { readSources } from '../platform/sources.ts';
import { type PlatformState, readState } from '../platform/state.ts';
import { waitForAll } from '../platform/waiting.ts';
import { bar } from '../progress-line.ts';

type Flags = HubCommandFlags &
  SecretFlags & {
    file?: readonly string[];
    prune?: boolean;
    maxDeletions: number;
    yes?: boolean;
    wait?: boolean | number;
    printSchema?: boolean;
  };

/** Planned again so often, where others change the same at the same time. */
const roundsMax = 6;
const maxDeletionsDefault = 20;

export function addApply(command: Command, cli: Cli): void {
  asksHub(command)
    .option('-f, --file <path>', 'a file, a directory, or - for standard input; may be repeated', collect)
    .option('--prune', 'delete clusters and agent keys that are not in the lists that the files write')
    .option(
      '--max-deletions <count>',
      'refuse to delete more, or to stop more agent keys, altogether',
      readBound,
      maxDeletionsDefault,
    )
    .option(
      '--secrets-out <path>',
      'append the secrets of new agent keys to this file of mode 600, as lines of JSON',
    )
    .option(
      '--secrets-command <command>',
      'run this command, with the secrets of new agent keys as lines of JSON on its standard input',
    )
    .option('--yes', 'do not ask')
    .option(
      '--wait [seconds]',
      'wait until every gateway goes by it, 60 seconds at the most (exit code 75 after that)',
      readSeconds,
    )
    .option('--print-schema', 'print the JSON schema of the files, for editors, and do nothing else')
    .action(async (flags: Flags) => {
      if (flags.printSchema) return cli.terminal.print(platformSchema().trimEnd());
      if (!flags.file) throw new InvalidArgumentError('--file is required; --help says more');
      const desired = readDesired(await readSources(flags.file, cli.terminal));
      const hub = HubClient.from(cli.environment, flags);
      using interruption = new Interruption(cli.terminal.say);
      await using secrets = await Secrets.open(flags, hub.url, cli.environment);
      const run = new Application({ cli, hub, flags, desired, secrets, interruption });
      const exitCode = await run.run();
      if (exitCode !== exitCodes.done) cli.exit(exitCode);
    });
}

interface Parts {
  cli: Cli;
  hub: HubClient;
  flags: Flags;
  desired: Desired;
  secrets: Secrets | undefined;
  interruption: Interruption;
}

/** Reads, plans, asks, does, and begins again where others were at the same things. */
class Application {
  readonly #parts: Parts;
  readonly #done: Change[] = [];
  readonly #fences: string[] = [];
  /** What somebody has agreed to lose; ids. */
  readonly #agreed = new Set<string>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(): Promise<number> {
    const { terminal } = this.#parts.cli;
    for (let round = 1; round <= roundsMax; round++) {
      const { changes, meaning } = await this.#orEnd(this.#plan());
      if (changes.length === 0 && !this.#hasLeft(round)) return this.#conclude();
      this.#checkSecrets(changes);
      await this.#orEnd(this.#agree(changes, meaning, round));
      const raced = await this.#do(changes, round);
      if (raced === 0) return this.#conclude();
      terminal.say(`${raced} of them were changed by somebody else meanwhile, and are planned again.`);
    }
    terminal.say(
      'Others go on changing the same things. What is done stays done; the same command again goes on.',
    );
    return exitCodes.notYet;
  }

  /** What only reads, asks or waits. @throws Ended */
  async #orEnd<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await this.#parts.interruption.orEnd(work);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      throw new Ended(`Ended. Nothing was changed${this.#soFar()}.`, exitCodes.interrupted);
    }
  }

  async #plan(): Promise<{ changes: Change[]; meaning: Meaning }> {
    const { cli, hub, desired, flags } = this.#parts;
    using patience = new Patience(cli.clock);
    const prune = flags.prune === true;
    const state: PlatformState = await readState(hub, desired, prune, (what, count) =>
      patience.show(`reading ${what}: ${count}`),
    );
    const nowMs = cli.clock.now();
    const changes = this.#planned(() => planChanges(desired, state, { prune, nowMs }));
    return { changes, meaning: meaningOf(changes, state, nowMs) };
  }

  /** What others did meanwhile may make a mistake of what was none in the round before. */
  #planned(plan: () => Change[]): Change[] {
    try {
      return plan();
    } catch (error) {
      if (error instanceof PlatformFileError) throw new PlatformFileError(error.mistakes, this.#soFar());
      throw error;
    }
  }

  #hasLeft(round: number): boolean {
    return round === 1 && (this.#parts.secrets?.left.length ?? 0) > 0;
  }

  /** Before anything is made: a secret is told once. */
  #checkSecrets(changes: readonly Change[]): void {
    const keys = changes.filter(({ kind, action }) => kind === 'agent-key' && action === 'create').length;
    if (keys === 0 || this.#parts.secrets) return;
    throw new InvalidArgumentError(
      `This makes ${keys} agent ${keys === 1 ? 'key' : 'keys'}, whose secrets are told once. Say where they go: --secrets-out <path>, or --secrets-command <command>. Nothing was changed${this.#soFar()}`,
    );
  }

  /** @throws Unconfirmed where it is too much, or nobody says yes. */
  async #agree(changes: readonly Change[], meaning: Meaning, round: number): Promise<void> {
    const { cli, flags } = this.#parts;
    const losing = [...meaning.losing].filter((id) => !this.#agreed.has(id));
    const isAgreed = round > 1 && losing.length === 0;
    if (isAgreed) return;
    const text =
      changes.length === 0 ? 'Keys of an earlier run lack their secrets.' : planText(changes, meaning);
    const all = this.#agreed.size + losing.length;
    if (all > flags.maxDeletions)
      throw new Unconfirmed(
        `${text}\n${all} things go or stop working, and --max-deletions is ${flags.maxDeletions}. If all of that is meant: --max-deletions ${all}. Nothing was changed${this.#soFar()}`,
      );
    if (flags.yes) cli.terminal.say(text);
    else await confirm(cli.terminal, text, false);
    for (const id of losing) this.#agreed.add(id);
  }

  /** Returns how many somebody else was at. */
  async #do(changes: readonly Change[], round: number): Promise<number> {
    const { cli, hub, secrets, interruption } = this.#parts;
    const { terminal, clock } = cli;
    using patience = new Patience(clock);
    const runner = new Runner({
      ...{ hub, clock, secrets, signal: interruption.signal },
      progress: (done, total) => patience.show(bar(done, total)),
    });
    let failure: unknown;
    try {
      if (round === 1 && secrets) await resume(hub, secrets, runner, terminal.say);
      await runner.run(changes);
    } catch (error) {
      failure = error;
    }
    const { done, raced, fences } = runner.progress;
    this.#done.push(...done);
    this.#fences.push(...fences);
    if (failure !== undefined) throw this.#explained(failure, changes.length - done.length);
    return raced.length;
  }

  #explained(error: unknown, left: number): unknown {
    const { secrets } = this.#parts;
    const made = `${this.#done.length} changes were made, ${left} are left.`;
    const unsure = secrets?.unsure
      ? ' Agent keys may have been made whose secrets are not kept: with the same destination they are given new ones.'
      : '';
    const goOn = `${made} The same command again goes on from here.${unsure}`;
    if (error instanceof Interrupted) return new Ended(`Ended. ${goOn}`, exitCodes.interrupted);
    if (!(error instanceof ChangeFailed)) return error;
    const { change, cause } = error;
    const place = change.at ? `${placeText(change.at)}: ` : '';
    const exitCode = (cause as { exitCode?: unknown }).exitCode;
    return new Ended(
      `${place}${describeThing(change)}: ${error.message}\n${goOn}`,
      typeof exitCode === 'number' ? exitCode : exitCodes.failed,
    );
  }

  async #conclude(): Promise<number> {
    const { cli, hub, flags, secrets } = this.#parts;
    const { terminal, clock } = cli;
    const count = (action: Change['action']) => this.#done.filter((one) => one.action === action).length;
    const counts = { created: count('create'), changed: count('update'), deleted: count('delete') };
    const keys = this.#done.filter(({ kind, action }) => kind === 'agent-key' && action === 'create').length;
    const waitMs =
      flags.wait === undefined || flags.wait === false
        ? undefined
        : (flags.wait === true ? 60 : flags.wait) * 1000;
    const open = waitMs === undefined ? 0 : await this.#orEnd(waitForAll(hub, this.#fences, waitMs, clock));
    if (flags.json)
      terminal.print(JSON.stringify({ ...counts, newKeys: keys, fences: this.#fences, unseen: open }));
    else if (this.#done.length === 0) terminal.print('Nothing to change.');
    else {
      terminal.print(`${counts.created} created, ${counts.changed} changed, ${counts.deleted} deleted.`);
      if (keys > 0)
        terminal.say(`The secrets of ${keys} new agent keys went to ${secrets!.where}, and nowhere else.`);
      if (waitMs !== undefined && open === 0) terminal.say('Every gateway goes by it.');
    }
    if (open === 0) return exitCodes.done;
    terminal.say(
      `${open} of ${this.#fences.length} changes are not seen everywhere yet; they go on. \`spokecast status\` tells what is slow.`,
    );
    return exitCodes.notYet;
  }

  #soFar(): string {
    const count = this.#done.length;
    return count === 0
      ? ''
      : ` but the ${count} ${count === 1 ? 'thing that was' : 'things that were'} done before`;
  }
}

/** The run ended before its end, and says how to go on. */
class Ended extends Error {
  override name = 'Ended';
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

function readBound(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 0.');
  return Number(text);
}
