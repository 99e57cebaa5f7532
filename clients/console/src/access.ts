/** Who may ask: the token, which stays in this tab, and what is shown to those whom the hub refuses. */
import { byId, make, makeNote } from './page.js';

const KEY = 'syncline-console-token';

/** Undefined: there is none. */
export const token = (): string | undefined => sessionStorage.getItem(KEY) ?? undefined;

/** `changed` is called with another token in place. */
export function createAccess(changed: () => void) {
  const dialog = byId('token-dialog', HTMLDialogElement);
  const input = byId('token-input', HTMLTextAreaElement);
  const forbidden = byId('forbidden');

  function open(): void {
    input.value = token() ?? '';
    dialog.returnValue = '';
    dialog.showModal();
    input.select();
  }

  function use(text: string): void {
    if (text === (token() ?? '')) return;
    if (text === '') sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, text);
    changed();
  }

  dialog.addEventListener('close', () => {
    if (dialog.returnValue === 'use') use(input.value.trim());
    if (dialog.returnValue === 'forget') use('');
  });
  byId('token-open').addEventListener('click', open);
  const paste = make('button', { class: 'button', text: 'Paste a token' });
  paste.type = 'button';
  paste.addEventListener('click', open);
  const advice = make('p', {}, 'On the hub’s machine, set ', make('code', { text: 'console: on' }), ' in its configuration and start it again; or open this page there, if the hub listens on a loopback address. Where the hub asks for tokens, paste one that says ', make('code', { text: 'admin' }), '.');
  const note = makeNote('This hub does not show its console to you', 'It answers clients, but not what an operator asks.', advice, paste);
  forbidden.append(note);

  return {
    setForbidden(isForbidden: boolean): void {
      if (forbidden.hidden === !isForbidden) return;
      forbidden.hidden = !isForbidden;
      byId('views').hidden = isForbidden;
    },
  };
}
