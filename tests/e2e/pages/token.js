/** A page with nothing on it: the tests hold its client, and are the app's server that signs tokens. */
import { connect } from 'syncline';

window.errors = [];
window.statuses = [];
window.begin = (hub, share) => {
  window.client = connect(hub, { token: () => window.sign(), share });
  window.client.on('error', ({ code }) => window.errors.push(code));
  window.client.on('status', (status) => window.statuses.push(status));
  window.post = window.client.open('post/1');
};
