import { cell, fields, table } from '../tables.ts';
import type { Terminal } from '../terminal.ts';

type Thing = Readonly<Record<string, unknown>>;
type Column = readonly [head: string, of: (thing: Thing) => unknown];

const plain = (...names: string[]): Column[] => names.map((name) => [name, (thing) => thing[name]]);
const placedIn: Column = [
  'regions',
  ({ placements }) => (placements as { region: string }[]).map(({ region }) => region).join(','),
];
const counted: Column = [
  'drift',
  ({ counts }) => {
    const numbers = (counts ?? {}) as Record<string, number>;
    const drift = ['missing', 'stale', 'corrupt', 'orphan', 'ahead'].filter((name) => numbers[name]);
    return counts === null ? null : drift.map((name) => `${numbers[name]} ${name}`).join(', ') || 'none';
  },
];

const audited: Column[] = [
  ...plain('at'),
  ['actor', ({ actor }) => (actor as { name: string }).name],
  ...plain('action', 'resourceId', 'tenantId', 'id'),
];

/** What of a thing stands in a list, by the name of its page's schema. Those not named here show all that is plain. */
const columns: Readonly<Record<string, readonly Column[]>> = {
  TenantPage: plain('id', 'name', 'status', 'createdAt'),
  ClusterPage: [...plain('id', 'name', 'status', 'tenantId'), placedIn],
  AgentKeyPage: plain('id', 'name', 'status', 'clusterId', 'expiresAt', 'lastUsedAt'),
  ApplicationKeyPage: plain('id', 'name', 'role', 'status', 'tenantId', 'expiresAt', 'lastUsedAt'),
  GatewayPage: plain('id', 'state', 'build', 'watermark', 'cachedContexts', 'degraded', 'reportedAgoMs'),
  SweepPage: [
    ...plain('id', 'region', 'cause', 'status'),
    ['scanned', ({ counts }) => (counts as Record<string, number> | null)?.scanned],
    counted,
    ['held', ({ counts }) => (counts as Record<string, number> | null)?.held],
    ...plain('finishedAt', 'error'),
  ],
  ResidencePage: plain('kind', 'key', 'regions', 'outside', 'unproven'),
  SeedingPage: plain('id', 'region', 'cause', 'phase', 'sweeps', 'requestedAt', 'readyAfterMs', 'error'),
  HoldPage: plain('region', 'kind', 'key', 'reason', 'since', 'detail'),
  AuditPage: audited,
  HistoryPage: audited,
};

/** A list for people: columns, or a sentence where there is nothing. */
export function showItems(terminal: Terminal, schema: string, items: readonly object[]): void {
  if (items.length === 0) {
    terminal.say('there are none');
    return;
  }
  const things = items as readonly Thing[];
  const shown = columns[schema] ?? plain(...plainNames(things[0]!));
  const rows = things.map((thing) => shown.map(([, of]) => of(thing)));
  const width = terminal.isScreen ? terminal.columns : Number.POSITIVE_INFINITY;
  terminal.print(
    table(
      shown.map(([head]) => head),
      rows,
      width,
    ),
  );
}

function plainNames(thing: Thing): string[] {
  return Object.keys(thing).filter((name) => typeof thing[name] !== 'object' || thing[name] === null);
}

/** One thing for people: a line a field, and a table for what it holds of regions. */
export function showThing(terminal: Terminal, thing: object): void {
  const name = 'uses' in thing ? 'uses' : 'regions';
  const { [name]: regions, ...rest } = thing as Thing;
  const isList = Array.isArray(regions) && regions.length > 0 && typeof regions[0] === 'object';
  terminal.print(fields(isList ? rest : thing));
  if (!isList) return;
  const rows = regions as Thing[];
  const heads = Object.keys(rows[0]!);
  terminal.print('');
  terminal.print(
    table(
      heads,
      rows.map((row) => heads.map((head) => summary(row[head]))),
      terminal.isScreen ? terminal.columns : Number.POSITIVE_INFINITY,
    ),
  );
}

/** Of a thing within a thing, what tells it: its state and version, where it has them. */
function summary(value: unknown): string {
  if (typeof value !== 'object' || value === null) return cell(value);
  if (Array.isArray(value)) return value.length === 0 ? '-' : cell(value);
  const { state, version } = value as Thing;
  return state === undefined ? cell(value) : [state, version].filter(Boolean).map(cell).join(' ');
}
