/* Provides the stored graphs, and opens one of them in the main area. */
import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  InputDialog,
  showErrorMessage
} from '@jupyterlab/apputils';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { chooseName, deletionWanted } from '../asking';
import { GraphsModel } from '../graphmodel';
import { GraphPage, IPageActions } from '../graphpage';
import { GraphRequests } from '../graphrequest';
import { JobsModel } from '../model';
import { addPages } from '../pages';
import { offer } from '../palette';
import { CommandIDs, DOMAIN, IGraphs, IJobs } from '../tokens';

export const graphsPlugin: JupyterFrontEndPlugin<GraphsModel> = {
  id: 'jupyter-kf:graphs',
  description: 'Keeps the stored graphs of this server, and shows one of them.',
  autoStart: true,
  provides: IGraphs,
  requires: [IJobs],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    jobs: JobsModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const model = new GraphsModel(jobs, new GraphRequests(jobs.requests));
    const { commands } = app;
    const actions: IPageActions = {
      openJob: name => void commands.execute(CommandIDs.openJob, { name }),
      rename: name => void commands.execute(CommandIDs.renameGraph, { name }),
      remove: (name, version) =>
        void commands.execute(CommandIDs.deleteGraph, { name, version })
    };
    addPages(app, restorer, {
      id: 'jupyter-kf-graph',
      command: CommandIDs.openGraph,
      label: trans.__('Open a Stored Graph…'),
      caption: name => trans.__('The stored graph %1', name),
      choose: () => chooseGraph(model, trans, trans.__('Open which graph?')),
      make: name => new GraphPage(model, name, trans, actions)
    });
    addCommands(app, model, trans);
    offer(palette, trans, [
      CommandIDs.openGraph,
      CommandIDs.renameGraph,
      CommandIDs.deleteGraph
    ]);
    return model;
  }
};

function addCommands(
  app: JupyterFrontEnd,
  model: GraphsModel,
  trans: TranslationBundle
): void {
  const { commands } = app;
  const attempt = async (what: Promise<unknown>): Promise<boolean> => {
    try {
      await what;
      return true;
    } catch (error) {
      await showErrorMessage(trans.__('This did not work'), error as Error);
      return false;
    } finally {
      await model.refresh();
    }
  };
  const named = async (
    args: ReadonlyPartialJSONObject,
    title: string
  ): Promise<string | null> =>
    typeof args.name === 'string'
      ? args.name
      : chooseGraph(model, trans, title);
  commands.addCommand(CommandIDs.renameGraph, {
    label: trans.__('Rename a Stored Graph…'),
    execute: async args => {
      const name = await named(args, trans.__('Rename which graph?'));
      if (!name) {
        return;
      }
      const answer = await InputDialog.getText({
        title: trans.__('Rename the graph %1', name),
        label: trans.__('Its new name'),
        text: name,
        okLabel: trans.__('Rename'),
        cancelLabel: trans.__('Keep')
      });
      const to = answer.value?.trim();
      if (!answer.button.accept || !to || to === name) {
        return;
      }
      if (await attempt(model.requests.rename(name, to))) {
        await commands.execute(CommandIDs.openGraph, { name: to });
      }
    }
  });
  commands.addCommand(CommandIDs.deleteGraph, {
    label: trans.__('Delete a Stored Graph…'),
    execute: async args => {
      const name = await named(args, trans.__('Delete which graph?'));
      if (!name) {
        return;
      }
      const version = typeof args.version === 'number' ? args.version : null;
      const wanted =
        version === null
          ? await deletionWanted(
              trans,
              trans.__('Delete this graph?'),
              trans.__(
                'All versions of %1 will be gone. The jobs that ran it stay.',
                name
              )
            )
          : await deletionWanted(
              trans,
              trans.__('Delete this version?'),
              trans.__('Version %1 of %2 will be gone.', version, name)
            );
      if (wanted) {
        await attempt(model.requests.remove(name, version));
      }
    }
  });
}

async function chooseGraph(
  model: GraphsModel,
  trans: TranslationBundle,
  title: string
): Promise<string | null> {
  await model.refresh();
  return chooseName(
    trans,
    title,
    model.graphs.map(graph => graph.name)
  );
}
