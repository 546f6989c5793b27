import { expect, test } from 'vitest';
import { GatewayReports } from '../../publisher/gateway-reports.ts';
import { gateway } from '../contexts/store-conformance.ts';

const at = (id: string, reportedAtMs: number) => gateway(id, { reportedAtMs });

test('a report is unmoved for as long as it is the same, whatever the clock of the gateway says', () => {
  const reports = new GatewayReports();
  const unmoved = (nowMs: number, ...statuses: ReturnType<typeof at>[]) =>
    reports.follow(statuses, nowMs).map(({ id, unmovedMs }) => `${id} ${unmovedMs}`);
  expect(unmoved(1000, at('gw_1', 5), at('gw_2', 9e15))).toEqual(['gw_1 0', 'gw_2 0']);
  expect(unmoved(6000, at('gw_1', 6), at('gw_2', 9e15))).toEqual(['gw_1 0', 'gw_2 5000']);
  expect(unmoved(7000, at('gw_1', 2), at('gw_2', 9e15))).toEqual(['gw_1 0', 'gw_2 6000']); // its clock was set back
  expect(unmoved(8000, at('gw_2', 9e15))).toEqual(['gw_2 7000']);
  expect(unmoved(9000, at('gw_1', 2), at('gw_2', 9e15))).toEqual(['gw_1 0', 'gw_2 8000']);
});
