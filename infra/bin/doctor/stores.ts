import type { Clock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { checkOwner, type Identity, type Store, StoreError } from '../../../contexts/store.ts';
import { DynamoStore } from '../../../contexts/stores/dynamodb.ts';
import type { Region } from '../../client/hub-api.ts';
import { doubt, type Finding, fault, fine, skipped, wordsOf } from './finding.ts';

export interface StoreCheck {
  region: Region;
  /** What the table is to say of itself; the hub's id only where its database could be asked. */
  environment: string;
  hubId: string | undefined;
  clock: Clock;
}

/**
 * One region's store, from this machine and with its credentials: is the table there, is it this region's, and may it
 * be read and written to. What is tried as a write names what cannot be there, so that it changes nothing.
 */
export async function checkStore({ region, environment, hubId, clock }: StoreCheck): Promise<Finding[]> {
  const what = `store of ${region.id}`;
  if (region.status === 'disabled') return [skipped(what, 'the region is disabled')];
  if (!region.store) return [skipped(what, 'only keys of the platform are told where it is')];
  const { endpoint, awsRegion, table } = region.store;
  await using store: Store = DynamoStore.connect({
    ...{ endpoint, awsRegion, table, clock, random: systemRandom },
    ...{ requestTimeoutMs: 3_000, connectionTimeoutMs: 2_000, attemptsMax: 1 },
  });
  try {
    const read = await store.readIdentity();
    if (read.outcome === 'no-table')
      return [
        fault(
          what,
          `there is no table ${table}`,
          `A publisher makes it within seconds: does one run, and may it dynamodb:CreateTable? Then spokecast regions reseed ${region.id}`,
        ),
      ];
    if (read.outcome === 'no-identity')
      return [
        fault(
          what,
          `the table ${table} has no identity: no publisher has set it up`,
          'Does a publisher run? Its log says why not',
        ),
      ];
    const { identity } = read;
    checkOwner(identity, { environment, region: region.id, ...(hubId === undefined ? {} : { hubId }) });
    const findings = [identityFinding(what, identity, region)];
    findings.push(...(await permissions(store, region.id)));
    return findings;
  } catch (error) {
    return [fault(what, wordsOf(error), adviceOf(error, endpoint ?? awsRegion ?? 'AWS'))];
  }
}

function identityFinding(
  what: string,
  { whole, environment, highWater }: Identity,
  { id, status }: Region,
): Finding {
  if (whole || status === 'seeding')
    return fine(
      what,
      `${environment}, ${whole ? 'whole' : 'being seeded'}, published up to ${highWater ?? 'nothing yet'}`,
    );
  return doubt(
    what,
    'the table is not whole: what is absent there denies nobody, and is answered 503',
    `A publisher seeds it: spokecast regions list; else spokecast regions reseed ${id}`,
  );
}

/** No such thing is there: nothing of it is read, changed or removed. */
const nobody = { kind: 'tenant', key: 'ten_00000000000000000000000000' } as const;
const nothing = '000000.0000000000000000.0000' as const;

/** Exported for its test. */
export async function permissions(
  store: Pick<Store, 'read' | 'readFeed' | 'setWhole' | 'expire'>,
  region: string,
): Promise<Finding[]> {
  const tried: readonly [string, () => Promise<unknown>][] = [
    ['BatchGetItem', () => store.read([nobody])],
    ['Query', () => store.readFeed(0, 1)],
    ['UpdateItem', () => store.setWhole('no such incarnation', true)],
    ['DeleteItem', () => store.expire(nobody, nothing as Parameters<Store['expire']>[1])],
  ];
  const what = `permissions in the store of ${region}`;
  const refused: string[] = [];
  for (const [action, attempt] of tried) {
    try {
      await attempt();
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_REFUSED')) throw error;
      refused.push(`dynamodb:${action}`);
    }
  }
  if (refused.length === 0) return [fine(what, `${tried.map(([action]) => action).join(', ')} are allowed`)];
  const fix = `Allow it to the publisher; gateways need GetItem, BatchGetItem, Query and PutItem. With other credentials than the publisher's this says nothing of it`;
  return [fault(what, `${refused.join(', ')} refused`, fix)];
}

function adviceOf(error: unknown, where: string): string {
  if (!(error instanceof StoreError)) return 'Look at the reason';
  switch (error.code) {
    case 'STORE_FOREIGN':
      return 'Point at the right table, or give SPOKECAST_ENV as the publisher has it. Nothing is published there until then';
    case 'STORE_REFUSED':
      return "Are these the publisher's credentials (AWS_ACCESS_KEY_ID, ... or the role of the machine), and may they use the table?";
    case 'STORE_THROTTLED':
      return "Raise the table's capacity";
    default:
      return `Is ${where} up, and may this machine reach it? --skip-stores leaves the stores out`;
  }
}
