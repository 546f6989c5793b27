import { connect, createServer, type Server, type Socket } from 'node:net';
import postgres from 'postgres';

/** A statement as Postgres ran it: its own, or one inside of a function or a trigger. */
export interface ExecutedPlan {
  text: string;
  plan: PlanNode;
  /** What was being done when it ran: see {@link PlanTap.during}. */
  doing: string;
}

/** As much of a node of `explain (analyze, format json)` as is looked at. */
export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  Alias?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Filter?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Plans?: PlanNode[];
}

/**
 * Stands before a Postgres and hears how it runs each statement of whoever connects through here. The database is told
 * to load `auto_explain` into its sessions, which sends the plan of every statement along with the answer, as a notice.
 * So whatever is sent is in the catalogue, by which driver ever, and nobody has to list it.
 */
export class PlanTap implements AsyncDisposable {
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #doing = 'starting';
  #onPlan: (executed: ExecutedPlan) => void;

  private constructor(target: URL, onPlan: (executed: ExecutedPlan) => void) {
    this.#target = target;
    this.#onPlan = onPlan;
    this.#server = createServer((incoming) => this.#relay(incoming));
  }

  /** @param databaseUrl a superuser's, or Postgres does not load the module. */
  static async start(databaseUrl: string, onPlan: (executed: ExecutedPlan) => void): Promise<PlanTap> {
    const admin = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    const settings = {
      session_preload_libraries: 'auto_explain',
      'auto_explain.log_min_duration': '0',
      'auto_explain.log_analyze': 'on',
      'auto_explain.log_timing': 'off',
      'auto_explain.log_nested_statements': 'on',
      'auto_explain.log_format': 'json',
      'auto_explain.log_level': 'notice',
      'auto_explain.log_parameter_max_length': '0',
    };
    const [{ name }] = await admin<[{ name: string }]>`select quote_ident(current_database()) as name`;
    await admin`load 'auto_explain'`; // its settings are known from here on
    for (const [setting, value] of Object.entries(settings))
      await admin.unsafe(`alter database ${name} set ${setting} = '${value}'`);
    await admin.end();
    const tap = new PlanTap(new URL(databaseUrl), onPlan);
    await new Promise<void>((resolve) => tap.#server.listen(0, '127.0.0.1', resolve));
    return tap;
  }

  /** What to connect to in place of the database. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return Object.assign(new URL(this.#target), { port: String(address.port) }).href;
  }

  /** From here on plans are noted as of this. */
  during(doing: string): void {
    this.#doing = doing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(incoming: Socket): void {
    const outgoing = connect(Number(this.#target.port), this.#target.hostname);
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      this.#sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      socket.pipe(other);
    }
    outgoing.on(
      'data',
      messages((type, body) => type === 'N' && this.#hear(body)),
    );
  }

  #hear(notice: Buffer): void {
    const message = fieldOf(notice, 'M');
    const begins = message?.indexOf('plan:\n') ?? -1;
    if (begins < 0) return;
    const { 'Query Text': text, Plan: plan } = JSON.parse(message!.slice(begins + 'plan:\n'.length));
    this.#onPlan({ text: text.replaceAll(/\s+/g, ' ').trim(), plan, doing: this.#doing });
  }
}

/** Takes a server's stream apart: a letter, a length that counts itself, and the body. */
function messages(found: (type: string, body: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    while (rest.length >= 5) {
      const end = 1 + rest.readInt32BE(1);
      if (rest.length < end) return;
      found(String.fromCharCode(rest[0]!), rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  };
}

/** A field of an error or notice: a letter, and text that ends with a zero. */
function fieldOf(notice: Buffer, wanted: string): string | undefined {
  for (let at = 0; at < notice.length && notice[at] !== 0; ) {
    const end = notice.indexOf(0, at + 1);
    if (String.fromCharCode(notice[at]!) === wanted) return notice.toString('utf8', at + 1, end);
    at = end + 1;
  }
  return undefined;
}
