/* The side panel. */
import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { jobIcon } from '../icon';
import { GraphsModel } from '../graphmodel';
import { JobsModel } from '../model';
import { offer } from '../palette';
import { IPanelActions, JobsPanel } from '../panel';
import { CommandIDs, DOMAIN, IGraphs, IJobs } from '../tokens';

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-kf:panel',
  description: 'Lists the jobs in the side bar.',
  autoStart: true,
  requires: [IJobs],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer, IGraphs],
  activate: (
    app: JupyterFrontEnd,
    model: JobsModel,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    graphs: GraphsModel | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { commands, shell } = app;
    const actions: IPanelActions = {
      open: name => void commands.execute(CommandIDs.openJob, { name }),
      cancel: names => void commands.execute(CommandIDs.cancelJob, { names }),
      remove: names => void commands.execute(CommandIDs.deleteJob, { names }),
      graphs: {
        open: name => void commands.execute(CommandIDs.openGraph, { name }),
        run: name =>
          void commands.execute(CommandIDs.openGraph, { name, tab: 'run' })
      }
    };
    const panel = new JobsPanel(model, graphs, trans, actions);
    shell.add(panel, 'left', { rank: 650, type: 'Distributed jobs' });
    restorer?.add(panel, panel.id);
    commands.addCommand(CommandIDs.showPanel, {
      label: trans.__('Show the Distributed Jobs'),
      caption: trans.__('The list of all jobs in the side bar'),
      icon: jobIcon,
      execute: () => shell.activateById(panel.id)
    });
    offer(palette, trans, [CommandIDs.showPanel]);
  }
};
