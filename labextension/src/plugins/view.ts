/* Opens a job in the main area, and again after a reload. */
import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Clipboard, ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { chooseName } from '../asking';
import { JobsModel } from '../model';
import { addPages } from '../pages';
import { offer } from '../palette';
import { CommandIDs, DOMAIN, IJobs } from '../tokens';
import { IViewActions, JobView } from '../view';

export const viewPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-kf:view',
  description: 'Shows one job in the main area.',
  autoStart: true,
  requires: [IJobs],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    model: JobsModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { commands } = app;
    const actions: IViewActions = {
      cancel: name => void commands.execute(CommandIDs.cancelJob, { name }),
      interrupt: name =>
        void commands.execute(CommandIDs.interruptJob, { name }),
      remove: name => void commands.execute(CommandIDs.deleteJob, { name }),
      copy: text => {
        Clipboard.copyToSystem(text);
        Notification.success(trans.__('Copied'), { autoClose: 2000 });
      }
    };
    addPages(app, restorer, {
      id: 'jupyter-kf-job',
      command: CommandIDs.openJob,
      label: trans.__('Open a Distributed Job…'),
      caption: name => trans.__('The distributed job %1', name),
      choose: () =>
        chooseName(
          trans,
          trans.__('Open which job?'),
          model.jobs.map(job => job.spec.name)
        ),
      make: name => new JobView(model, name, trans, actions)
    });
    offer(palette, trans, [CommandIDs.openJob]);
  }
};
