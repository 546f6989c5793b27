import { type Browser, chromium } from 'playwright-core';
import { findRequirement } from './programs.ts';

/** A real Chromium, whose profile is new and goes with it. Every context in it is a person of its own. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findRequirement('chromium'),
    headless: true,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
}
