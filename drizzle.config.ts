import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    './hub/db/schema.ts',
    './hub/db/guard-schema.ts',
    './hub/db/fence-tables.ts',
    './hub/db/idempotency-table.ts',
    './hub/db/audit-table.ts',
    './hub/db/people-tables.ts',
    './hub/db/application-key-table.ts',
    './hub/db/event-tables.ts',
    './hub/db/deletion-tables.ts',
    './hub/db/lag-table.ts',
    './hub/db/key-use-table.ts',
  ],
  out: './hub/db/migrations',
});
