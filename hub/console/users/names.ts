import { getUser } from '../../api/users/get.ts';
import type { View } from '../screen.ts';

/** The names of these people, as far as they are to be seen. */
export async function personNames({ api }: View, ids: readonly string[]): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const id of new Set(ids)) {
    const user = await api.call(getUser, { params: { id } });
    if (user.outcome === 'done') names.set(id, user.body.name);
  }
  return names;
}
