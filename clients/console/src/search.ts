/** The search box: from every page to the documents. `/` is its key. */
import { byId } from './page.js';
import { hashOf, type Route, type Router } from './router.js';

const PAUSE_MS = 200;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches('textarea, select, input:not([type=range])') || target.isContentEditable);
}

/** `chosen` is called when the keyboard wants to go on to what is found. */
export function createSearch(router: Pick<Router, 'route' | 'go' | 'replace'>, chosen: (search: string) => void) {
  const input = byId('search', HTMLInputElement);
  let wait: ReturnType<typeof setTimeout> | undefined;

  function find(): void {
    clearTimeout(wait);
    const search = input.value.trim();
    const hash = hashOf({ view: 'documents', search });
    if (router.route.view !== 'documents') router.go(hash);
    else if (router.route.search !== search) router.replace(hash);
  }

  input.addEventListener('input', () => {
    clearTimeout(wait);
    wait = setTimeout(find, PAUSE_MS);
  });
  byId('search-form').addEventListener('submit', (event) => {
    event.preventDefault();
    find();
    chosen(input.value.trim());
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]') !== null) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
  return {
    show({ search }: Route): void {
      if (document.activeElement !== input) input.value = search;
    },
  };
}
