import { apiPage } from '../../hub/reference/markdown.ts';
import { platformSchema } from '../bin/platform/schema.ts';
import { dashboardPages } from '../monitoring/dashboards.ts';
import { catalogueFile } from './catalogue.ts';
import { cliPage } from './cli-page.ts';
import { operationsFile, typesFile } from './client-types.ts';
import { coveragePage } from './coverage-page.ts';
import { metricsPage } from './metrics-page.ts';
import { optionsPage } from './options-page.ts';

/** Every generated page, by its path from the root. tests/infra/docs.test.ts fails while one is out of date. */
export const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  // First: the command line is made from the catalogue, and its page from the command line.
  'infra/bin/generated/catalogue.json': catalogueFile,
  'infra/client/generated/hub-api.ts': typesFile,
  'infra/client/generated/operations.ts': operationsFile,
  'docs/reference/api.md': apiPage,
  'docs/reference/cli.md': cliPage,
  'docs/reference/coverage.md': coveragePage,
  'docs/reference/metrics.md': metricsPage,
  'docs/reference/options.md': optionsPage,
  'docs/reference/platform.schema.json': platformSchema,
  // The hub serves it, and may not import what makes it.
  'hub/reference/generated/platform.schema.json': platformSchema,
  ...dashboardPages,
};
