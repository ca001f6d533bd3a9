// Node's application on Express and Bun's node:http.
import '../express.js';
import { deepenBacklog } from './backlog.js';

deepenBacklog();
