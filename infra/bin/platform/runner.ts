import { v7 as uuidv7 } from 'uuid';
import type { Clock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { canonicalJson } from '../../../contexts/envelope.ts';
import type {
  AgentKeyCreated,
  AgentKeysCreate,
  Answer,
  InputOf,
  OperationId,
  Tenant,
} from '../../client/hub-api.ts';
import { type HubClient, HubRequestError, hubExitCodes } from '../hub-client.ts';
import { type Change, pathKey } from './change.ts';
import { Interrupted } from './interruption.ts';
import { inParallel } from './pool.ts';
import type { Intent, SecretRecord, Secrets } from './secrets.ts';
import { batchesOf, clustersStage, stages } from './stages.ts';
import { requestsAtOnce } from './state.ts';

export interface RunnerParts {
  hub: HubClient;
  clock: Clock;
  secrets: Secrets | undefined;
  /** Ends the run after the requests under way. */
  signal: AbortSignal;
  progress(done: number, total: number): void;
}

/** What has been done so far, whatever happens. */
export interface Progress {
  done: Change[];
  /** Somebody else was there first: to be planned again. */
  raced: Change[];
  fences: string[];
}

/** `halfway`: the rest of it comes last. */
type Outcome = 'done' | 'raced' | 'halfway';

/** One change could not be made. The others under way were waited for. */
export class ChangeFailed extends Error {
  override name = 'ChangeFailed';
  readonly change: Change;

  constructor(change: Change, cause: unknown) {
    super((cause as Error).message, { cause });
    this.change = change;
  }
}

/** Beyond which a hub that does not answer is given up. */
const attemptsMax = 7;
const firstPauseMs = 250;

/**
 * Makes the changes at the hub: parents before children, what comes before what goes. A request that got no answer is
 * repeated with the same idempotency key. What has changed since the plan was made is left as it is and told.
 */
export class Runner {
  readonly progress: Progress = { done: [], raced: [], fences: [] };
  readonly #parts: RunnerParts;
  /** Of what this run has made, by its path. */
  readonly #ids = new Map<string, string>();
  /** What the hub holds of things that are changed in two steps, after the first. */
  readonly #halfway = new Map<Change, Tenant>();
  #total = 0;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** @throws ChangeFailed, Interrupted; `progress` tells what was done before. */
  async run(changes: readonly Change[]): Promise<void> {
    this.#total = changes.length;
    const creations = changes.filter(({ kind, action }) => kind === 'agent-key' && action === 'create');
    for (const stage of stages) {
      const ones = changes.filter((change) => stage(change));
      await inParallel(ones, requestsAtOnce, (change) => this.#one(change, () => this.#change(change)));
      if (stage !== clustersStage) continue;
      await inParallel(batchesOf(creations), requestsAtOnce, (batch) =>
        this.#one(batch[0]!, () => this.#createKeys(batch)),
      );
    }
    const raced = new Set(this.progress.raced);
    const tightening = changes.filter((change) => change.lastly && !raced.has(change));
    await inParallel(tightening, requestsAtOnce, (change) =>
      this.#one(change, () => this.#change(change, () => this.#tighten(change))),
    );
  }

  async #one(change: Change, work: () => Promise<void>): Promise<void> {
    if (this.#parts.signal.aborted) throw new Interrupted();
    try {
      await work();
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      throw new ChangeFailed(change, error);
    }
    this.#parts.progress(this.progress.done.length + this.progress.raced.length, this.#total);
  }

  async #change(change: Change, work = () => this.#made(change)): Promise<void> {
    const outcome = await work().catch((error: unknown) => {
      if (this.#isRace(error, change)) return 'raced' as const;
      throw error;
    });
    if (outcome !== 'halfway') this.progress[outcome].push(change);
  }

  #made(change: Change): Promise<Outcome> {
    switch (change.action) {
      case 'create':
        return this.#create(change);
      case 'update':
        return change.lastly ? this.#loosen(change) : this.#update(change, change.body, change.basis);
      case 'delete':
        return this.#delete(change);
    }
  }

  async #create(change: Change): Promise<'done' | 'raced'> {
    const { kind, path, body, afterwards } = change;
    const headers = { 'idempotency-key': newRequest() };
    const tenantId = kind === 'cluster' ? this.#parentOf(change) : undefined;
    if (kind === 'cluster' && tenantId === undefined) return 'raced';
    const parent = tenantId === undefined ? {} : { tenantId };
    const operation = { region: 'createRegion', tenant: 'createTenant', cluster: 'createCluster' } as const;
    const { body: made } = await this.#send(operation[kind as 'cluster'], {
      body: { ...parent, ...body } as never,
      headers,
    });
    this.#ids.set(pathKey(path), made.id);
    if (afterwards) await this.#update({ ...change, id: made.id }, afterwards, undefined);
    return 'done';
  }

  /** The first of two steps, where there is something to loosen. */
  async #loosen(change: Change): Promise<Outcome> {
    if (Object.keys(change.body).length === 0) return 'halfway';
    const outcome = await this.#update(change, change.body, change.basis);
    return outcome === 'done' ? 'halfway' : outcome;
  }

  /** The second: what stood in its way is gone by now. */
  #tighten(change: Change): Promise<'done' | 'raced'> {
    return this.#update(change, change.lastly!, this.#halfway.get(change) ?? change.basis);
  }

  async #update(change: Change, body: Change['body'], basis: Change['basis']): Promise<'done' | 'raced'> {
    const { kind, id } = change;
    const path = { id: id! };
    const { read, update } = operationsOf[kind];
    let ifMatch: string | undefined;
    if (basis) {
      const { body: found, etag } = await this.#send(read as 'getCluster', { path });
      if (kept(found) !== kept(basis)) return 'raced';
      ifMatch = etag ?? undefined;
    }
    const headers = ifMatch === undefined ? {} : { 'if-match': ifMatch };
    const answer = await this.#send(update as 'updateTenant', { path, body: body as never, headers });
    if (change.lastly) this.#halfway.set(change, answer.body);
    return 'done';
  }

  async #delete({ kind, id, basis }: Change): Promise<'done' | 'raced'> {
    const path = { id: id! };
    const { read, remove } = operationsOf[kind];
    try {
      const { body: found, etag } = await this.#send(read as 'getCluster', { path });
      if (kept(found) !== kept(basis)) return 'raced';
      await this.#send(remove as 'deleteCluster', { path, headers: { 'if-match': etag! } });
    } catch (error) {
      if (!isStatus(error, 404)) throw error; // gone is gone, whoever did it
    }
    return 'done';
  }

  /** Notes, asks, keeps, crosses out: in this order, so that no secret is lost without a note of it. */
  async #createKeys(batch: readonly Change[]): Promise<void> {
    const { secrets } = this.#parts;
    const [first] = batch;
    const [tenant, cluster] = first!.path as [string, string];
    const clusterId = this.#parentOf(first!);
    if (clusterId === undefined) {
      this.progress.raced.push(...batch);
      return;
    }
    const body = { keys: batch.map((change) => change.body) } as unknown as AgentKeysCreate;
    const intent: Intent = { request: newRequest(), tenant, cluster, clusterId, body };
    await secrets!.note(intent);
    let items: readonly AgentKeyCreated[];
    try {
      items = await this.createdKeys(intent);
    } catch (error) {
      if (isRefusal(error)) await secrets!.crossOut(intent); // else it may have been done
      if (!this.#isRace(error, first!)) throw error;
      this.progress.raced.push(...batch);
      return;
    }
    await this.keepSecrets(intent, items);
    for (const [index, change] of batch.entries()) {
      if (change.afterwards)
        await this.#update({ ...change, id: items[index]!.id }, change.afterwards, undefined);
      this.progress.done.push(change);
    }
  }

  /** The keys of an intent, with secrets: made now, or made by a request whose answer was lost and given others. */
  async createdKeys({ request, clusterId, body }: Intent): Promise<readonly AgentKeyCreated[]> {
    const { body: made } = await this.#send('createAgentKeys', {
      path: { id: clusterId },
      body,
      headers: { 'idempotency-key': request },
    });
    return Promise.all(made.items.map((key) => (key.secret === undefined ? this.renewed(key) : key)));
  }

  /** With a secret in place of one that was told to nobody who kept it. */
  async renewed({ id }: { id: string }): Promise<AgentKeyCreated> {
    for (;;) {
      const headers = { 'idempotency-key': newRequest() };
      const { body } = await this.#send('rotateAgentKey', {
        path: { id },
        body: { graceSeconds: 0 },
        headers,
      });
      if (body.secret !== undefined) return body;
    }
  }

  async keepSecrets(intent: Intent, items: readonly AgentKeyCreated[]): Promise<void> {
    const { tenant, cluster, clusterId } = intent;
    const records = items.map(
      ({ id, name, secret }): SecretRecord => ({
        tenant,
        cluster,
        clusterId,
        key: name,
        keyId: id,
        secret: secret!,
      }),
    );
    if (records.length > 0) await this.#parts.secrets!.keep(records);
    await this.#parts.secrets!.crossOut(intent);
  }

  /** Also what its tenant has no room for, because somebody else was first at the tenant and the room was not made. */
  #isRace(error: unknown, change: Change): boolean {
    if (isRace(error, change)) return true;
    if (!(error instanceof HubRequestError && roomCodes.has(error.code ?? ''))) return false;
    return this.progress.raced.some(({ kind, path }) => kind === 'tenant' && path[0] === change.path[0]);
  }

  /** Undefined where somebody else made the parent meanwhile: then this is planned again with it. */
  #parentOf({ parentId, path }: Change): string | undefined {
    return parentId ?? this.#ids.get(pathKey(path.slice(0, -1)));
  }

  async #send<Id extends OperationId>(id: Id, ...input: InputOf<Id>) {
    const { hub, clock, signal } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await hub.send(id, ...input);
        if (answer.fence !== null) this.progress.fences.push(answer.fence);
        return answer as Answer<typeof answer.body>;
      } catch (error) {
        const isPassing = error instanceof HubRequestError && error.exitCode === hubExitCodes.unreachable;
        if (!isPassing || attempt === attemptsMax || signal.aborted) throw error;
        await clock.sleep(firstPauseMs * 2 ** (attempt - 1), signal);
      }
    }
  }
}

const operationsOf = {
  region: { read: 'getRegion', update: 'updateRegion', remove: 'deleteRegion' },
  tenant: { read: 'getTenant', update: 'updateTenant', remove: 'deleteTenant' },
  cluster: { read: 'getCluster', update: 'updateCluster', remove: 'deleteCluster' },
  'agent-key': { read: 'getAgentKey', update: 'updateAgentKey', remove: 'deleteAgentKey' },
} as const satisfies Record<Change['kind'], Record<'read' | 'update' | 'remove', OperationId>>;

const roomCodes: ReadonlySet<string> = new Set(['REGION_NOT_ALLOWED', 'QUOTA_EXCEEDED']);

/** Somebody else made, changed or deleted it since the plan was made. */
function isRace(error: unknown, { action }: Change): boolean {
  if (!(error instanceof HubRequestError)) return false;
  if (error.code === 'PRECONDITION_FAILED') return true;
  if (error.code === 'NAME_TAKEN' || error.code === 'ID_TAKEN' || error.code === 'RESIDENCY_IN_USE')
    return true;
  return isStatus(error, 404) && action !== 'delete';
}

/** The hub says that it did nothing. */
function isRefusal(error: unknown): boolean {
  return error instanceof HubRequestError && error.exitCode !== hubExitCodes.unreachable;
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof HubRequestError && error.status === status;
}

function newRequest(): string {
  return uuidv7({ random: systemRandom.bytes(16) });
}

/** What somebody keeps in the hub, as text: not what is only seen of it, now so and then so (how far its publishing is, when a key was used). */
function kept(thing: object | undefined): string {
  const { publishing: _p, lastUsedAt: _l, uses: _u, ...rest } = (thing ?? {}) as Record<string, unknown>;
  return canonicalJson(rest);
}
