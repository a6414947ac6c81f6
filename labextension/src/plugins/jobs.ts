/* Provides the model, and the commands that steer a job by its name. */
import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { chooseName, deletionWanted } from '../asking';
import { isFinished, JobsModel } from '../model';
import { offer } from '../palette';
import { Action, Requests } from '../request';
import { ISocket, LiveSocket } from '../socket';
import { CommandIDs, DOMAIN, IJobs } from '../tokens';

export const jobsPlugin: JupyterFrontEndPlugin<JobsModel> = {
  id: 'jupyter-kf:jobs',
  description: 'Keeps the jobs of this server as they are now.',
  autoStart: true,
  provides: IJobs,
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const settings = app.serviceManager.serverSettings;
    const model = new JobsModel(
      new Requests(settings, trans),
      fallback => new LiveSocket(() => openSocket(settings), fallback)
    );
    addCommands(app, model, trans);
    offer(palette, trans, [
      CommandIDs.cancelJob,
      CommandIDs.interruptJob,
      CommandIDs.deleteJob
    ]);
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
  const { commands } = app;
  const each = async (names: string[], action: Action): Promise<void> => {
    const results = await Promise.allSettled(
      names.map(name => model.act(name, action))
    );
    const failed = results.find(r => r.status === 'rejected');
    if (failed) {
      await showErrorMessage(trans.__('This did not work'), failed.reason);
    }
  };
  /** The jobs that the command is given, or the one that the user chooses. */
  const named = async (
    args: ReadonlyPartialJSONObject,
    title: string,
    going: boolean
  ): Promise<string[]> => {
    if (Array.isArray(args.names)) {
      return args.names.map(String);
    }
    if (typeof args.name === 'string') {
      return [args.name];
    }
    const names = model.jobs
      .filter(job => !going || !isFinished(job.state))
      .map(job => job.spec.name);
    const chosen = await chooseName(trans, title, names);
    return chosen ? [chosen] : [];
  };
  commands.addCommand(CommandIDs.cancelJob, {
    label: trans.__('Cancel a Distributed Job…'),
    caption: trans.__('End its workers at once'),
    execute: async args =>
      each(await named(args, trans.__('Cancel which job?'), true), 'cancel')
  });
  commands.addCommand(CommandIDs.interruptJob, {
    label: trans.__('Stop a Distributed Job and Keep What It Learned…'),
    caption: trans.__('End its workers after their step'),
    execute: async args =>
      each(await named(args, trans.__('Stop which job?'), true), 'interrupt')
  });
  commands.addCommand(CommandIDs.deleteJob, {
    label: trans.__('Delete a Distributed Job…'),
    caption: trans.__('End its workers and remove all that is kept of it'),
    execute: async args => {
      const names = await named(args, trans.__('Delete which job?'), false);
      const title = trans._n(
        'Delete this job?',
        'Delete these %1 jobs?',
        names.length
      );
      const body = trans.__(
        'The record, the log and the results of %1 will be gone; running workers are ended.',
        names.slice(0, 5).join(', ') + (names.length > 5 ? ' …' : '')
      );
      if (names.length && (await deletionWanted(trans, title, body))) {
        await each(names, 'delete');
      }
    }
  });
}
