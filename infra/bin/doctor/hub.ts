import { request } from 'undici';
import type { Clock } from '../../../contexts/base/clock.ts';
import manifest from '../../../package.json' with { type: 'json' };
import type { Gateway, Region, WhoAmI } from '../../client/hub-api.ts';
import { HubClient, HubRequestError } from '../hub-client.ts';
import type { HubAddress } from '../hub-options.ts';
import { askWhoAmI, keyInWords } from '../whoami.ts';
import { clockFinding, doubt, type Finding, fault, fine, wordsOf } from './finding.ts';

const timeoutMs = 5_000;
const expiresSoonMs = 7 * 86_400_000;

/** Whether the hub answers, can work, is of this version, knows the key and has the same time. */
export async function checkHub(
  address: HubAddress,
  clock: Clock,
): Promise<{ findings: Finding[]; regions: readonly Region[]; hub: HubClient | undefined }> {
  const { url } = address;
  const nothing = { regions: [], hub: undefined };
  const startedAt = clock.monotonic();
  let ready: { status: number; text: string };
  try {
    ready = await page(`${url}/readyz`);
  } catch (error) {
    const fix = 'Is the address right, does the hub run, and may this machine reach it (DNS, firewall, TLS)?';
    return { findings: [fault('hub', `${url} does not answer: ${wordsOf(error)}`, fix)], ...nothing };
  }
  const tookMs = Math.round(clock.monotonic() - startedAt);
  if (ready.status !== 200) {
    const fix = 'It runs and cannot work: look at its log, and at Postgres';
    return { findings: [fault('hub', `${url} is not ready: ${detailOf(ready.text)}`, fix)], ...nothing };
  }
  const findings = [fine('hub', `${url} is ready, ${tookMs} ms away`), await version(url)];
  const hub = new HubClient({ ...address, timeoutMs });
  try {
    const askedAtMs = clock.now();
    const { atMs } = await hub.send('listRegions', { query: { limit: 1 } });
    const answeredAtMs = clock.now();
    const key = await askWhoAmI(hub);
    findings.push(keyFinding(key, clock));
    const halfMs = (answeredAtMs - askedAtMs) / 2;
    // The header tells whole seconds, cut off.
    if (!Number.isNaN(atMs))
      findings.push(clockFinding('clock of the hub', atMs + 500 - (askedAtMs + halfMs), 500 + halfMs));
    const { items } = await hub.list('listRegions', Number.POSITIVE_INFINITY, { query: { limit: 200 } });
    return { findings, regions: items, hub };
  } catch (error) {
    const isRefused = error instanceof HubRequestError && error.status === 401;
    const fix = isRefused
      ? 'spokecast login, with a key of this hub that is active'
      : 'Ask with a key of the platform, of the role viewer at least';
    return { findings: [...findings, fault('application key', wordsOf(error), fix)], ...nothing };
  }
}

/** A key that ends soon is nothing yet, and will be an outage of whatever uses it. */
function keyFinding(key: WhoAmI | undefined, clock: Clock): Finding {
  if (!key) return fine('application key', 'the hub knows it');
  const leftMs = key.expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(key.expiresAt) - clock.now();
  if (leftMs > expiresSoonMs) return fine('application key', keyInWords(key));
  return doubt(
    'application key',
    `${keyInWords(key)}: it ends soon`,
    'Make another in time: spokecast application-keys create',
  );
}

/** Gateways report by their own clocks; what lies between a report and its being read is at most some seconds. */
export async function checkGateways(hub: HubClient, region: Region, clock: Clock): Promise<Finding[]> {
  const what = `gateways of ${region.id}`;
  let gateways: Gateway[];
  try {
    const query = { limit: 200 };
    ({ items: gateways } = await hub.list('listRegionGateways', 1_000, { path: { id: region.id }, query }));
  } catch (error) {
    return [fault(what, wordsOf(error), 'Ask with a key of the platform, of the role viewer at least')];
  }
  const live = gateways.filter(({ state }) => state === 'live');
  const start =
    'Start one (SPOKECAST_REGION, SPOKECAST_STORE_TABLE); is a publisher running, which collects their reports?';
  if (live.length === 0) return [doubt(what, 'none reports', start)];
  const nowMs = clock.now();
  const clocks = live
    .map((one) => ({ one, aheadMs: Date.parse(one.reportedAt) - (nowMs - one.reportedAgoMs) }))
    .map(({ one, aheadMs }) => clockFinding(`clock of ${one.id} in ${region.id}`, aheadMs, 15_000))
    .filter(({ outcome }) => outcome !== 'fine');
  const degraded = live.filter((one) => one.degraded).length;
  const look = 'Their /readyz says why; they answer from memory meanwhile: do not restart them';
  return [
    degraded === 0
      ? fine(what, `${live.length} live, builds ${[...new Set(live.map(({ build }) => build))].join(', ')}`)
      : doubt(what, `${degraded} of ${live.length} cannot read their store`, look),
    ...clocks,
  ];
}

async function version(url: string): Promise<Finding> {
  const what = 'version';
  try {
    const { text } = await page(`${url}/openapi.json`);
    const { info } = JSON.parse(text) as { info: { version: string } };
    if (info.version === manifest.version) return fine(what, `${info.version}, as this command`);
    const fix = 'Neighbouring versions work together; use the command of the same one (docs/upgrading.md)';
    return doubt(what, `the hub is ${info.version}, this command ${manifest.version}`, fix);
  } catch (error) {
    const fix = 'Is it a hub that answers there?';
    return fault(what, `the hub's version cannot be read: ${wordsOf(error)}`, fix);
  }
}

async function page(url: string): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(timeoutMs) });
  return { status: statusCode, text: await body.text() };
}

function detailOf(text: string): string {
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? text.slice(0, 200);
  } catch {
    return text.slice(0, 200);
  }
}
