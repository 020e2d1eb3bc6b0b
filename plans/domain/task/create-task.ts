import { assertNever } from '../../../engine/errors.ts';
import { binary } from './binary.ts';
import { classification } from './classification.ts';
import { custom } from './custom.ts';
import { multiLabel } from './multi-label.ts';
import { regression } from './regression.ts';
import type { Task, TaskSettings } from './task.ts';

export function createTask(settings: TaskSettings): Task {
  switch (settings.task) {
    case 'classification':
      return classification(settings);
    case 'binary':
      return binary(settings);
    case 'multi-label':
      return multiLabel(settings);
    case 'regression':
      return regression(settings);
    case 'custom':
      return custom();
    default:
      return assertNever(settings.task);
  }
}
