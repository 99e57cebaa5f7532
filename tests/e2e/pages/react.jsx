/**
 * The page of react.test.mjs. `mount` shows one of the apps under StrictMode; `renders` counts the renders of each component, and
 * `listeners` those who listen to the client, its documents and their fields.
 */
import * as React from 'react';
import { StrictMode, startTransition, useLayoutEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from 'syncline';
import { HOST } from 'syncline/internal/crdt/look';
import {
  SynclineProvider, useClient, useConnectionStatus, useDocument, useField, usePending,
} from 'syncline/react';

const { Activity } = React; // React 19.2
const hub = new URLSearchParams(location.search).get('hub');
const renders = {};
const torn = [];
const seen = new WeakSet();
let listeners = 0;
let root;

const rendered = (name) => { renders[name] = (renders[name] ?? 0) + 1; };

function counted(object, method) {
  const subscribe = object[method];
  object[method] = (...args) => {
    const undo = subscribe(...args);
    let isOver = false;
    listeners += 1;
    return () => {
      if (!isOver) listeners -= 1;
      isOver = true;
      undo();
    };
  };
}

function once(object, act) {
  if (!seen.has(object)) act();
  seen.add(object);
  return object;
}

const countDocument = (document) => once(document, () => {
  counted(document, 'on');
  counted(document[HOST], 'watch'); // where all hooks watch
});

const countClient = (client) => once(client, () => {
  const { open } = client;
  counted(client, 'on');
  client.open = (name) => countDocument(open(name));
});

function Counted({ children }) {
  window.client = countClient(useClient());
  return children;
}

function Value({ field }) {
  const value = useField(useDocument('post/1'), field);
  rendered(field);
  return <output id={field}>{JSON.stringify(value)}</output>;
}

function Tag({ tag }) {
  const isThere = useField(useDocument('post/1'), 'tags', (tags) => tags.has(tag));
  rendered(`tag ${tag}`);
  return <output id={`tag-${tag}`}>{String(isThere)}</output>;
}

function Line({ name }) {
  const line = useField(useDocument('post/1'), 'cart', (cart) => cart.at(name).value);
  rendered(`line ${name}`);
  return <output id={`line-${name}`}>{String(line)}</output>;
}

/** Each of many components reads one part of the document. */
function Crowd() {
  const names = Array.from({ length: 120 }, (_, i) => `name ${i}`);
  return <>{names.map((name) => <div key={name}><Tag tag={name} /><Line name={name} /></div>)}</>;
}

function LongTags() {
  const tags = useField(useDocument('post/1'), 'tags', ({ value }) => value.filter((tag) => tag.length > 3));
  rendered('long tags');
  return <output id="long-tags">{JSON.stringify(tags)}</output>;
}

function Status() {
  const [status, pending] = [useConnectionStatus(), usePending()];
  return <output id="status">{`${status} ${pending}`}</output>;
}

function Waiting() {
  return <output id="waiting">{usePending(useDocument('post/1'))}</output>;
}

function Like() {
  const post = useDocument('post/1');
  return <button id="like" onClick={() => post.likes.increment()}>Like</button>;
}

/** Slow enough that changes come while React renders its siblings. */
function Same() {
  const post = useDocument('post/1');
  const likes = useField(post, 'likes');
  for (const end = performance.now() + 2; performance.now() < end;); // a render that can be interrupted
  return <output className="same">{likes}</output>;
}

function Sames() {
  const [turn, setTurn] = useState(0);
  window.turn = () => startTransition(() => setTurn((before) => before + 1));
  useLayoutEffect(() => {
    const shown = new Set([...document.querySelectorAll('.same')].map(({ textContent }) => textContent));
    if (shown.size > 1) torn.push([...shown]);
  });
  return <div data-turn={turn}>{Array.from({ length: 10 }, (_, i) => <Same key={`${turn}-${i}`} />)}</div>;
}

function All() {
  const [which, show] = useState({ first: true, second: true });
  window.show = show;
  return <>
    {which.first && <><Value field="likes" /><Value field="tags" /><Tag tag="red" /><Tag tag="blue" /></>}
    {which.second && <><Like /><Line name="apple" /><Line name="pear" /><LongTags /><Waiting /></>}
    <Status />
  </>;
}

function Hideable({ children }) {
  const [mode, setMode] = useState('visible');
  window.setMode = setMode;
  return Activity === undefined ? children : <Activity mode={mode}>{children}</Activity>;
}

const apps = {
  url: () => <SynclineProvider url={hub}><Counted><All /></Counted></SynclineProvider>,
  crowd: () => <SynclineProvider url={hub}><Counted><Crowd /></Counted></SynclineProvider>,
  sames: () => <SynclineProvider url={hub}><Sames /></SynclineProvider>,
  given: () => {
    window.given ??= connect(hub);
    return <SynclineProvider client={window.given}><Counted><All /></Counted></SynclineProvider>;
  },
  hideable: () => <Hideable><SynclineProvider url={hub}><Counted><All /></Counted></SynclineProvider></Hideable>,
};

Object.assign(window, {
  renders, torn,
  canHide: Activity !== undefined,
  listeners: () => listeners,
  mount(app) {
    root = createRoot(document.getElementById('root'));
    root.render(<StrictMode>{apps[app]()}</StrictMode>);
  },
  unmount: () => root.unmount(),
});
