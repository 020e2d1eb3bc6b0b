import { runProgram } from './program.ts';

// The reader of our output has gone, as with `| head`, so exit; but `serve` drains first.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (!process.emit('SIGTERM', 'SIGTERM')) process.exit();
});

await runProgram(process.argv.slice(2));
