/* Provides the model, and the commands that steer a job by its name. */
import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import { JobsModel } from '../model';
import { Action, Requests } from '../request';
import { ISocket, LiveSocket } from '../socket';
import { CommandIDs, DOMAIN, IJobs } from '../tokens';

export const jobsPlugin: JupyterFrontEndPlugin<JobsModel> = {
  id: 'jupyter-kf:jobs',
  description: 'Keeps the jobs of this server as they are now.',
  autoStart: true,
  provides: IJobs,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const settings = app.serviceManager.serverSettings;
    const model = new JobsModel(
      new Requests(settings),
      fallback => new LiveSocket(() => openSocket(settings), fallback)
    );
    addCommands(app, model, trans);
    return model;
  }
};

function openSocket(settings: ServerConnection.ISettings): ISocket {
  const { WebSocket, wsUrl, appendToken, token } = settings;
  const query =
    appendToken && token ? URLExt.objectToQueryString({ token }) : '';
  return new WebSocket(URLExt.join(wsUrl, 'jupyter-kf/ws') + query);
}

function addCommands(
  app: JupyterFrontEnd,
  model: JobsModel,
  trans: TranslationBundle
): void {
  const each = async (names: string[], action: Action): Promise<void> => {
    const results = await Promise.allSettled(
      names.map(name => model.act(name, action))
    );
    const failed = results.find(r => r.status === 'rejected');
    if (failed) {
      await showErrorMessage(trans.__('This did not work'), failed.reason);
    }
  };
  app.commands.addCommand(CommandIDs.cancelJob, {
    label: trans.__('Cancel a distributed job'),
    execute: args => each(namesOf(args), 'cancel')
  });
  app.commands.addCommand(CommandIDs.interruptJob, {
    label: trans.__('Stop a distributed job and keep what it learned'),
    execute: args => each(namesOf(args), 'interrupt')
  });
  app.commands.addCommand(CommandIDs.deleteJob, {
    label: trans.__('Delete a distributed job'),
    execute: async args => {
      const names = namesOf(args);
      const answer = await showDialog({
        title: trans._n(
          'Delete this job?',
          'Delete these %1 jobs?',
          names.length
        ),
        body: trans.__(
          'The record, the log and the results of %1 will be gone; running workers are ended.',
          names.slice(0, 5).join(', ') + (names.length > 5 ? ' …' : '')
        ),
        buttons: [
          Dialog.cancelButton({ label: trans.__('Keep') }),
          Dialog.warnButton({ label: trans.__('Delete') })
        ]
      });
      if (answer.button.accept) {
        await each(names, 'delete');
      }
    }
  });
}

function namesOf(args: { names?: unknown; name?: unknown }): string[] {
  if (Array.isArray(args.names)) {
    return args.names.map(String);
  }
  return typeof args.name === 'string' ? [args.name] : [];
}
