// Lets a worker thread or child process run our TypeScript sources: `node --import <this file>`. Not `--import tsx`, because
// before Node 22 tsx then stays out of worker threads ("Unknown file extension .ts").
import { register } from 'tsx/esm/api';

register();
