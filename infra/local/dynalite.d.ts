declare module 'dynalite' {
  import type { Server } from 'node:http';

  /** DynamoDB's API over LevelDB. Closing the server closes its database. */
  export default function dynalite(options?: {
    /** Where the data is kept; in memory if absent. */
    path?: string;
    createTableMs?: number;
    deleteTableMs?: number;
    updateTableMs?: number;
    maxItemSizeKb?: number;
  }): Server;
}
