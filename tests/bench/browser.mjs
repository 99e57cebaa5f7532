/** A page in Debian's Chromium for measurements: served from its own origin, its main thread's time read over the DevTools protocol. */
import { chromium } from 'playwright-core';
import { bundle, launchOptions, servePage as serveScript } from '../e2e/pages.mjs';

/** One minified script as an app would ship it, on a page with nothing but its `#root`. */
export async function servePage(scope, entry) {
  return serveScript(scope, await bundle({ entryPoints: [entry], minify: true, define: {} }));
}

export async function openBrowser(scope) {
  const browser = await chromium.launch(launchOptions);
  scope.after(() => browser.close());
  return browser;
}

/** A tab on the page whose functions are there, idle, and `measure`: the milliseconds of processor time that tasks took on its main thread in `act`. */
export async function openTab(context, origin) {
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  await page.goto(origin);
  await page.waitForFunction(() => window.ready === true);
  await page.evaluate(() => window.idle());
  const measure = async (act, argument) => {
    const before = await spent();
    const result = await page.evaluate(act, argument);
    return { ms: await spent() - before, result };
  };
  return { page, devtools, measure };
}
