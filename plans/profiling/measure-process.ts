import { ConfigError, messageOf } from '../../engine/errors.ts';
import { type DeviceMeasurement, type MeasureJob, type MeasureProgress, measureDevice } from './measure-device.ts';

/** Messages of the child process that measures one kind of device: one job in, one outcome out. */
export type MeasureMessage =
  | { readonly type: 'progress'; readonly progress: MeasureProgress }
  | { readonly type: 'measured'; readonly measurement: DeviceMeasurement }
  | { readonly type: 'failed'; readonly config: boolean; readonly message: string };

/**
 * Stop when the parent is gone. We abort the measurement rather than exit: exiting during an inference aborts the process and prints a
 * message on the terminal of a user who has already ended the command.
 */
const orphaned = new AbortController();
process.once('disconnect', () => orphaned.abort());

process.once('message', async (job: MeasureJob) => {
  // The parent may have exited while we were starting.
  if (!process.connected) return;
  try {
    const measurement = await measureDevice(job, orphaned.signal, (progress) => void tell({ type: 'progress', progress }));
    await tell({ type: 'measured', measurement });
  } catch (error) {
    const config = error instanceof ConfigError;
    await tell({ type: 'failed', config, message: config ? error.message : ((error as Error)?.stack ?? messageOf(error)) });
  }
  if (process.connected) process.disconnect();
});

/** Resolves when the message has been sent, or cannot be: a parent that exits meanwhile is not an error. */
function tell(message: MeasureMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, () => resolve());
  });
}
