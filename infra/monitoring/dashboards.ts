import { gatewayDashboard } from './gateway-dashboard.ts';
import { type Dashboard, render } from './grafana.ts';
import { replicationDashboard } from './replication-dashboard.ts';

/** Grafana's dashboards by their file names; `npm run docs:generate` writes them, tests/infra/monitoring.test.ts checks them. */
export const dashboards: Readonly<Record<string, Dashboard>> = {
  'gateway.dashboard.json': gatewayDashboard,
  'replication.dashboard.json': replicationDashboard,
};

/** Their files, as pages that are generated. */
export const dashboardPages: Readonly<Record<string, () => string>> = Object.fromEntries(
  Object.entries(dashboards).map(([name, dashboard]) => [
    `infra/monitoring/generated/${name}`,
    () => render(dashboard),
  ]),
);
