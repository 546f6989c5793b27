import type { ExecutedPlan, PlanNode } from './plan-tap.ts';

/**
 * What no statement of ours does to a table that grows: read all of it, or more than a page, a batch or a chunk of it,
 * whatever becomes of the rows then (a sort, a hash, a filter that throws them away). Rows are those that the plan
 * really met, so the database has to hold many more of each than may be read: see fill.ts.
 */
export interface Rules {
  /** Tables that do not grow, with the reason. All others do. */
  bounded: Readonly<Record<string, string>>;
  /** Statements that may do it, with the reason. */
  exempt: readonly Exemption[];
  /** Rows of one table that one statement may meet, those it throws away included. */
  rowsMax: number;
}

export interface Exemption {
  statement: RegExp;
  reason: string;
}

export interface Verdict {
  /** What is wrong, in words; empty for nothing. */
  faults: readonly string[];
  exempt: Exemption | undefined;
}

export function judge({ text, plan }: ExecutedPlan, rules: Rules, tables: ReadonlySet<string>): Verdict {
  const faults = nodesOf(plan).flatMap((node) => faultsOf(node, rules, tables));
  const exempt = faults.length > 0 ? rules.exempt.find(({ statement }) => statement.test(text)) : undefined;
  return { faults: exempt ? [] : faults, exempt };
}

function faultsOf(node: PlanNode, rules: Rules, tables: ReadonlySet<string>): string[] {
  const table = node['Relation Name'];
  if (table === undefined || !tables.has(table) || table in rules.bounded) return [];
  const loops = node['Actual Loops'] ?? 0;
  const kept = (node['Actual Rows'] ?? 0) * loops;
  const discarded =
    ((node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) * loops;
  const how = `${node['Node Type']}${node['Index Name'] ? ` by ${node['Index Name']}` : ''} of ${table}`;
  const numbers = `${Math.round(kept)} rows and throws away ${Math.round(discarded)}`;
  if (node['Node Type'] === 'Seq Scan' && !(node.Filter === undefined && kept <= 1))
    return [`${how}: no index is used; it reads ${numbers}`];
  if (kept + discarded > rules.rowsMax) return [`${how}: it reads ${numbers}`];
  return [];
}

export function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** The plan in lines, as a person reads it. */
export function planText(node: PlanNode, depth = 0): string {
  const indent = '  '.repeat(depth);
  const about = [
    node['Node Type'],
    node['Index Name'] && `using ${node['Index Name']}`,
    node['Relation Name'] && `on ${node['Relation Name']}`,
    `(${node['Actual Rows'] ?? 0} rows, ${node['Actual Loops'] ?? 0} loops)`,
  ].filter(Boolean);
  const details = (['Index Cond', 'Filter', 'Rows Removed by Filter'] as const)
    .filter((name) => node[name] !== undefined)
    .map((name) => `\n${indent}    ${name}: ${node[name]}`);
  return [
    `${indent}${about.join(' ')}${details.join('')}`,
    ...(node.Plans ?? []).map((one) => planText(one, depth + 1)),
  ].join('\n');
}
