import { assert } from '../base/assert.ts';
import { limits } from '../limits.ts';
import type { KeyUses } from '../store.ts';
import { decodeKeyUse, keyUseItem, keyUseKey, keyUsePartition } from './dynamodb-items.ts';
import { type DynamoTable, number } from './dynamodb-table.ts';

/** The items in which gateways say which keys they let in. */
export class KeyUseItems {
  readonly #table: DynamoTable;

  constructor(table: DynamoTable) {
    this.#table = table;
  }

  async report(uses: KeyUses): Promise<void> {
    assert(uses.keys.length <= limits.keyUsesMax, `a word of ${uses.keys.length} keys`);
    await this.#table.put(keyUseItem(uses));
  }

  async list(limit: number): Promise<KeyUses[]> {
    const { items } = await this.#table.query({ pk: keyUsePartition, limit });
    const found: KeyUses[] = [];
    for (const item of items) {
      const uses = decodeKeyUse(item);
      if (uses !== undefined) found.push(uses);
      // Or it would stand before the readable ones for good.
      else await this.#table.removeBatch([{ pk: keyUsePartition, sk: item.sk?.S ?? '' }]);
    }
    return found;
  }

  /** A place is filled again with a later time: the time tells whether it is still what was read. */
  async remove(uses: KeyUses): Promise<'removed' | 'changed'> {
    const { outcome } = await this.#table.remove(keyUseKey(uses), {
      expression: 't = :t',
      values: { ':t': number(uses.atMs) },
    });
    return outcome === 'done' ? 'removed' : 'changed';
  }
}
