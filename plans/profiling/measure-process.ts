import { ConfigError, messageOf } from '../../engine/errors.ts';
import { type DeviceMeasurement, type MeasureJob, type MeasureProgress, measureDevice } from './measure-device.ts';

/** The child process that measures one kind of device: one job in, its outcome out. */
export type MeasureMessage =
  | { readonly type: 'progress'; readonly progress: MeasureProgress }
  | { readonly type: 'measured'; readonly measurement: DeviceMeasurement }
  | { readonly type: 'failed'; readonly config: boolean; readonly message: string };

/**
 * Without a parent there is nobody to measure for. The measurement is ended rather than the process: to exit during an inference
 * aborts, with a message on the terminal of the user, who has ended the command and expects none.
 */
const orphaned = new AbortController();
process.once('disconnect', () => orphaned.abort());

process.once('message', async (job: MeasureJob) => {
  // It may have gone while we were being started.
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

/** Resolves when the message has left: a parent that is gone meanwhile is no error of ours. */
function tell(message: MeasureMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, () => resolve());
  });
}
