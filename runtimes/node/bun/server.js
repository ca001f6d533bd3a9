// Node's application on Bun's node:http.
import '../server.js';
import { deepenBacklog } from './backlog.js';

deepenBacklog();
