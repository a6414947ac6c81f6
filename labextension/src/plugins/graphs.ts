/* Provides the stored graphs, and opens one of them in the main area. */
import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  InputDialog,
  MainAreaWidget,
  showDialog,
  showErrorMessage,
  WidgetTracker
} from '@jupyterlab/apputils';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import { GraphsModel } from '../graphmodel';
import { GraphPage, IPageActions } from '../graphpage';
import { GraphRequests } from '../graphrequest';
import { jobIcon } from '../icon';
import { JobsModel } from '../model';
import { CommandIDs, DOMAIN, IGraphs, IJobs } from '../tokens';

export const graphsPlugin: JupyterFrontEndPlugin<GraphsModel> = {
  id: 'jupyter-kf:graphs',
  description: 'Keeps the stored graphs of this server, and shows one of them.',
  autoStart: true,
  provides: IGraphs,
  requires: [IJobs],
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    jobs: JobsModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const model = new GraphsModel(jobs, new GraphRequests(jobs.requests));
    addPages(app, model, trans, restorer);
    addCommands(app, model, trans);
    return model;
  }
};

function addPages(
  app: JupyterFrontEnd,
  model: GraphsModel,
  trans: TranslationBundle,
  restorer: ILayoutRestorer | null
): void {
  const { commands, shell } = app;
  const tracker = new WidgetTracker<MainAreaWidget<GraphPage>>({
    namespace: 'jupyter-kf-graphs'
  });
  const actions: IPageActions = {
    openJob: name => void commands.execute(CommandIDs.openJob, { name }),
    rename: name => void commands.execute(CommandIDs.renameGraph, { name }),
    remove: (name, version) =>
      void commands.execute(CommandIDs.deleteGraph, { name, version })
  };
  const make = (name: string): MainAreaWidget<GraphPage> => {
    const content = new GraphPage(model, name, trans, actions);
    const widget = new MainAreaWidget({ content });
    widget.toolbar.hide();
    widget.id = `jupyter-kf-graph-${name}`;
    widget.title.label = name;
    widget.title.caption = trans.__('The stored graph %1', name);
    widget.title.icon = jobIcon;
    widget.title.closable = true;
    return widget;
  };
  commands.addCommand(CommandIDs.openGraph, {
    label: args => trans.__('Open the graph %1', String(args.name ?? '')),
    execute: async args => {
      const name = String(args.name);
      let widget = tracker.find(w => w.content.graph === name);
      if (!widget) {
        widget = make(name);
        shell.add(widget, 'main');
        if (!widget.isAttached) {
          widget.addClass('jp-kf-mod-side'); // Notebook 7 has room for one document only
          shell.add(widget, 'right');
        }
        await tracker.add(widget);
      }
      if (typeof args.tab === 'string') {
        widget.content.present(args.tab);
      }
      shell.activateById(widget.id);
    }
  });
  void restorer?.restore(tracker, {
    command: CommandIDs.openGraph,
    args: widget => ({ name: widget.content.graph }),
    name: widget => widget.content.graph
  });
}

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
  commands.addCommand(CommandIDs.renameGraph, {
    label: args => trans.__('Rename the graph %1', String(args.name ?? '')),
    execute: async args => {
      const name = String(args.name);
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
    label: args => trans.__('Delete the graph %1', String(args.name ?? '')),
    execute: async args => {
      const name = String(args.name);
      const version = typeof args.version === 'number' ? args.version : null;
      const answer = await showDialog({
        title:
          version === null
            ? trans.__('Delete this graph?')
            : trans.__('Delete this version?'),
        body:
          version === null
            ? trans.__(
                'All versions of %1 will be gone. The jobs that ran it stay.',
                name
              )
            : trans.__('Version %1 of %2 will be gone.', version, name),
        buttons: [
          Dialog.cancelButton({ label: trans.__('Keep') }),
          Dialog.warnButton({ label: trans.__('Delete') })
        ]
      });
      if (answer.button.accept) {
        await attempt(model.requests.remove(name, version));
      }
    }
  });
}
