/** A page with nothing on it: the tests hold its client. */
import { connect } from 'syncline';

window.errors = [];
window.begin = (hub) => {
  window.client = connect(hub);
  window.client.on('error', ({ code }) => window.errors.push(code));
  window.post = window.client.open('post/1');
};
