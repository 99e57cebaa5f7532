/**
 * The floor of all peers: a server that knows nothing of documents. What one connection sends goes to all others as it is.
 *
 * node ws.mjs
 */
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });

server.on('listening', () => console.log(JSON.stringify({ port: server.address().port })));
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => {
    for (const other of server.clients) {
      if (other !== socket) other.send(data, { binary });
    }
  });
});
process.on('SIGTERM', () => process.exit(0));
