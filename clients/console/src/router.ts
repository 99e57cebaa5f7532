/** Where the page is: in the address, so that it can be kept, sent, and gone back from. */

export const VIEWS = ['overview', 'connections', 'documents', 'rejected'] as const;
export type ViewName = (typeof VIEWS)[number];
/** `item` is what is looked at in detail, '' if nothing is; `search` what the documents' names are searched for. */
export type Route = { readonly view: ViewName; readonly item: string; readonly search: string };

/** A name that is no valid escape is taken as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [first = '', item = ''] = path.split('/', 2);
  const view = VIEWS.find((name) => name === first) ?? 'overview';
  return { view, item: decoded(item), search: new URLSearchParams(query).get('q') ?? '' };
}

export function hashOf({ view, item = '', search = '' }: Partial<Route> & { view: ViewName }): string {
  const path = item === '' ? view : `${view}/${encodeURIComponent(item)}`;
  return `#/${path}${search === '' ? '' : `?${new URLSearchParams({ q: search })}`}`;
}

export const documentHref = (name: string, search = ''): string => hashOf({ view: 'documents', item: name, search });
export const connectionHref = (id: number): string => hashOf({ view: 'connections', item: String(id) });

export type Router = {
  readonly route: Route;
  go(hash: string): void;
  /** Without a step to go back to: a letter more in the search box is none. */
  replace(hash: string): void;
};

export function createRouter(arrived: (route: Route, before: Route) => void): Router {
  let route = routeOf(location.hash);
  function arrive(): void {
    const before = route;
    route = routeOf(location.hash);
    arrived(route, before);
  }
  window.addEventListener('hashchange', arrive);
  return {
    get route() { return route; },
    go(hash) { location.hash = hash; },
    replace(hash) {
      history.replaceState(null, '', hash);
      arrive();
    },
  };
}
