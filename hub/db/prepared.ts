import type postgres from 'postgres';

/** Statements that are kept prepared in each session; whatever else is sent is sent as it comes. */
const statementsMax = 500;

/**
 * Has a client prepare what drizzle sends. Left to itself the driver asks the server about every statement before it
 * sends it, which is a second way there and back, and has it parsed each time anew: on the way of a change that is done
 * half a dozen times, one after another.
 *
 * Texts are few, as values are parameters; of those that are put together with lists of parameters only the first are
 * prepared, so that no session grows without bound. Plans are made each time for the values at hand, as before
 * (`plan_cache_mode` in client.ts).
 */
export function preparing<Client extends postgres.Sql>(client: Client): Client {
  return wrap(client, new Set());
}

function wrap<Client extends postgres.Sql | postgres.TransactionSql>(
  client: Client,
  texts: Set<string>,
): Client {
  const own = client as unknown as Wrapped;
  const { unsafe } = own;
  own.unsafe = (text, parameters = [], options = {}) =>
    unsafe(text, parameters, { ...options, prepare: parameters.length > 0 && isKept(text, texts) });
  for (const name of ['begin', 'savepoint'] as const) {
    const nested = own[name];
    if (nested) own[name] = (...given) => nested(...given.map((one) => within(one, texts)));
  }
  return client;
}

/** The work that is given to a transaction gets a client of its own. */
function within(given: unknown, texts: Set<string>): unknown {
  if (typeof given !== 'function') return given;
  return (transaction: postgres.TransactionSql) => given(wrap(transaction, texts));
}

function isKept(text: string, texts: Set<string>): boolean {
  if (texts.size < statementsMax) texts.add(text);
  return texts.has(text);
}

interface Wrapped {
  unsafe(text: string, parameters?: unknown[], options?: { prepare?: boolean }): unknown;
  begin?(...given: unknown[]): unknown;
  savepoint?(...given: unknown[]): unknown;
}
