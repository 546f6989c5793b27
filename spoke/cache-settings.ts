import { type CacheSettings, defaultCacheSettings } from './cache/settings.ts';
import type { GatewayConfig } from './config.ts';

/** The cache's settings as the options say, and the defaults of those that no option names. */
export function cacheSettingsOf(config: GatewayConfig): CacheSettings {
  return {
    ...defaultCacheSettings,
    entriesMax: config.cacheEntriesMax,
    bytesMax: config.cacheBytesMax,
    negativesMax: config.cacheNegativesMax,
    freshMs: config.cacheFreshMs,
    refreshMs: config.cacheRefreshMs,
    staleMs: config.cacheStaleMs,
    absentMs: config.cacheAbsentMs,
    unknownPerSecond: config.unknownPerSecond,
    unknownBurst: config.unknownBurst,
    waitMs: config.fillWaitMs,
    readTimeoutMs: config.storeTimeoutMs,
  };
}
