import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Environment } from '../../contexts/base/options.ts';
import type { Random } from '../../contexts/base/random.ts';
import { type Demo, demoAnswers, demoRegions, seedDemo } from './demo.ts';
import { readIfThere, removeState, wheelFiles, writePrivately } from './files.ts';
import { HubClient } from './hub-client.ts';
import { layoutOf, type WheelLayout } from './layout.ts';
import { lockDirectory, WheelRefused } from './lock.ts';
import type { WheelOptions } from './options.ts';
import { checkPorts } from './ports.ts';
import { endLeftoverPostgres, ensureDatabase } from './postgres.ts';
import type { Progress } from './progress.ts';
import {
  databaseEnv,
  gatewayRole,
  hubRole,
  postgresRole,
  publisherRole,
  spokecast,
  storeRole,
  upstreamRole,
} from './roles.ts';
import { seedRegions } from './seed.ts';
import { type RoleEvent, Supervisor } from './supervisor.ts';
import {
  describeWheel,
  removeWheelFile,
  type WheelFile,
  wheelFilePath,
  writeWheelFile,
} from './wheel-file.ts';

export interface WheelInput {
  options: WheelOptions;
  environment: Environment;
  clock: Clock;
  random: Random;
  progress: Progress;
}

const execFileAsync = promisify(execFile);
/** How long the roles of a wheel that was killed may take to get out of the way of the next. */
const leftoverPatienceMs = 10_000;
const demoPatienceMs = 30_000;

/**
 * The whole of Spokecast on this machine: every role a process of its own, started in the order in which they
 * need each other, seeded through the hub's API, described in `wheel.json` once all of it answers.
 *
 * Life: `open` takes the directory; `start` brings everything up; disposing ends it all, also half-way through
 * a start.
 */
export class Wheel implements AsyncDisposable {
  readonly layout: WheelLayout;
  /** Makes the platform's first person; undefined where there is one. Known once it is started. */
  setUpLink: string | undefined;
  readonly #input: WheelInput;
  readonly #supervisor: Supervisor;
  readonly #held: AsyncDisposableStack;
  #description: (() => WheelFile) | undefined;
  /** Writes of wheel.json follow each other; a removal at the end follows them all. */
  #writing: Promise<void> = Promise.resolve();

  /** @throws WheelRefused when the directory cannot be made, another wheel has it, or somebody has the ports. */
  static async open(input: WheelInput): Promise<Wheel> {
    const { options, clock } = input;
    const directory = resolve(options.directory);
    await mkdir(directory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      const reason =
        error.code === 'EEXIST' || error.code === 'ENOTDIR' ? 'a file is in the way' : error.code;
      throw new WheelRefused(
        `the directory ${directory} cannot be made (${reason}). Choose another: npm start -- --dir <directory>`,
      );
    });
    await using held = new AsyncDisposableStack();
    const lock = held.use(await lockDirectory(directory));
    const databasePassword = await rememberedPassword(directory, input);
    const layout = layoutOf({
      directory,
      portBase: options.portBase,
      databasePassword,
      environment: input.environment,
    });
    await endLeftoverPostgres(layout.postgres, clock, leftoverPatienceMs);
    await checkPortsPatiently(layout, options.portBase, lock.tookOver ? leftoverPatienceMs : 0, clock);
    await removeWheelFile(directory);
    return new Wheel(input, layout, held.move());
  }

  private constructor(input: WheelInput, layout: WheelLayout, held: AsyncDisposableStack) {
    this.#input = input;
    this.layout = layout;
    this.#held = held;
    this.#supervisor = held.use(
      new Supervisor({
        clock: input.clock,
        logDirectory: join(layout.directory, wheelFiles.logs),
        restart: input.options.restart,
        onEvent: (event) => this.#onRoleEvent(event),
      }),
    );
    this.#supervisor.watchdog.tell({ order: 'remove-afterwards', path: wheelFilePath(layout.directory) });
  }

  /** Resolves once every role and the demo key at every gateway answer. @throws RoleFailed, HubProblem */
  async start(): Promise<WheelFile> {
    const { layout } = this;
    const { progress } = this.#input;
    const { regions } = layout;
    const supervisor = this.#supervisor;

    await Promise.all([
      this.#startDatabase(),
      progress.during('starting stores and demo upstreams', () =>
        supervisor.start(
          ...regions.map((region) => storeRole(layout, region)),
          ...regions.map((region) => upstreamRole(layout, region)),
        ),
      ),
    ]);
    const remembered = await this.#rememberedKey();
    const [, created] = await Promise.all([
      progress.during('starting the hub', () => supervisor.start(hubRole(layout))),
      remembered ? undefined : this.#createKey(),
    ]);
    const applicationKey = created ?? (await this.#workingKey(remembered!));
    const hub = new HubClient(layout.hub.url, applicationKey);
    await seedRegions(layout, hub);
    await progress.during('starting the publisher and the gateways', () =>
      supervisor.start(publisherRole(layout), ...regions.map((region) => gatewayRole(layout, region))),
    );
    const demo = await seedDemo(layout, hub);
    const [setUpLink] = await Promise.all([
      this.#makeSetUpLink(),
      progress.during('bringing the demo to every region', () => this.#demoAnswers(hub, demo)),
    ]);
    this.setUpLink = setUpLink;

    this.#description = () =>
      describeWheel(layout, (role) => supervisor.lastPidOf(role), applicationKey, demo);
    this.#describe();
    await this.#writing;
    return this.#description();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#description = undefined;
    await this.#writing;
    await removeWheelFile(this.layout.directory);
    await this.#held[Symbol.asyncDispose]();
  }

  #onRoleEvent(event: RoleEvent): void {
    this.#input.progress.onRoleEvent(event);
    if (event.event === 'ready') this.#describe(); // with its new process id
  }

  #describe(): void {
    this.#writing = this.#writing
      .then(() => this.#description && writeWheelFile(this.layout.directory, this.#description()))
      .catch((error) => this.#input.progress.say(`! wheel.json could not be written: ${error}`));
  }

  async #startDatabase(): Promise<void> {
    const { layout } = this;
    const { progress } = this.#input;
    const postgres = await progress.during('making the database files', () => postgresRole(layout.postgres));
    await progress.during('starting Postgres', () => this.#supervisor.start(postgres));
    await ensureDatabase(layout.postgres, layout.database);
    await progress.during('migrating the database', () => this.#spokecast('migrate'));
  }

  #rememberedKey(): Promise<string | undefined> {
    return readIfThere(join(this.layout.directory, wheelFiles.applicationKey));
  }

  /** The remembered key, or another where somebody revoked it. */
  async #workingKey(remembered: string): Promise<string> {
    const works = await new HubClient(this.layout.hub.url, remembered).keyWorks();
    return works ? remembered : this.#createKey();
  }

  /** The owner's key, made straight in the database, as the first key anywhere is. */
  async #createKey(): Promise<string> {
    const flags = ['--role', 'owner', '--name', 'local', '--json'];
    const { secret } = JSON.parse(await this.#spokecast('application-keys', 'create', ...flags)) as {
      secret: string;
    };
    await writePrivately(join(this.layout.directory, wheelFiles.applicationKey), secret);
    return secret;
  }

  async #makeSetUpLink(): Promise<string | undefined> {
    const { url } = JSON.parse(await this.#spokecast('hub', 'set-up-link', '--json')) as {
      url: string | null;
    };
    return url ?? undefined;
  }

  /** Runs a `spokecast` command against the hub's database to its end; resolves with its standard output. */
  async #spokecast(...args: readonly string[]): Promise<string> {
    const { command, args: line } = spokecast(...args);
    try {
      const { stdout } = await execFileAsync(command, line, {
        env: { ...databaseEnv(this.layout), SPOKECAST_PORT: String(this.layout.hub.port) },
        timeout: 60_000,
      });
      return stdout;
    } catch (error) {
      const words = (error as { stderr?: string }).stderr?.trim() || String(error);
      throw new Error(`spokecast ${args[0]} failed:\n${words}`, { cause: error });
    }
  }

  /** Waits until the demo works wherever it is to. @throws naming the regions where it does not. */
  async #demoAnswers(hub: HubClient, demo: Demo): Promise<void> {
    const { clock, progress } = this.#input;
    let waitingFor = await demoRegions(this.layout, hub, demo);
    if (waitingFor.length < this.layout.regions.length) {
      progress.say('  the demo is not active in every region, as somebody left it; --fresh makes it anew');
    }
    const startedAtMs = clock.monotonic();
    for (;;) {
      const answers = await Promise.all(waitingFor.map((region) => demoAnswers(region, demo)));
      waitingFor = waitingFor.filter((_, index) => !answers[index]);
      if (waitingFor.length === 0) return;
      if (clock.monotonic() - startedAtMs > demoPatienceMs) {
        const where = waitingFor.map((region) => region.id).join(', ');
        throw new Error(
          `the demo does not work in ${where}; see publisher.log in ${wheelFiles.logs}/, or start --fresh`,
        );
      }
      await clock.sleep(50);
    }
  }
}

/** Removes the state of earlier runs where that is wanted; then the password of the database that is there, or a new one. */
async function rememberedPassword(directory: string, { options, random }: WheelInput): Promise<string> {
  if (options.fresh) await removeState(directory);
  const path = join(directory, wheelFiles.databasePassword);
  const remembered = await readIfThere(path);
  if (remembered) return remembered;
  const password = Buffer.from(random.bytes(24)).toString('base64url');
  await writePrivately(path, password);
  return password;
}

async function checkPortsPatiently(
  layout: WheelLayout,
  base: number,
  patienceMs: number,
  clock: Clock,
): Promise<void> {
  const startedAtMs = clock.monotonic();
  for (;;) {
    try {
      return await checkPorts(layout, base);
    } catch (error) {
      if (!(error instanceof WheelRefused) || clock.monotonic() - startedAtMs >= patienceMs) throw error;
      await clock.sleep(200);
    }
  }
}
