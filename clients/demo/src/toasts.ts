/** News that come up and go, as what the hub refused. They stay while they are pointed at or have the focus. */
import { byId, make, makeButton } from './page.js';

const SHOWN_MS = 12000;
const SHOWN_MAX = 3;

const region = byId('toasts');

function isHeld(toast: HTMLElement): boolean {
  return toast.matches(':hover') || toast.contains(document.activeElement);
}

function removeLater(toast: HTMLElement): void {
  setTimeout(() => {
    if (isHeld(toast)) removeLater(toast);
    else toast.remove();
  }, SHOWN_MS);
}

/** The same sentence again takes the place of the one that is there. */
export function tell(text: string): void {
  for (const shown of [...region.children]) {
    if (shown.querySelector('p')?.textContent === text) shown.remove();
  }
  const toast = make('div', 'toast');
  toast.setAttribute('role', 'alert');
  toast.append(make('p', '', text), makeButton('icon', '×', 'Dismiss', () => toast.remove()));
  region.append(toast);
  while (region.childElementCount > SHOWN_MAX) region.firstElementChild?.remove();
  removeLater(toast);
}
