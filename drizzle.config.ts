import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: ['./hub/db/schema.ts', './hub/db/guard-schema.ts'],
  out: './hub/db/migrations',
});
