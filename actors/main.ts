import { runProgram } from './program.ts';

// Whoever read the output has left, as `| head` does: end like them, but let `serve` drain.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (!process.emit('SIGTERM', 'SIGTERM')) process.exit();
});

await runProgram(process.argv.slice(2));
