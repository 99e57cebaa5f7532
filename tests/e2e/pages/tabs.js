/** A page with nothing on it: the tests hold its client, and see each of its modes. */
import { connect, indexedDbStore } from 'syncline';

window.syncline = { connect, indexedDbStore };
window.modes = [];
window.begin = (hub, options) => {
  window.client = connect(hub, options);
  window.client.on('mode', (mode) => window.modes.push(mode));
  window.post = window.client.open('post/1');
};
