import { cell } from '../tables.ts';
import { countText } from './bounds.ts';
import type { BoundsMeaning, QuotaMeaning } from './bounds-meaning.ts';
import { type Change, describeThing } from './change.ts';
import { isWithinBudget, type KeyRegions, lossesUnasked, type Meaning } from './meaning.ts';

/** Lines of one kind that are shown; a file of a thousand clusters is summed up. */
const shownMax = 200;
const keysShownMax = 20;

const signs = { create: '+', update: '~', delete: '-' } as const;

/** The plan for people: thing by thing, and then what it means. */
export function planText(changes: readonly Change[], meaning: Meaning): string {
  const shown = changes.filter(isShown);
  const lines = shown.slice(0, shownMax).flatMap(linesOf);
  if (shown.length > shownMax) lines.push(`... and ${shown.length - shownMax} more (--json shows all)`);
  return [...lines, '', ...meaningLines(changes, meaning)].join('\n');
}

/** New keys are counted, not listed, where they come with their cluster. */
function isShown({ kind, action, parentId }: Change): boolean {
  return !(kind === 'agent-key' && action === 'create' && parentId === undefined);
}

function linesOf(change: Change): string[] {
  const { action, fields, id } = change;
  const title = `${signs[action]} ${cell(describeThing(change))}${id === undefined || change.kind === 'region' ? '' : ` (${id})`}`;
  if (action !== 'update') return [title];
  return [
    title,
    ...fields.map(({ name, before, after }) => `    ${name}: ${brief(before)} -> ${brief(after)}`),
  ];
}

function brief(value: unknown): string {
  const text = cell(typeof value === 'string' ? JSON.stringify(value) : (value ?? 'none'));
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

function meaningLines(changes: readonly Change[], meaning: Meaning): string[] {
  const count = (action: Change['action']) => changes.filter((change) => change.action === action).length;
  const keys = changes.filter(({ kind, action }) => kind === 'agent-key' && action === 'create').length;
  const gone = meaning.losing.size - meaning.stopping.length;
  const contexts = [...meaning.contexts].map(([region, number]) => `${region} ${number}`);
  return [
    `${count('create')} to create, ${count('update')} to change, ${count('delete')} to delete.`,
    ...(keys > 0 ? [`${keys} new agent keys${byRegion(meaning.newKeys)}.`] : []),
    ...keyLines('stop', meaning.stopping),
    ...keyLines('start', meaning.starting),
    ...(gone > 0 ? [`${gone} ${meaning.stopping.length > 0 ? 'more ' : ''}things go for good.`] : []),
    ...(contexts.length > 0 ? [`Contexts published: ${contexts.join(', ')}.`] : []),
    ...budgetLines(meaning),
    ...boundsLines(meaning.bounds),
    ...roomHint(changes),
    ...renameHint(changes),
  ];
}

function byRegion(counts: ReadonlyMap<string, number>): string {
  const texts = [...counts].map(([region, count]) => `${count} in ${region}`);
  return texts.length === 0 ? ', none of which works yet' : ` work: ${texts.join(', ')}`;
}

function keyLines(what: 'stop' | 'start', keys: readonly KeyRegions[]): string[] {
  if (keys.length === 0) return [];
  const shown = keys
    .slice(0, keysShownMax)
    .map(({ name, id, regions }) => `    ${cell(name)} (${id}) in ${regions.join(', ')}`);
  const more = keys.length > keysShownMax ? [`    ... and ${keys.length - keysShownMax} more`] : [];
  const subject = keys.length === 1 ? `1 agent key ${what}s` : `${keys.length} agent keys ${what}`;
  return [`${subject} working:`, ...shown, ...more];
}

function budgetLines(meaning: Meaning): string[] {
  if (meaning.losses.size === 0) return [];
  const texts = [...meaning.losses].flatMap(([region, kinds]) =>
    [...kinds].map(([kind, count]) => `${region} ${count} of ${kind}`),
  );
  const verdict = isWithinBudget(meaning)
    ? `within the budget of losses (${lossesUnasked} a region and kind)`
    : `beyond the budget of losses (${lossesUnasked} a region and kind, or a tenth of what it holds); what this command does counts as meant and is not held`;
  return [`Losses: ${texts.join(', ')}: ${verdict}.`];
}

function boundsLines(bounds: readonly BoundsMeaning[]): string[] {
  const lines = bounds.flatMap(({ tenant, residency, quotas }) => [
    ...(residency ? [`${cell(tenant)}: ${residencyText(residency)}`] : []),
    ...quotas.map((quota) => `${cell(tenant)}: ${quotaText(quota)}`),
  ]);
  const more = lines.length > shownMax ? [`... and ${lines.length - shownMax} more (--json shows all)`] : [];
  return [...lines.slice(0, shownMax), ...more];
}

function residencyText({ only, closed, opened }: NonNullable<BoundsMeaning['residency']>): string {
  const where = only === null ? 'in any region' : `in ${only.join(', ')} only`;
  const ends = closed.length > 0 ? `; no cluster can be placed in ${closed.join(', ')} any more` : '';
  const begins = opened.length > 0 ? `; new: ${opened.join(', ')}` : '';
  return `clusters may be placed ${where}${ends}${begins}.`;
}

function quotaText({ quota, most, used }: QuotaMeaning): string {
  if (most === null) return `${countText(quota, 'any number of')}.`;
  const room =
    used === undefined || used < most
      ? ''
      : used === most
        ? ': there is no room for another'
        : `: nothing is taken away, and none can be added until there are fewer than ${most}`;
  return `at most ${countText(quota, most)}${used === undefined ? '' : `, and it has ${used} then`}${room}.`;
}

function roomHint(changes: readonly Change[]): string[] {
  const count = changes.filter(({ makesRoom }) => makesRoom).length;
  if (count === 0) return [];
  return [`${count} of what is deleted goes before the new is made: a quota has no room for both.`];
}

/** Where something goes and something of its kind comes in the same place, a new name may have been meant. */
function renameHint(changes: readonly Change[]): string[] {
  const parent = ({ kind, path }: Change) => JSON.stringify([kind, path.slice(0, -1)]);
  const created = new Set(changes.filter(({ action }) => action === 'create').map(parent));
  const pair = changes.find((change) => change.action === 'delete' && created.has(parent(change)));
  if (!pair) return [];
  return [
    `Is this a new name? ${cell(describeThing(pair))} is deleted while another is made. To rename it, give \`id: ${pair.id}\` beside the new name.`,
  ];
}

/** The plan for programs. No secret is in it: there are none yet. */
export function planJson(changes: readonly Change[], meaning: Meaning): object {
  return {
    changes: changes.map(({ kind, action, path, id, fields }) => ({
      ...{ kind, action, path },
      ...(id === undefined ? {} : { id }),
      fields: fields.map(({ name, before, after }) => ({
        name,
        before: before ?? null,
        after: after ?? null,
      })),
    })),
    meaning: {
      stopping: meaning.stopping,
      starting: meaning.starting,
      newKeys: Object.fromEntries(meaning.newKeys),
      contexts: Object.fromEntries(meaning.contexts),
      losses: Object.fromEntries(
        [...meaning.losses].map(([region, kinds]) => [region, Object.fromEntries(kinds)]),
      ),
      losing: meaning.losing.size,
      bounds: meaning.bounds.map(({ tenant, residency, quotas }) => ({
        ...{ tenant, residency: residency ?? null },
        quotas: quotas.map((each) => ({ ...each, used: each.used ?? null })),
      })),
      withinBudget: isWithinBudget(meaning),
    },
  };
}
