import dynalite from 'dynalite';
import { untilSignalled } from '../../contexts/base/process.ts';

/** A region's store on this machine: DynamoDB's API on LevelDB. `node store-main.ts <directory> <port> [address]` */
const [directory, port, address = '127.0.0.1'] = process.argv.slice(2);
if (!directory || !port) throw new Error('usage: store-main.ts <directory> <port> [address]');

const server = dynalite({ path: directory, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
server.listen(Number(port), address, () => console.log(`store in ${directory}, listening on port ${port}`));
await untilSignalled();
const closed = new Promise((resolve) => server.close(resolve));
server.closeAllConnections();
await closed;
process.exit(0);
