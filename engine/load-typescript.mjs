// Lets a worker thread or child process run our TypeScript sources: `node --import <this file>`. `--import tsx` does not work in
// worker threads before Node 22 ("Unknown file extension .ts").
import { register } from 'tsx/esm/api';

register();
