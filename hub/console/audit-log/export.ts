import { listAuditLog } from '../../api/audit-log/list.ts';
import { needed, type Screen, type View } from '../screen.ts';
import type { EntryView } from './last-change.ts';
import { auditFilters } from './list.ts';

const columns = [
  'id',
  'at',
  'actorId',
  'actorName',
  'action',
  'resourceType',
  'resourceId',
  'tenantId',
  'before',
  'after',
  'requestId',
] as const;

/** The whole log, as filtered: read page by page as the browser takes it, never held as a whole. */
export const auditExport: Screen = {
  method: 'GET',
  path: '/audit-log/export',
  async handle(view) {
    const isCsv = view.url.searchParams.get('format') !== 'ndjson';
    const query = Object.fromEntries(
      auditFilters.map((name) => [name, view.url.searchParams.get(name)?.trim() || undefined]),
    );
    const first = await page(view, query, undefined); // a filter that is refused is told as a page
    let next: typeof first | undefined = first;
    const line = isCsv ? csvLine : (entry: EntryView) => `${JSON.stringify(entry)}\n`;
    const encoder = new TextEncoder();
    const download = new ReadableStream<Uint8Array>({
      start(controller) {
        if (isCsv) controller.enqueue(encoder.encode(`${columns.join(',')}\r\n`));
      },
      async pull(controller) {
        if (!next) return controller.close();
        const { items, nextCursor } = next;
        controller.enqueue(encoder.encode(items.map(line).join('')));
        next = nextCursor === null ? undefined : await page(view, query, nextCursor);
      },
    });
    const type = isCsv ? 'text/csv; charset=utf-8' : 'application/x-ndjson';
    return { download, type, name: `audit-log.${isCsv ? 'csv' : 'ndjson'}` };
  },
};

async function page({ api }: View, query: Record<string, string | undefined>, cursor: string | undefined) {
  const answered = await api.call(listAuditLog, {
    query: {
      ...query,
      cursor,
      limit: '200',
    },
  });
  return needed(answered).body;
}

function csvLine(entry: EntryView): string {
  const { actor, ...rest } = entry;
  const row: Record<(typeof columns)[number], unknown> = {
    ...rest,
    actorId: actor.id,
    actorName: actor.name,
    before: entry.before && JSON.stringify(entry.before),
    after: entry.after && JSON.stringify(entry.after),
  };
  return `${columns.map((name) => csvField(row[name])).join(',')}\r\n`;
}

/** Quoted; what a spreadsheet would take for a formula is made text. */
function csvField(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value);
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}
