import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../contexts/base/clock.ts';
import { Supervisor } from '../../infra/local/supervisor.ts';

/** A supervisor of one role, run by supervisor.test.ts to be killed. Writes the role's process id into its directory. */
const directory = process.argv[2]!;
const wheel = new Supervisor({
  clock: systemClock,
  logDirectory: join(directory, 'logs'),
  restart: true,
  onEvent: () => {},
});
mkdirSync(join(directory, 'leftover'));
wheel.watchdog.tell({ order: 'remove-afterwards', path: join(directory, 'leftover') });
await wheel.start({
  name: 'role',
  command: process.execPath,
  args: ['-e', 'setInterval(() => {}, 1000)'],
  env: {},
  ready: async () => true,
  readyWithinMs: 30_000,
  stopSignal: 'SIGTERM',
  stopWithinMs: 1_000,
});
writeFileSync(join(directory, 'role.pid.new'), String(wheel.pidOf('role')));
renameSync(join(directory, 'role.pid.new'), join(directory, 'role.pid'));
await new Promise((resolve) => setTimeout(resolve, 60_000));
