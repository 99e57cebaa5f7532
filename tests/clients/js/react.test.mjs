/**
 * Goal:   the types of `syncline/react` are those that its README promises, and a page can be rendered on a server.
 * Method: the README's example and a list of right and wrong uses through the compiler; `renderToString` with a socket that must not
 *         be made. What happens in a browser is tested in tests/e2e/react.test.mjs.
 */
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createElement as element, StrictMode } from 'react';
import { renderToString } from 'react-dom/server';
import { SynclineProvider, useConnectionStatus, useDocument, useField, usePending } from 'syncline/react';
import { mistakesIn } from '../compile.mjs';

globalThis.crypto ??= webcrypto; // Debian 12's Node.js 18 has it, but not there

const root = new URL('../../../clients/js/', import.meta.url).pathname;

test('the example of the README has the types that it needs', () => {
  const [, example] = /```tsx\n([\s\S]*?)```/.exec(readFileSync(`${root}README.md`, 'utf8'));
  assert.deepEqual(mistakesIn(example), []);
});

test('values and selections have the types of their fields', () => {
  assert.deepEqual(mistakesIn(`
    import type { Counter, Document, LwwRegister, MvRegister, OrSet } from 'syncline';
    import { SynclineProvider, useDocument, useField, usePending } from 'syncline/react';
    type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
    const same = <A, B>(_: Same<A, B>) => {};
    export function Typed() {
      const post = useDocument<{ likes: Counter; tags: OrSet<string>; title: LwwRegister<string>; by: MvRegister<string> }>('post/1');
      const [likes, tags, title] = [useField(post, 'likes'), useField(post, 'tags'), useField(post, 'title')];
      same<typeof likes, number | undefined>(true);
      same<typeof tags, readonly string[] | undefined>(true);
      same<typeof title, string | null | undefined>(true);
      const has = useField(post, 'tags', (all) => all.has('x'));
      same<typeof has, boolean | undefined>(true);
      // @ts-expect-error no such field
      useField(post, 'like');
      // @ts-expect-error a part of every document, and no field
      useField(post, 'pending');
      // @ts-expect-error a counter has no elements
      useField(post, 'likes', (all) => all.has('x'));
      // @ts-expect-error snapshots are not written to
      tags?.push('x');
      // @ts-expect-error tags are strings
      post.tags.add(7);
      return usePending(post);
    }
    export function Untyped() {
      const post = useDocument('post/1');
      const likes = useField(post, 'likes');
      same<typeof likes, unknown>(true);
      // @ts-expect-error it could be any field
      post.tags.add('x');
      return null;
    }
    export const right = <SynclineProvider url="ws://x/" options={{ token: 'a' }} />;
    // @ts-expect-error neither client nor url
    export const wrong = <SynclineProvider />;
    export const opened = (post: Document) => useField(post, 'likes');
  `), []);
});

test('a server renders what is not known yet, and connects to nothing', async () => {
  let sockets = 0;
  class Socket { constructor() { sockets += 1; } }
  function Post() {
    const post = useDocument('post/1');
    const likes = useField(post, 'likes');
    return `${useConnectionStatus()} ${likes} ${useField(post, 'tags', (tags) => tags.size)} ${usePending(post)}`;
  }
  const page = (options) => renderToString(element(StrictMode, null,
    element(SynclineProvider, { url: 'ws://127.0.0.1:1/', options: { ...options, WebSocket: Socket } }, element(Post))));
  assert.equal(page({}), 'connecting undefined undefined 0');
  assert.equal(page({ schema: { post: { likes: 'g-counter', tags: 'or-set' } } }), 'connecting undefined undefined 0');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(sockets, 0);
  assert.throws(() => renderToString(element(Post)), /SynclineProvider/);
});
