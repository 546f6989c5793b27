import { describeReplication } from './laws.ts';

describeReplication('Postgres', async () => ({}));
