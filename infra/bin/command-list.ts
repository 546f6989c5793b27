import type { Command } from 'commander';
import type { Cli } from './cli.ts';

/** A command at the top, and how to load the rest of it: what is not run is not loaded, so that `--help` is quick. */
export interface ListedCommand {
  name: string;
  /** What it was called before; it goes on to work. */
  alias?: string;
  summary: string;
  heading: 'Services' | 'Platform' | 'Regions and publishing' | 'Hubs';
  load(): Promise<(command: Command, cli: Cli) => void>;
}

const api = async () => (await import('./api/build.ts')).addApiCommands;

export const commandList: readonly ListedCommand[] = [
  {
    name: 'hub',
    summary: 'serve the admin API over the platform data in Postgres',
    heading: 'Services',
    load: async () => (await import('./commands/services.ts')).addService,
  },
  {
    name: 'publisher',
    summary: 'bring committed changes to every region, and sweep',
    heading: 'Services',
    load: async () => (await import('./commands/services.ts')).addService,
  },
  {
    name: 'gateway',
    summary: "authenticate and route one region's agents from the region's own store",
    heading: 'Services',
    load: async () => (await import('./commands/services.ts')).addService,
  },
  {
    name: 'migrate',
    summary:
      "bring the hub's database to this version's schema; safe to run again, and from several machines",
    heading: 'Services',
    load: async () => (await import('./commands/migrate.ts')).addMigrate,
  },
  { name: 'tenants', summary: 'the tenants of the platform', heading: 'Platform', load: api },
  {
    name: 'clusters',
    summary: 'clusters, where agents are forwarded to',
    heading: 'Platform',
    load: api,
  },
  {
    name: 'placements',
    summary: 'the regions that serve a cluster, one at a time',
    heading: 'Platform',
    load: async () => (await import('./commands/placements.ts')).addPlacements,
  },
  { name: 'agent-keys', summary: "clusters' credentials", heading: 'Platform', load: api },
  {
    name: 'deletions',
    summary: 'what was deleted and can be brought back',
    heading: 'Platform',
    load: api,
  },
  {
    name: 'application-keys',
    summary: 'the credentials of people and programs that use the hub API',
    heading: 'Platform',
    load: async () => (await import('./commands/application-keys.ts')).addApplicationKeys,
  },
  {
    name: 'users',
    summary: 'the people who use the hub, and what they belong to',
    heading: 'Platform',
    load: api,
  },
  {
    name: 'apply',
    summary: 'make the platform what files say',
    heading: 'Platform',
    load: async () => (await import('./commands/apply.ts')).addApply,
  },
  {
    name: 'diff',
    summary: 'say what `apply` would change, and what that means for those who use it',
    heading: 'Platform',
    load: async () => (await import('./commands/diff.ts')).addDiff,
  },
  {
    name: 'export',
    summary: 'print the platform as a file that `apply` reads',
    heading: 'Platform',
    load: async () => (await import('./commands/export.ts')).addExport,
  },
  { name: 'audit-log', summary: 'who changed what', heading: 'Platform', load: api },
  {
    name: 'status',
    summary: 'all regions on one screen',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/status.ts')).addStatus,
  },
  {
    name: 'regions',
    alias: 'region',
    summary: 'add, list, drain, remove and re-seed regions, by the API of a hub that runs',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/regions.ts')).addRegions,
  },
  {
    name: 'sweep',
    summary: 'compare everything a region should hold with everything it holds, and repair it',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/sweep.ts')).addSweep,
  },
  {
    name: 'sweeps',
    summary: 'the sweeps of late, and approving what they held',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/sweeps.ts')).addSweeps,
  },
  {
    name: 'seedings',
    summary: 'how far regions are that are being filled',
    heading: 'Regions and publishing',
    load: api,
  },
  {
    name: 'holds',
    summary: 'contexts whose last good state stays in a region, and why',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/holds.ts')).addHolds,
  },
  {
    name: 'quarantine',
    summary: 'contexts whose content must not be published',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/holds.ts')).addQuarantine,
  },
  {
    name: 'freeze',
    summary: 'stop publishing to a region, or to all',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/freeze.ts')).addFreeze,
  },
  {
    name: 'unfreeze',
    summary: 'go on publishing to a region, or to all',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/freeze.ts')).addUnfreeze,
  },
  {
    name: 'freezes',
    summary: 'what is frozen, and by whom',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/freeze.ts')).addFreezes,
  },
  {
    name: 'contexts',
    summary: 'what the hub derives and each region holds of one context',
    heading: 'Regions and publishing',
    load: api,
  },
  { name: 'fences', summary: 'how far a change has come', heading: 'Regions and publishing', load: api },
  {
    name: 'wait',
    summary: 'wait until a change is stored in every region it concerns and seen by every gateway there',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/wait.ts')).addWait,
  },
  {
    name: 'events',
    summary: 'follow changes, and how far they come, as they happen',
    heading: 'Regions and publishing',
    load: async () => (await import('./commands/events.ts')).addEvents,
  },
  {
    name: 'explain',
    summary: 'say why a gateway lets an agent key in or not, by what it holds of it',
    heading: 'Regions and publishing',
    load: async () => (await import('./explain.ts')).addExplain,
  },
  {
    name: 'login',
    summary: 'keep where a hub answers and the key to ask it with, as a profile',
    heading: 'Hubs',
    load: async () => (await import('./commands/login.ts')).addLogin,
  },
  {
    name: 'logout',
    summary: 'forget a profile and its key',
    heading: 'Hubs',
    load: async () => (await import('./commands/login.ts')).addLogout,
  },
  {
    name: 'profiles',
    summary: 'the hubs you are logged in to',
    heading: 'Hubs',
    load: async () => (await import('./commands/login.ts')).addProfiles,
  },
  {
    name: 'whoami',
    summary: 'which application key this is, and what it may do',
    heading: 'Hubs',
    load: async () => (await import('./commands/whoami.ts')).addWhoAmI,
  },
  {
    name: 'doctor',
    summary: 'look for what is wrong with a deployment, and say what to do about it',
    heading: 'Hubs',
    load: async () => (await import('./commands/doctor.ts')).addDoctor,
  },
  {
    name: 'completion',
    summary: 'print the completions of a shell',
    heading: 'Hubs',
    load: async () => (await import('./commands/completion.ts')).addCompletion,
  },
];
