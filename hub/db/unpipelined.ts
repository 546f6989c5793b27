import type postgres from 'postgres';

/**
 * Has a client send nothing on a connection that still waits for an answer: what is asked beyond the number of
 * connections waits its turn here.
 *
 * Left to itself the driver writes on behind a question without values. It asks for the types of the next one before it
 * sends that one's values, and between the two a pooler of transactions gives the server's connection away, because the
 * first question is answered: the types never come, and whoever asked waits forever (PgBouncer 1.18; seen). The
 * driver's own bound, `max_pipeline`, cannot be 0: no transaction would begin.
 */
export function unpipelined<Client extends postgres.Sql>(client: Client): Client {
  return new Proxy(client, {
    apply: (target, self, given) => alone(Reflect.apply(target, self, given)),
    get: (target, name) =>
      name === 'unsafe'
        ? (...given: unknown[]) => alone(Reflect.apply(target.unsafe, target, given))
        : Reflect.get(target, name),
  });
}

/** Of the driver's interface between its transactions and its connections: whether more may follow at once. */
const nothingFollows = () => false;

function alone<Made>(made: Made): Made {
  if (made instanceof Promise)
    (made as unknown as { options: { onexecute?: () => boolean } }).options.onexecute ??= nothingFollows;
  return made;
}
