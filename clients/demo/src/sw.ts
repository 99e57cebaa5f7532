/** The page without a network: its files as they were loaded last. With one, they come from the hub. */
declare const self: ServiceWorkerGlobalScope;

const CACHE = 'syncline-demo';
const FILES = ['/', '/style.css', '/demo.js', '/shared-worker.js', '/icon.svg'];

async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES);
}

async function answer(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(path, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await cache.match(path);
    if (kept === undefined) throw error;
    return kept;
  }
}

self.addEventListener('install', (event) => event.waitUntil(keep()));
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method === 'GET' && origin === location.origin && FILES.includes(pathname)) {
    event.respondWith(answer(pathname, event.request));
  }
});

export {};
