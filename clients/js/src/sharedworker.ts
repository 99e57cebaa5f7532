/** Where bundlers find the shared worker: beside this file, or beside the bundle that holds it. */
export function openSharedWorker(): SharedWorker {
  return new SharedWorker(new URL('./shared-worker.js', import.meta.url), { type: 'module', name: 'syncline' });
}
