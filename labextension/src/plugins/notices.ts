/* Tells of the end of long jobs: at most one notification a job. */
import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { isFinished, JobsModel } from '../model';
import { CommandIDs, DOMAIN, IJobs, SETTINGS_ID } from '../tokens';
import type { JobState } from '../wire';
import { duration, elapsed, stateWord } from '../words';

const TYPES: Record<JobState, Notification.TypeOptions> = {
  PENDING: 'info',
  RUNNING: 'info',
  SUCCEEDED: 'success',
  FAILED: 'error',
  CANCELLED: 'info'
};

export const noticesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-kf:notices',
  description: 'Tells of the end of long jobs.',
  autoStart: true,
  requires: [IJobs, ISettingRegistry],
  optional: [ITranslator],
  activate: async (
    app: JupyterFrontEnd,
    model: JobsModel,
    registry: ISettingRegistry,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const settings = await registry.load(SETTINGS_ID);
    const told = new Set<string>();
    model.transition.connect((_, { job }) => {
      const least = settings.get('notifyAfter').composite as number;
      const took = elapsed(job, Date.now() / 1000) ?? 0;
      const name = job.spec.name;
      if (
        !isFinished(job.state) ||
        least < 0 ||
        took < least ||
        told.has(name)
      ) {
        return;
      }
      told.add(name);
      const text = trans.__(
        'Job %1 %2 after %3.',
        name,
        stateWord(trans, job.state),
        duration(took)
      );
      const open = {
        label: trans.__('Open'),
        callback: () => void app.commands.execute(CommandIDs.openJob, { name })
      };
      Notification.emit(text, TYPES[job.state], {
        actions: [open],
        autoClose: false
      });
    });
  }
};
