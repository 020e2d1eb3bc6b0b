import { leave, liveUntilStopped, tellReady } from './life.ts';
import { connectSetting, revised, type Setting, startOf } from './setting.ts';
import { startFrontend } from './start-frontend.ts';

/** One frontend process. */
export async function runFrontend(setting: Setting): Promise<void> {
  const bus = await connectSetting(setting, 'frontend');
  const plan = revised(setting, await startOf(setting, bus));
  try {
    const actors = await startFrontend(setting, bus, plan, tellReady);
    await liveUntilStopped([actors], bus, setting.log);
  } catch (error) {
    await leave(bus);
    throw error;
  }
}
