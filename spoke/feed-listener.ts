import type { OwingCache } from './applied.ts';
import type { Warmer } from './warm.ts';

type Listener = Omit<OwingCache, 'owes' | 'held'>;

/** What hears the feed: the cache, or what keeps it on disk and tells it, and before them the warmer if there is one. */
export function feedListenerOf(cache: Listener, warmer: Warmer | undefined): Listener {
  return {
    announced: (announcement) => {
      warmer?.heard(announcement);
      return cache.announced(announcement);
    },
    suspectAll: () => {
      warmer?.missed();
      cache.suspectAll();
    },
    pin: (incarnation) => cache.pin(incarnation),
  };
}
