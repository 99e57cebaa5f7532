/**
 * The y-websocket server, documents in memory only, as its own program runs it but for the address. It keeps nothing on disk
 * unless told to, and confirms nothing.
 *
 * node y-websocket.mjs
 */
import { WebSocketServer } from 'ws';
import { setupWSConnection } from '@y/websocket-server/utils';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });

server.on('listening', () => console.log(JSON.stringify({ port: server.address().port })));
server.on('connection', setupWSConnection);
process.on('SIGTERM', () => process.exit(0));
