import type { GatewayStatus } from '../store.ts';
import { decodeGateway, gatewayItem, gatewayPartition } from './dynamodb-items.ts';
import { type DynamoTable, type Item, type Key, number } from './dynamodb-table.ts';

const pageItems = 500;
/** Pages a listing reads at the most; a region has tens of gateways, not ten thousand. */
const pagesMax = 20;

/** The status items of gateways. */
export class GatewayItems {
  readonly #table: DynamoTable;

  constructor(table: DynamoTable) {
    this.#table = table;
  }

  async report(status: GatewayStatus): Promise<void> {
    await this.#table.put(gatewayItem(status));
  }

  /** In the order of their ids. What does not decode is left out. */
  async list(nowMs: number): Promise<GatewayStatus[]> {
    const statuses = (await this.#all()).map(decodeGateway).filter((status) => status !== undefined);
    return statuses.filter((status) => status.expiresAtMs >= nowMs);
  }

  /** Each removal is conditional: a gateway that was late may report again in this very moment. */
  async trim(nowMs: number): Promise<number> {
    let removed = 0;
    for (const item of await this.#all()) {
      if (Number(item.e?.N ?? 0) >= nowMs) continue;
      const outcome = await this.#table.remove(
        { pk: gatewayPartition, sk: item.sk?.S ?? '' },
        { expression: 'attribute_not_exists(e) OR e < :now', values: { ':now': number(nowMs) } },
      );
      if (outcome.outcome === 'done') removed += 1;
    }
    return removed;
  }

  async #all(): Promise<Item[]> {
    const all: Item[] = [];
    let startAt: Key | undefined;
    for (let page = 0; page < pagesMax; page++) {
      const { items, next } = await this.#table.query({ pk: gatewayPartition, limit: pageItems, startAt });
      all.push(...items);
      if (!next) break;
      startAt = next;
    }
    return all;
  }
}
