import postgres from 'postgres';
import { startHub } from '../support/hub.ts';
import * as make from '../support/things.ts';
import type { FullHub } from './fill.ts';
import { type ExecutedPlan, PlanTap } from './plan-tap.ts';
import { judge, planText } from './plans.ts';
import { publishing, reading } from './publishing.ts';
import { rules } from './rules.ts';
import { tour } from './tour.ts';

/** As often as a request that reads may run one statement: once for each region, but not for each line of a page. */
const repeatedMax = 40;

export interface Walk {
  /** Different statements that were met. */
  statements: number;
  /** What is wrong with each that is, in words, with its plan. */
  faults: string[];
  /** Exemptions that no statement needed. */
  idle: string[];
}

/** Has hub and publisher do all they can on a database that is full, and judges how Postgres ran each statement. */
export async function walkPlans(databaseUrl: string, size: FullHub): Promise<Walk> {
  await using stack = new AsyncDisposableStack();
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  stack.defer(() => sql.end());
  const tables = new Set(
    (
      await sql<{ name: string }[]>`
      select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace`
    ).map(({ name }) => name),
  );
  const statements = new Set<string>();
  const faults = new Map<string, string>();
  const needed = new Set<string>();
  let repeated = new Map<string, number>();
  const hear = (executed: ExecutedPlan) => {
    statements.add(executed.text);
    const times = (repeated.get(executed.text) ?? 0) + 1;
    repeated.set(executed.text, times);
    if (times === repeatedMax && executed.doing.startsWith('GET '))
      faults.set(
        executed.text,
        `${executed.doing}\n  it is run ${times} times and more for one request\n${executed.text}`,
      );
    const { faults: found, exempt } = judge(executed, rules, tables);
    if (exempt) needed.add(exempt.reason);
    if (found.length > 0 && !faults.has(executed.text))
      faults.set(
        executed.text,
        `${executed.doing}\n  ${found.join('\n  ')}\n${executed.text}\n${planText(executed.plan)}`,
      );
  };
  const tap = stack.use(await PlanTap.start(databaseUrl, hear));
  const hub = stack.use(
    await startHub({
      databaseUrl: tap.url,
      environment: { SPOKECAST_STORE_READ_TIMEOUT_MS: '50', SPOKECAST_DATABASE_CONNECTIONS_MAX: '1' },
    }),
  );
  const during = (doing: string) => {
    repeated = new Map();
    tap.during(doing);
  };
  const region = await make.region(hub.owner, 'toured');
  await tour({ hub, sql, size, region, during });
  tap.during('the builders');
  await reading(tap.url, size);
  tap.during('the publisher');
  await publishing(tap.url, hub.owner, region);
  const idle = rules.exempt.filter(({ reason }) => !needed.has(reason)).map(({ reason }) => reason);
  return { statements: statements.size, faults: [...faults.values()], idle };
}
