import { liveUntilStopped, runConnected, tellReady } from './life.ts';
import { connectSetting, revised, type Setting, startOf } from './setting.ts';
import { startFrontend } from './start-frontend.ts';

/** One frontend process. */
export function runFrontend(setting: Setting): Promise<void> {
  return runConnected(connectSetting(setting, 'frontend'), async (bus) => {
    const plan = revised(setting, await startOf(setting, bus));
    await liveUntilStopped([await startFrontend(setting, bus, plan, tellReady)], setting.log);
  });
}
